import { setTimeout as sleep } from "node:timers/promises";
import { watch } from "../test/bed/watch.ts";
import { configMap, openWorkspace, type Workspace } from "../test/bed/workspace.ts";
import { application, objectsOfTwelveKinds } from "./applications.ts";
import type { Figure } from "./figures.ts";
import type { MeasuredSluice } from "./measured-sluice.ts";
import { countedBetween, requestCounts, total } from "./request-count.ts";

/** API requests of passes, by the API server's own counter: what passes over many objects cost, and what a push costs each of its users. */
export async function benchRequests(sluice: MeasuredSluice): Promise<Figure[]> {
  return [...(await hundredObjects(sluice)), ...(await twelveKinds(sluice)), ...(await smallApplications(sluice))];
}

/** 100 objects of 4 kinds: the first apply, nothing to do, one changed object, and a revision that does not touch the path. */
async function hundredObjects(sluice: MeasuredSluice): Promise<Figure[]> {
  const workspace = await openWorkspace("bench-requests", { sluice });
  const names = [...Array(25).keys()].map((index) => `application-${index}`);
  // Nothing is deployed by them that Kubernetes' own controllers would work on.
  const files = Object.fromEntries(names.map((name) => [`all/${name}.yaml`, application(name, 0)]));
  const repository = await workspace.repository({ ...files, "other/object.yaml": configMap("other", {}) });
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("all", { path: "./all", suspend: true });
  await workspace.untilReady("GitRepository", "source");
  const users = await watch(sluice.cluster, kustomizationsOf(workspace));
  const first = await counted(sluice, async () => {
    const applied = users.next(({ status }) => status?.lastAppliedRevision !== undefined);
    await workspace.patch("Kustomization", "all", { spec: { suspend: false } });
    await applied;
  });
  users.stop();
  const noOp = await countedPass(sluice, workspace, "all");
  const alone = await countedPush(sluice, workspace, () => repository.commit({ "README.md": "nothing" }), []);
  const changed = application("application-0", 0).replace('"version":"0"', '"version":"1"');
  const one = await countedPush(sluice, workspace, () => repository.commit({ "all/application-0.yaml": changed }), [
    "all",
  ]);
  const elsewhere = await countedPush(
    sluice,
    workspace,
    () => repository.commit({ "other/object.yaml": configMap("other", { key: "new" }) }),
    ["all"],
  );
  await workspace.close();
  return [
    { name: "first apply of 100 objects, API requests", value: ofSluice(first) - 1, unit: "", atMost: 212 },
    { name: "no-op of 100 objects of 4 kinds, API requests", value: total(noOp), unit: "", atMost: 10 },
    { name: "one changed object among 100, API requests", value: ofSluice(one) - total(alone), unit: "", atMost: 24 },
    { name: "the same, with those of its source", value: ofSluice(one), unit: "" },
    {
      name: "a revision that does not touch the path, writes to the object",
      value: (elsewhere.get("PATCH kustomizations/status") ?? 0) + (elsewhere.get("PATCH kustomizations") ?? 0),
      unit: "",
      atMost: 1,
    },
    {
      name: "the same, API requests",
      value: total(elsewhere) - total(alone),
      unit: "",
    },
  ];
}

async function twelveKinds(sluice: MeasuredSluice): Promise<Figure[]> {
  const workspace = await openWorkspace("bench-kinds", { sluice });
  const repository = await workspace.repository({ "all/all.yaml": objectsOfTwelveKinds("application") });
  await workspace.gitRepository("source", repository.url);
  await workspace.create({ apiVersion: "v1", kind: "ConfigMap", metadata: meta("settings"), data: { a: "one" } });
  await workspace.create({ apiVersion: "v1", kind: "Secret", metadata: meta("secrets"), stringData: { b: "two" } });
  const substituteFrom = [
    { kind: "ConfigMap" as const, name: "settings" },
    { kind: "Secret" as const, name: "secrets" },
  ];
  await workspace.kustomization("all", { path: "./all", postBuild: { substituteFrom } });
  await workspace.untilReady("Kustomization", "all", 60);
  const noOp = await countedPass(sluice, workspace, "all");
  await workspace.close();
  return [{ name: "no-op of 12 kinds with 2 references, API requests", value: total(noOp), unit: "", atMost: 20 }];
}

/** Ten Kustomizations of four objects each, one of which changes with a push. */
async function smallApplications(sluice: MeasuredSluice): Promise<Figure[]> {
  const workspace = await openWorkspace("bench-small", { sluice });
  const names = [...Array(10).keys()].map((index) => `application-${index}`);
  const filesOf = (version: number) =>
    Object.fromEntries(
      names.map((name) => [
        `${name}/all.yaml`,
        application(name, 0).replace('"version":"0"', `"version":"${version}"`),
      ]),
    );
  const repository = await workspace.repository(filesOf(0));
  await workspace.gitRepository("source", repository.url);
  for (const name of names) await workspace.kustomization(name, { path: `./${name}`, suspend: true });
  await workspace.untilReady("GitRepository", "source");
  const alone = await countedPush(sluice, workspace, () => repository.commit({ "README.md": "nothing" }), []);
  for (const name of names) await workspace.patch("Kustomization", name, { spec: { suspend: false } });
  for (const name of names) await workspace.untilReady("Kustomization", name, 60);
  const changed = await countedPush(sluice, workspace, () => repository.commit(filesOf(1)), names);
  await workspace.close();
  return [
    {
      name: "one changed object of 4, API requests from new revision to Ready",
      value: (ofSluice(changed) - total(alone)) / names.length,
      unit: "",
      atMost: 6,
    },
  ];
}

function kustomizationsOf({ namespace }: Workspace): string {
  return `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations`;
}

function meta(name: string): { name: string } {
  return { name };
}

/** Without what Kubernetes' own controllers do about objects that have changed. */
function ofSluice(counts: Map<string, number>): number {
  const theirs = [...counts].filter(([name]) => /replicasets|deployments\/status|ipaddresses|endpoint/.test(name));
  return total(counts) - total(new Map(theirs));
}

/** Requests of one pass that was asked for, without the one that asks. */
async function countedPass(sluice: MeasuredSluice, workspace: Workspace, name: string): Promise<Map<string, number>> {
  await settled(sluice);
  const statuses = await watch(sluice.cluster, kustomizationsOf(workspace));
  const counts = await counted(sluice, async () => {
    const handled = statuses.next(({ status }) => status?.lastHandledReconcileAt !== undefined);
    await workspace.reconcile("Kustomization", name);
    await handled;
  });
  statuses.stop();
  return without(counts, "PATCH kustomizations");
}

/** Requests that a push makes until these Kustomizations have applied it, without the one that tells of the push. */
async function countedPush(
  sluice: MeasuredSluice,
  workspace: Workspace,
  commit: () => Promise<string>,
  names: readonly string[],
): Promise<Map<string, number>> {
  await settled(sluice);
  const revision = `main@sha1:${await commit()}`;
  const repositories = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/gitrepositories`;
  const sources = await watch(sluice.cluster, repositories);
  const users = await watch(sluice.cluster, kustomizationsOf(workspace));
  const counts = await counted(sluice, async () => {
    const fetched = sources.next(({ status }) => status?.artifact?.revision === revision);
    const open = new Set(names);
    const isDone = ({ metadata, status }: Parameters<Parameters<typeof users.next>[0]>[0]) => {
      if (status?.lastAppliedRevision === revision) open.delete(metadata.name);
      return open.size === 0;
    };
    const applied = names.length === 0 ? undefined : users.next(isDone);
    await workspace.reconcile("GitRepository", "source");
    await fetched;
    await applied;
  });
  sources.stop();
  users.stop();
  return without(counts, "PATCH gitrepositories");
}

/** Requests that `act` causes until the cluster is quiet again. */
async function counted(sluice: MeasuredSluice, act: () => Promise<void>): Promise<Map<string, number>> {
  await clearOfTheMinute();
  await settled(sluice);
  const before = await requestCounts(sluice.cluster);
  await act();
  await settled(sluice);
  const counts = countedBetween(before, await requestCounts(sluice.cluster));
  console.log(`    ${[...counts].map(([name, count]) => `${count} ${name}`).join(", ")}`);
  return counts;
}

/** Waits until the schedule, which lists all kinds at the turn of a minute, does not come in between. */
async function clearOfTheMinute(): Promise<void> {
  const second = new Date().getSeconds();
  if (second < 4 || second > 45) await sleep(((64 - second) % 60) * 1000);
}

function without(counts: Map<string, number>, name: string): Map<string, number> {
  return new Map([...counts].map(([key, count]) => [key, key === name ? count - 1 : count]));
}

/** Until nothing has been asked of the API server for a second. */
async function settled(sluice: MeasuredSluice): Promise<void> {
  for (let last = -1; ; ) {
    const now = total(countedBetween(new Map(), await requestCounts(sluice.cluster)));
    if (now === last) return;
    last = now;
    await sleep(1000);
  }
}
