import { setTimeout as sleep } from "node:timers/promises";
import { watch } from "../test/bed/watch.ts";
import { openWorkspace } from "../test/bed/workspace.ts";
import { application } from "./applications.ts";
import { distribution, type Figure } from "./figures.ts";
import type { MeasuredSluice } from "./measured-sluice.ts";
import { processorSeconds } from "./processor-time.ts";
import { countedBetween, requestCounts, total } from "./request-count.ts";

/**
 * One source, N Kustomizations of four objects each, two of which change with a push: from the push until every status shows the
 * new revision and every ConfigMap is in the cluster, and what that costs.
 */
export async function benchMany(sluice: MeasuredSluice, count: number, atMost?: number): Promise<Figure[]> {
  const workspace = await openWorkspace(`bench-${count}`, { sluice });
  const { namespace } = workspace;
  const repository = await workspace.repository({ "app/all.yaml": application("app", 0) });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
  const names = [...Array(count).keys()].map((index) => `app-${index}`);
  const kustomizations = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations`;
  const statuses = await watch(sluice.cluster, kustomizations);
  const objects = await watch(sluice.cluster, `/api/v1/namespaces/${namespace}/configmaps`);

  const installed = allSeen(statuses, names, ({ status }) => status?.lastAppliedRevision !== undefined, 600);
  const creation = performance.now();
  for (const name of names) await workspace.kustomization(name, { path: "./app", namePrefix: `${name}-` });
  await installed;
  const install = (performance.now() - creation) / 1000;
  await sleep(3000);

  const before = await cost(sluice);
  const commit = await repository.commit({ "app/all.yaml": application("app", 1) });
  const revision = `main@sha1:${commit}`;
  const start = performance.now();
  const updated = allSeen(statuses, names, ({ status }) => status?.lastAppliedRevision === revision, 600);
  const present = allSeen(
    objects,
    names.map((name) => `${name}-app`),
    ({ data }) => typeof data === "object" && data !== null && "version" in data && data.version === "1",
    600,
  );
  await workspace.reconcile("GitRepository", "source");
  const times = (await updated).map((at) => (at - start) / 1000);
  const last = Math.max(...times, ...(await present).map((at) => (at - start) / 1000));
  const after = await cost(sluice);
  statuses.stop();
  objects.stop();
  await workspace.close();

  const requests = countedBetween(before.requests, after.requests);
  for (const [name, number] of requests)
    if (number >= count / 10) console.log(`    ${(number / count).toFixed(2)}  ${name}`);
  const label = `${count} Kustomizations`;
  return [
    { name: `${label}: install, all ready`, value: install, unit: "s" },
    { name: `${label}: push to status, p50`, value: distribution(times).p50, unit: "s" },
    { name: `${label}: push to all applied`, value: last, unit: "s", ...(atMost === undefined ? {} : { atMost }) },
    {
      name: `${label}: API requests each`,
      value: total(requests) / count,
      unit: "",
    },
    {
      name: `${label}: CPU of Sluice with kustomize, each`,
      value: (1000 * (after.sluice - before.sluice)) / count,
      unit: "ms",
    },
    {
      name: `${label}: CPU of the API server, each`,
      value: (1000 * (after.server - before.server)) / count,
      unit: "ms",
    },
  ];
}

async function cost(sluice: MeasuredSluice) {
  return {
    requests: await requestCounts(sluice.cluster),
    sluice: await processorSeconds(sluice.pid),
    server: await processorSeconds(sluice.cluster.apiServerPid),
  };
}

/** When each of the objects was first seen as wanted. */
function allSeen(
  { next }: Awaited<ReturnType<typeof watch>>,
  names: readonly string[],
  wanted: Parameters<Awaited<ReturnType<typeof watch>>["next"]>[0],
  seconds: number,
): Promise<number[]> {
  const remaining = new Set(names);
  const times: number[] = [];
  return next((object) => {
    if (remaining.has(object.metadata.name) && wanted(object)) {
      remaining.delete(object.metadata.name);
      times.push(performance.now());
    }
    return remaining.size === 0;
  }, seconds).then(() => times);
}
