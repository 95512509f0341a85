import { setTimeout as sleep } from "node:timers/promises";
import { watch } from "../test/bed/watch.ts";
import { conditionOf, configMap, openWorkspace } from "../test/bed/workspace.ts";
import { distribution, type Figure, percentile } from "./figures.ts";
import type { MeasuredSluice } from "./measured-sluice.ts";
import { processorSeconds } from "./processor-time.ts";
import { countedBetween, requestCounts, total } from "./request-count.ts";

const pushes = 20;

/** A Deployment whose pod nothing ever starts. */
function deployment(name: string): string {
  const labels = { app: name };
  const containers = [{ name, image: "example.invalid/none" }];
  const template = { metadata: { labels }, spec: { containers } };
  const spec = { replicas: 1, selector: { matchLabels: labels }, template };
  return `${JSON.stringify({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec })}\n`;
}

/**
 * From a push to the status of one healthy Kustomization: alone, and beside many that wait for what never becomes healthy. And what
 * the waiting ones cost.
 */
export async function benchUnhealthy(sluice: MeasuredSluice, count: number): Promise<Figure[]> {
  const workspace = await openWorkspace("bench-unhealthy", { sluice });
  const { namespace } = workspace;
  const names = [...Array(count).keys()].map((index) => `waiting-${index}`);
  const healthy = await workspace.repository({ "app/config.yaml": configMap("healthy", { version: "0" }) });
  await workspace.gitRepository("healthy", healthy.url);
  await workspace.kustomization("healthy", {
    path: "./app",
    wait: true,
    sourceRef: { kind: "GitRepository", name: "healthy" },
  });
  await workspace.untilReady("Kustomization", "healthy");
  const call = await workspace.receiver("push", "github", [{ kind: "GitRepository", name: "healthy" }]);
  await workspace.untilReady("Receiver", "push");
  const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations`;
  const seen = await watch(sluice.cluster, path);
  let version = 0;
  const pushAll = async (): Promise<number[]> => {
    const times: number[] = [];
    for (let push = 0; push < pushes; push++) {
      const commit = await healthy.commit({ "app/config.yaml": configMap("healthy", { version: `${++version}` }) });
      const applied = seen.next(({ status }) => status?.lastAppliedRevision === `main@sha1:${commit}`);
      const start = performance.now();
      if ((await call()) !== 200) throw new Error("the webhook was not accepted");
      times.push(((await applied).at - start) / 1000);
      await sleep(250);
    }
    return times;
  };
  await pushAll();
  const quiet = await pushAll();

  const waiting = await workspace.repository(
    Object.fromEntries(names.map((name) => [`${name}/all.yaml`, deployment(name)])),
  );
  await workspace.gitRepository("waiting", waiting.url);
  const remaining = new Set(names);
  const allWait = seen.next(({ metadata, status }) => {
    if (conditionOf(status, "Healthy")?.reason === "Progressing") remaining.delete(metadata.name);
    return remaining.size === 0;
  }, 300);
  for (const name of names) {
    const sourceRef = { kind: "GitRepository", name: "waiting" } as const;
    await workspace.kustomization(name, { path: `./${name}`, wait: true, timeout: "1h", sourceRef });
  }
  await allWait;
  await sleep(15_000);

  const before = await cost(sluice);
  await sleep(20_000);
  const after = await cost(sluice);
  const beside = [...(await pushAll()), ...(await pushAll())];
  // Alone once more, so that what else the machine does counts on both sides.
  for (const name of names) await workspace.patch("Kustomization", name, { spec: { suspend: true } });
  await sleep(15_000);
  quiet.push(...(await pushAll()));
  seen.stop();
  await workspace.close();

  const requests = countedBetween(before.requests, after.requests);
  for (const [name, number] of requests) if (number >= 20) console.log(`    ${(number / 20).toFixed(1)}/s  ${name}`);
  const p95 = (times: number[]) => percentile(times, 0.95);
  return [
    { name: "push to status, alone, p50", value: distribution(quiet).p50, unit: "s" },
    { name: "push to status, alone, p95", value: p95(quiet), unit: "s" },
    { name: `push to status, beside ${count} that wait, p50`, value: distribution(beside).p50, unit: "s" },
    { name: `push to status, beside ${count} that wait, p95`, value: p95(beside), unit: "s" },
    { name: "p95 beside them, of p95 alone", value: p95(beside) / p95(quiet), unit: "times", atMost: 1.2 },
    { name: "API requests of those that wait", value: total(requests) / 20, unit: "/s" },
    { name: "CPU of Sluice for those that wait", value: (after.sluice - before.sluice) / 20, unit: "cores" },
    { name: "CPU of the API server for those that wait", value: (after.server - before.server) / 20, unit: "cores" },
  ];
}

async function cost(sluice: MeasuredSluice) {
  return {
    requests: await requestCounts(sluice.cluster),
    sluice: await processorSeconds(sluice.pid),
    server: await processorSeconds(sluice.cluster.apiServerPid),
  };
}
