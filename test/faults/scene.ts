import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { KustomizationSpec } from "../../lib/api/kustomization.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import type { RunningSluice } from "../bed/sluice.ts";
import { type Watch, watch } from "../bed/watch.ts";
import { apiVersions, configMap, isReady, openWorkspace, type Workspace } from "../bed/workspace.ts";
import { type Sink, startSink } from "./sink.ts";

/** One application that pushes change, and everything by which a loss would show. */
export type Scene = {
  workspace: Workspace;
  /** Commits the next version and calls the webhook until it is accepted, as a sender does; resolves with the revision. */
  push(): Promise<string>;
  /** Until exactly the objects of the last push are there, the status says so, and nothing older came after something newer. */
  untilApplied(revision: string): Promise<void>;
  /** Waits until every change of every push was told to the Provider; resolves with the pushes, counted from 1, that were not. */
  untold(): Promise<number[]>;
  /** How often the object that changes with each push was written. */
  writes(): number;
  close(): Promise<void>;
};

/** Sets the scene in a running Sluice: a repository, a Kustomization that waits for health, a Receiver, an Alert. */
export async function openScene(
  name: string,
  sluice: RunningSluice,
  spec: Partial<KustomizationSpec> = {},
): Promise<Scene> {
  const workspace = await openWorkspace(name, { sluice });
  const sink = await startSink();
  await announceTo(workspace, sink);
  const repository = await workspace.repository(files(0));
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("app", { path: "./app", wait: true, ...spec });
  await workspace.untilReady("Kustomization", "app");
  const call = await workspace.receiver("push", "github", [{ kind: "GitRepository", name: "source" }]);
  await workspace.untilReady("Receiver", "push");
  const objects = await watch(sluice.cluster, `/api/v1/namespaces/${workspace.namespace}/configmaps`);
  const stored: number[] = [];
  objects.onChange = ({ object }) => {
    if (object.metadata.name === "changing" && object.data !== undefined) stored.push(versionOf(object.data));
  };
  let version = 0;
  return {
    workspace,
    push: () => push(repository, ++version, call),
    untilApplied: (revision) => untilApplied(workspace, revision, version, stored),
    untold: () => untold(sink, version),
    writes: () => stored.length,
    close: () => close(workspace, sink, objects),
  };
}

/** A push changes one object, adds one and removes one. */
function files(version: number): Record<string, string | null> {
  const kept = {
    "app/changing.yaml": configMap("changing", { version: String(version) }),
    [`app/only-${version}.yaml`]: configMap(`only-${version}`, {}),
  };
  return version === 0 ? kept : { ...kept, [`app/only-${version - 1}.yaml`]: null };
}

/** Tells the sink of every Kustomization of the workspace. */
export async function announceTo(workspace: Workspace, sink: Sink): Promise<void> {
  const { Provider: providerVersion, Alert: alertVersion } = apiVersions;
  const metadata = { name: "sink" };
  const address = sink.url;
  await workspace.create({
    apiVersion: providerVersion,
    kind: "Provider",
    metadata,
    spec: { type: "generic", address },
  });
  const spec = { providerRef: { name: "sink" }, eventSources: [{ kind: "Kustomization", name: "*" }] };
  await workspace.create({ apiVersion: alertVersion, kind: "Alert", metadata, spec });
}

async function push(repository: GitRepository, version: number, call: () => Promise<number>): Promise<string> {
  const commit = await repository.commit(files(version));
  await tell(call);
  return `main@sha1:${commit}`;
}

/** Calls a webhook until it is accepted. */
export async function tell(call: () => Promise<number>): Promise<void> {
  // A sender whose connection breaks sends again; one that was answered does not.
  for (let attempt = 1; ; attempt++) {
    const answer = await call().catch(() => undefined);
    if (answer === 200) return;
    if (attempt === 100) throw new Error(`the webhook was never accepted: ${answer}`);
    await sleep(100);
  }
}

async function untilApplied(workspace: Workspace, revision: string, version: number, stored: number[]): Promise<void> {
  const { status } = await workspace.until(
    "Kustomization",
    "app",
    (app) =>
      app.status?.lastAppliedRevision === revision &&
      isReady(app) &&
      app.status.conditions?.every(({ type }) => type === "Ready" || type === "Healthy") === true,
    60,
  );
  const { namespace } = workspace;
  expect(status?.inventory?.entries.map(({ id }) => id).sort()).toEqual([
    `${namespace}_changing__ConfigMap`,
    `${namespace}_only-${version}__ConfigMap`,
  ]);
  await workspace.untilGone("ConfigMap", `only-${version - 1}`);
  const { items } = await workspace.client.request<{ items: { metadata: { name: string }; data?: unknown }[] }>({
    method: "GET",
    path: `/api/v1/namespaces/${namespace}/configmaps`,
  });
  const own = items.filter(({ metadata }) => metadata.name !== "kube-root-ca.crt");
  expect(own.map(({ metadata }) => metadata.name).sort()).toEqual(["changing", `only-${version}`]);
  expect(versionOf(own.find(({ metadata }) => metadata.name === "changing")?.data)).toBe(version);
  expect(stored).toEqual([...stored].sort((a, b) => a - b));
}

async function untold(sink: Sink, version: number): Promise<number[]> {
  const isTold = (number: number) => sink.messages.some((message) => message.includes(`/only-${number} created`));
  const versions = [...Array(version).keys()].map((index) => index + 1);
  const giveUp = Date.now() + 30_000;
  while (!versions.every(isTold) && Date.now() < giveUp) await sleep(100);
  return versions.filter((number) => !isTold(number));
}

async function close(workspace: Workspace, sink: Sink, objects: Watch): Promise<void> {
  objects.stop();
  await sink.stop();
  await workspace.close();
}

function versionOf(data: unknown): number {
  return typeof data === "object" && data !== null && "version" in data ? Number(data.version) : Number.NaN;
}
