import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { readArchive } from "../../lib/platform/archive/read-tar.ts";
import { conditionOf, configMap, type Reconciled, type RecordedEvent, type Workspace } from "./workspace.ts";

/** What a generator's status names. */
export type Inventory = { name: string; namespace: string; digest: string; filename: string }[];
type Output = { name: string; copy: Record<string, unknown>[]; [field: string]: unknown };

/** A workspace with the GitRepository `mono`, which holds two directories, and what tests of generators do in it. */
export type Generators = {
  /** The repository of `mono`. */
  mono: GitRepository;
  /** Creates a generator of `mono`, unless the spec names other sources. */
  create(name: string, spec: Record<string, unknown>, annotations?: Record<string, string>): Promise<unknown>;
  ready(name: string): Promise<Reconciled>;
  /** Until Ready is False with these words. */
  failed(name: string, words: string): Promise<Reconciled>;
  /** The ExternalArtifact of that name. Throws where there is none. */
  find(name: string): Promise<Reconciled>;
  /** Asks for a look, and resolves when it has ended. */
  look(name: string): Promise<Reconciled>;
  /** Commits, and resolves with the commit when the source offers it. */
  push(repository: GitRepository, source: string, changes: Record<string, string | null>): Promise<string>;
  /** Where the file of an object's artifact is. */
  pathOf(object: Reconciled): string;
  /** The files of an ExternalArtifact's artifact. */
  filesOf(name: string): Promise<Record<string, string>>;
  /** Events of a generator with this reason and these words. */
  told(name: string, reason: string, words: string): Promise<RecordedEvent[]>;
};

/** The directory of an app, with what no artifact holds. */
function files(app: string): Record<string, string> {
  return {
    [`apps/${app}/map.yaml`]: configMap(app, { version: "1" }),
    [`apps/${app}/logo.png`]: "no artifact holds pictures",
    [`apps/${app}/run.sh`]: "#!/bin/sh\n",
  };
}

/** An artifact of the directory of an app. */
export function copyOf(app: string, name = app): Output {
  return { name, copy: [{ from: `@mono/apps/${app}/**`, to: "@artifact/" }] };
}

export function inventoryOf({ status }: Reconciled): Inventory {
  return (status as { inventory?: Inventory } | undefined)?.inventory ?? [];
}

export function readyOf({ status }: Reconciled) {
  return conditionOf(status, "Ready");
}

/** Makes the sources; `artifacts` is the directory of Sluice's artifacts. */
export async function openGenerators(workspace: Workspace, artifacts: string): Promise<Generators> {
  const kind = "ArtifactGenerator";
  const mono = await workspace.repository({ ...files("web"), ...files("api"), "README.md": "read\n" });
  await workspace.gitRepository("mono", mono.url);
  await workspace.untilReady("GitRepository", "mono");
  const find: Generators["find"] = async (name) => {
    const found = await workspace.find("ExternalArtifact", name);
    if (found === undefined) throw new Error(`ExternalArtifact/${name} is not there`);
    return found;
  };
  const pathOf: Generators["pathOf"] = ({ status }) => join(artifacts, "bed", status?.artifact?.path ?? "");
  return {
    mono,
    create: (name, spec, annotations = {}) =>
      workspace.create({
        apiVersion: "source.extensions.fluxcd.io/v1beta1",
        kind,
        metadata: { name, annotations },
        spec: { sources: [{ alias: "mono", kind: "GitRepository", name: "mono" }], ...spec },
      }),
    ready: (name) => workspace.untilReady(kind, name),
    failed: (name, words) =>
      workspace.until(kind, name, (object) => {
        const condition = readyOf(object);
        return condition?.status === "False" && condition.message.includes(words);
      }),
    find,
    look: async (name) => {
      const requestedAt = await workspace.reconcile(kind, name);
      return workspace.until(kind, name, ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    },
    push: async (repository, source, changes) => {
      const commit = await repository.commit(changes);
      await workspace.reconcile("GitRepository", source);
      await workspace.until("GitRepository", source, ({ status }) =>
        (status?.artifact?.revision ?? "").includes(commit),
      );
      return commit;
    },
    pathOf,
    filesOf: async (name) => {
      const content: Record<string, string> = {};
      const limits = { total: 1_000_000, file: 1_000_000, entries: 100 };
      const archive = await readFile(pathOf(await find(name)));
      for await (const entry of readArchive(archive, limits, AbortSignal.timeout(10_000)))
        if (entry.type === "file") content[entry.path] = entry.content.toString();
      return content;
    },
    told: async (name, reason, words) =>
      (await workspace.events(kind, name)).filter((event) => event.reason === reason && event.message.includes(words)),
  };
}
