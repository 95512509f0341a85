import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { KubernetesObject } from "../../lib/api/object.ts";
import { ApiError } from "../../lib/cluster/api-error.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import type { RunningSluice } from "../bed/sluice.ts";
import { apiVersions, isReady, openWorkspace, type Reconciled, type Workspace } from "../bed/workspace.ts";
import { replacingCollections, replacingFiles, replacingInventory } from "./replacing-set.ts";
import { announceTo, tell } from "./scene.ts";
import { startSink } from "./sink.ts";

/** All that one version of the set comes to, in a form in which two versions are equal. */
export type EndState = { objects: unknown[]; status: unknown; told: unknown };

/** One application each of whose versions makes, changes, removes and replaces objects. */
export type ReplacingScene = {
  workspace: Workspace;
  /** Commits the next version and tells of it; resolves with the revision. */
  push(): Promise<string>;
  /** What the cluster holds, once the status says that the revision is applied; rejects where it never does. */
  endState(revision: string): Promise<EndState>;
  /** Waits until every push was told to the Provider; resolves with the pushes, counted from 1, of which no word came. */
  untold(): Promise<number[]>;
  close(): Promise<void>;
};

/** Sets the scene in a running Sluice. */
export async function openReplacingScene(name: string, sluice: RunningSluice): Promise<ReplacingScene> {
  const workspace = await openWorkspace(name, { sluice });
  const sink = await startSink();
  await announceTo(workspace, sink);
  const repository = await workspace.repository(replacingFiles(workspace, 0));
  await workspace.gitRepository("source", repository.url);
  const definition = `keepers.kept.${workspace.namespace}.example.org`;
  await workspace.create({
    apiVersion: apiVersions.Kustomization,
    kind: "Kustomization",
    metadata: { name: "app" },
    spec: {
      interval: "1h",
      retryInterval: "1s",
      prune: true,
      force: true,
      path: "./app",
      sourceRef: { kind: "GitRepository", name: "source" },
      healthChecks: [{ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", name: definition }],
    },
  });
  await workspace.untilReady("Kustomization", "app", 60);
  const call = await workspace.receiver("push", "github", [{ kind: "GitRepository", name: "source" }]);
  await workspace.untilReady("Receiver", "push");
  let version = 0;
  let heard = 0;
  return {
    workspace,
    push: async () => {
      heard = sink.messages.length;
      const commit = await commitNext(repository, workspace, ++version);
      await tell(call);
      return `main@sha1:${commit}`;
    },
    endState: (revision) => endState(workspace, revision, version, () => sink.messages.slice(heard)),
    untold: async () => {
      const isTold = (number: number) =>
        sink.messages.some((message) => message.includes(`Namespace/${workspace.namespace}-new-${number} created`));
      const versions = [...Array(version).keys()].map((index) => index + 1);
      const giveUp = Date.now() + 30_000;
      while (!versions.every(isTold) && Date.now() < giveUp) await sleep(100);
      return versions.filter((number) => !isTold(number));
    },
    close: async () => {
      await sink.stop();
      await workspace.close();
    },
  };
}

function commitNext(repository: GitRepository, workspace: Workspace, version: number): Promise<string> {
  return repository.commit(replacingFiles(workspace, version));
}

async function endState(
  workspace: Workspace,
  revision: string,
  version: number,
  notified: () => string[],
): Promise<EndState> {
  const isDone = (app: Reconciled) =>
    app.status?.lastAppliedRevision === revision &&
    isReady(app) &&
    app.status.conditions?.every(({ type }) => type === "Ready" || type === "Healthy") === true;
  const app = await workspace.until("Kustomization", "app", isDone, 60);
  const inventory = app.status?.inventory?.entries.map(({ id }) => id).sort();
  expect(inventory).toEqual(replacingInventory(workspace, version));
  const objects = await objectsOf(workspace, version);
  // What is applied is in the inventory, and nothing else of it is left anywhere.
  expect(objects).toHaveLength(replacingInventory(workspace, version).length);
  const [latest] = app.status?.history ?? [];
  const status = {
    attempted: app.status?.lastAttemptedRevision,
    observed: app.status?.observedGeneration,
    conditions: app.status?.conditions?.map(({ lastTransitionTime: _time, ...condition }) => condition),
    result: latest?.lastReconciledStatus,
    metadata: latest?.metadata,
    inventory: app.status?.inventory?.entries,
  };
  const lines = (await toldOf(workspace, revision, notified)).map((line) => asAnyVersion(line, version, revision));
  // Notifications of earlier pushes may come late.
  const told = lines.filter((line) => !/new-(\d|M.* changed$)/.test(String(line))).sort();
  return { objects, status: asAnyVersion(status, version, revision), told };
}

/** What the events of a revision name as changed or deleted, each once: who died between an event and the status tells it again. */
async function toldOf(workspace: Workspace, revision: string, notified: () => string[]): Promise<string[]> {
  const named = async () => {
    const events = await workspace.events("Kustomization", "app");
    const ofRevision = events.filter(
      ({ metadata }) => metadata.annotations?.["kustomize.toolkit.fluxcd.io/revision"] === revision,
    );
    // An Event that the API server refuses is not repeated; its notification comes all the same.
    const lines = [...ofRevision.map(({ message }) => message), ...notified()].flatMap((text) => text.split("\n"));
    // Of what a dead pass made anew the next one knows that it is another, not that it was gone.
    const changes = lines.map((line) => /^(\S+\/\S+) (created|configured|deleted)$/.exec(line));
    return [...new Set(changes.flatMap((change) => (change === null ? [] : [`${change[1]} ${kindOf(change[2])}`])))];
  };
  for (let look = 0; look < 50 && (await named()).length < 13; look++) await sleep(100);
  return named();
}

function kindOf(action: string | undefined): string {
  return action === "deleted" ? "deleted" : "changed";
}

/** What carries the owner labels and is not on its way out. */
async function objectsOf(workspace: Workspace, version: number): Promise<unknown[]> {
  const { client, namespace } = workspace;
  const labels = `kustomize.toolkit.fluxcd.io/name=app,kustomize.toolkit.fluxcd.io/namespace=${namespace}`;
  const found: KubernetesObject[] = [];
  for (const path of replacingCollections(workspace, version)) {
    const list = await client.request<{ kind: string; items: KubernetesObject[] }>({
      method: "GET",
      path,
      query: { labelSelector: labels },
    });
    const kind = list.kind.replace(/List$/, "");
    found.push(...list.items.map((item) => ({ ...item, kind })));
  }
  const leaving = new Set(found.filter(isLeaving).map(({ metadata }) => metadata.name));
  const staying = found.filter((object) => !isLeaving(object) && !leaving.has(object.metadata.namespace ?? ""));
  // The definitions of earlier versions took their objects with them.
  await expectNoKind(workspace, version - 1);
  return staying.map((object) => asAnyVersion(content(object), version, ""));
}

async function expectNoKind(workspace: Workspace, version: number): Promise<void> {
  const path = replacingCollections(workspace, version).at(-1) ?? "";
  const isGone = async () => {
    try {
      const { items } = await workspace.client.request<{ items: KubernetesObject[] }>({ method: "GET", path });
      return items.every(isLeaving);
    } catch (error) {
      if (error instanceof ApiError && error.statusCode === 404) return true;
      throw error;
    }
  };
  await expect.poll(isGone).toBe(true);
}

function isLeaving({ metadata }: KubernetesObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** What somebody wants of an object, and who has applied it; not what the API server and controllers count. */
function content({ kind, metadata, status: _status, ...rest }: KubernetesObject): unknown {
  const { name, namespace, labels, annotations, finalizers, ownerReferences, uid = "" } = metadata;
  const managers = (metadata.managedFields ?? [])
    .filter((entry) => typeof entry === "object" && entry !== null && !("subresource" in entry))
    .map((entry) => JSON.stringify(entry, ["manager", "operation"]))
    .sort();
  const wanted = { kind, name, namespace, labels, annotations, finalizers, ownerReferences, managers, ...rest };
  return JSON.parse(JSON.stringify(wanted).replaceAll(uid, "<uid>"));
}

/** Two versions that ended alike are equal then. */
function asAnyVersion(value: unknown, version: number, revision: string): unknown {
  const text = JSON.stringify(value)
    .replaceAll(new RegExp(`new-${version}(?!\\d)`, "g"), "new-N")
    .replaceAll(new RegExp(`new-${version - 1}(?!\\d)`, "g"), "new-M")
    .replaceAll(Buffer.from(`new-${version}`).toString("base64"), "new-N")
    .replaceAll(/Health check passed in [^"]+/g, "Health check passed in <time>");
  return JSON.parse(revision === "" ? text : text.replaceAll(revision, "<revision>"));
}
