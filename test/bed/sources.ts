import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { get } from "node:https";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { bedPart } from "./bed.ts";
import { conditionOf, openWorkspace, type Reconciled, type Workspace } from "./workspace.ts";

/** A workspace for tests of GitRepositories and of what Sluice stores of them. */
export type Sources = Workspace & {
  /** Directory of the cluster's artifacts: `status.artifact.path` is below it. */
  stored: string;
  /** A repository with one file, and a GitRepository of this name that is Ready. */
  source(name: string): Promise<{ repository: GitRepository; object: Reconciled }>;
  /** Asks for a pass as `flux reconcile` does; resolves with the object once it is answered. */
  reconciled(name: string): Promise<Reconciled>;
  /** Changes the spec; resolves once the object is Ready at that generation. */
  edited(name: string, spec: Record<string, unknown>): Promise<Reconciled>;
  /** Until Ready is False for this reason at the object's generation. */
  untilFailed(name: string, reason: string): Promise<Reconciled>;
  remove(name: string): Promise<void>;
  /** Type, reason and message of the object's events, in order of time. */
  told(name: string): Promise<string[][]>;
  /** Names of the files that are stored of a GitRepository. */
  files(name: string): Promise<string[]>;
  /** GETs an artifact from the front, as a consumer does. */
  download(url: string): Promise<{ status: number; body: Buffer }>;
  /** The tar of the object's artifact. Rejects where it is not what the status says of it (ART-021). */
  archive(object: Reconciled): Promise<Buffer>;
};

/** Opens a workspace in the run's Sluice. */
export async function openSources(prefix: string): Promise<Sources> {
  const { artifacts } = await bedPart("sluice");
  const stored = join(artifacts, "bed");
  const workspace = await openWorkspace(prefix);
  const { namespace, sluice } = workspace;

  const download: Sources["download"] = (url) =>
    new Promise((resolve, reject) => {
      get(url, { ca: sluice.certificateAuthority, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
      }).once("error", reject);
    });

  return {
    ...workspace,
    stored,
    source: async (name) => {
      const repository = await workspace.repository({ "app/a.txt": "one\n" });
      await workspace.gitRepository(name, repository.url);
      return { repository, object: await workspace.untilReady("GitRepository", name) };
    },
    reconciled: async (name) => {
      const requestedAt = await workspace.reconcile("GitRepository", name);
      return workspace.until("GitRepository", name, ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    },
    edited: async (name, spec) => {
      await workspace.patch("GitRepository", name, { spec });
      return workspace.untilReady("GitRepository", name);
    },
    untilFailed: (name, reason) =>
      workspace.until("GitRepository", name, ({ metadata, status }) => {
        const ready = conditionOf(status, "Ready");
        return ready?.status === "False" && ready.reason === reason && ready.observedGeneration === metadata.generation;
      }),
    remove: async (name) => {
      const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/gitrepositories/${name}`;
      await workspace.client.request({ method: "DELETE", path });
    },
    told: async (name) =>
      (await workspace.events("GitRepository", name)).map((event) => [event.type, event.reason, event.message]),
    files: (name) => readdir(join(stored, "gitrepository", namespace, name)).catch(() => []),
    download,
    archive: async ({ status }) => {
      const { url = "", size, digest } = status?.artifact ?? {};
      const { status: code, body } = await download(url);
      const found = `sha256:${createHash("sha256").update(body).digest("hex")}`;
      if (code !== 200 || body.length !== size || found !== digest)
        throw new Error(`${url} answers ${code} with ${body.length} bytes of ${found}, not ${size} of ${digest}`);
      return gunzipSync(body);
    },
  };
}

/** The message of a condition, empty where it is not there. */
export function messageOf({ status }: Reconciled, type = "Ready"): string {
  return conditionOf(status, type)?.message ?? "";
}

/** The types of all conditions, sorted. */
export function typesOf({ status }: Reconciled): string[] {
  return (status?.conditions ?? []).map(({ type }) => type).toSorted();
}
