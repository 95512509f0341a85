import { setTimeout as sleep } from "node:timers/promises";
import type { RunningSluice } from "../test/bed/sluice.ts";
import { type Watch, watch } from "../test/bed/watch.ts";
import { conditionOf, configMap, openWorkspace, type Workspace } from "../test/bed/workspace.ts";
import { distribution, type Figure, percentile } from "./figures.ts";
import type { MeasuredSluice } from "./measured-sluice.ts";
import { processorSeconds } from "./processor-time.ts";
import { countedBetween, requestCounts, total } from "./request-count.ts";

const pushes = 60;
/** Pushes that are not counted. */
const warmUp = 10;
/** How long the cost of those that wait is measured. */
const seconds = 20;

/** A Deployment whose pod nothing ever starts. */
function deployment(name: string): string {
  const labels = { app: name };
  const containers = [{ name, image: "example.invalid/none" }];
  const template = { metadata: { labels }, spec: { containers } };
  const spec = { replicas: 1, selector: { matchLabels: labels }, template };
  return `${JSON.stringify({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec })}\n`;
}

/** One healthy Kustomization in a Sluice: `push` pushes to it, and resolves with the seconds until its status says so. */
type Healthy = { workspace: Workspace; statuses: Watch; push(): Promise<number>; close(): Promise<void> };

async function openHealthy(sluice: RunningSluice): Promise<Healthy> {
  const workspace = await openWorkspace("bench-unhealthy", { sluice });
  const files = (version: number) => ({ "app/config.yaml": configMap("healthy", { version: `${version}` }) });
  const repository = await workspace.repository(files(0));
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("healthy", { path: "./app", wait: true });
  await workspace.untilReady("Kustomization", "healthy");
  const call = await workspace.receiver("push", "github", [{ kind: "GitRepository", name: "source" }]);
  await workspace.untilReady("Receiver", "push");
  const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/kustomizations`;
  const statuses = await watch(sluice.cluster, path);
  let version = 0;
  return {
    workspace,
    statuses,
    push: async () => {
      const commit = await repository.commit(files(++version));
      const applied = statuses.next(({ status }) => status?.lastAppliedRevision === `main@sha1:${commit}`);
      const start = performance.now();
      if ((await call()) !== 200) throw new Error("the webhook was not accepted");
      return ((await applied).at - start) / 1000;
    },
    close: async () => {
      statuses.stop();
      await workspace.close();
    },
  };
}

/** Until as many Kustomizations as wanted wait for what never becomes healthy. */
async function addWaiting({ workspace, statuses }: Healthy, count: number): Promise<void> {
  const names = [...Array(count).keys()].map((index) => `waiting-${index}`);
  const files = Object.fromEntries(names.map((name) => [`${name}/all.yaml`, deployment(name)]));
  const repository = await workspace.repository(files);
  await workspace.gitRepository("waiting", repository.url);
  const remaining = new Set(names);
  const allWait = statuses.next(({ metadata, status }) => {
    if (conditionOf(status, "Healthy")?.reason === "Progressing") remaining.delete(metadata.name);
    return remaining.size === 0;
  }, 300);
  const sourceRef = { kind: "GitRepository", name: "waiting" } as const;
  for (const name of names)
    await workspace.kustomization(name, { path: `./${name}`, wait: true, timeout: "1h", sourceRef });
  await allWait;
  // By then each is looked at every five seconds.
  await sleep(15_000);
}

/**
 * From a push to the status of one healthy Kustomization, beside many that wait for what never becomes healthy and, in turn with
 * it, in another Sluice that is quiet, so that what else the machine does counts on both sides. And what those cost that wait.
 */
export async function benchUnhealthy(sluice: MeasuredSluice, quiet: RunningSluice, count: number): Promise<Figure[]> {
  const [beside, alone] = [await openHealthy(sluice), await openHealthy(quiet)];
  await addWaiting(beside, count);
  const before = await cost(sluice);
  await sleep(seconds * 1000);
  const after = await cost(sluice);
  const times = { beside: [] as number[], alone: [] as number[] };
  for (let push = -warmUp; push < pushes; push++) {
    const taken = { alone: await alone.push(), beside: await beside.push() };
    await sleep(250);
    if (push < 0) continue;
    times.alone.push(taken.alone);
    times.beside.push(taken.beside);
  }
  await beside.close();
  await alone.close();

  const requests = countedBetween(before.requests, after.requests);
  for (const [name, number] of requests)
    if (number >= seconds) console.log(`    ${(number / seconds).toFixed(1)}/s  ${name}`);
  const p95 = (values: number[]) => percentile(values, 0.95);
  return [
    { name: "push to status, alone, p50", value: distribution(times.alone).p50, unit: "s" },
    { name: "push to status, alone, p95", value: p95(times.alone), unit: "s" },
    { name: `push to status, beside ${count} that wait, p50`, value: distribution(times.beside).p50, unit: "s" },
    { name: `push to status, beside ${count} that wait, p95`, value: p95(times.beside), unit: "s" },
    { name: "p95 beside them, of p95 alone", value: p95(times.beside) / p95(times.alone), unit: "times", atMost: 1.2 },
    { name: "API requests of those that wait", value: total(requests) / seconds, unit: "/s" },
    { name: "CPU of Sluice for those that wait", value: (after.sluice - before.sluice) / seconds, unit: "cores" },
    { name: "CPU of the API server meanwhile", value: (after.server - before.server) / seconds, unit: "cores" },
  ];
}

async function cost(sluice: MeasuredSluice) {
  return {
    requests: await requestCounts(sluice.cluster),
    sluice: await processorSeconds(sluice.pid),
    server: await processorSeconds(sluice.cluster.apiServerPid),
  };
}
