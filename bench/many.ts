import { setTimeout as sleep } from "node:timers/promises";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import { watch } from "../test/bed/watch.ts";
import { openWorkspace } from "../test/bed/workspace.ts";
import { application } from "./applications.ts";
import { distribution, type Figure } from "./figures.ts";
import type { MeasuredSluice } from "./measured-sluice.ts";
import { processorSeconds } from "./processor-time.ts";
import { countedBetween, requestCounts, total } from "./request-count.ts";

/** How N Kustomizations share a repository. */
export type Shape = {
  title: string;
  files(names: readonly string[], version: number): Record<string, string>;
  spec(name: string): Partial<KustomizationSpec>;
};

/** A folder of its own for each. */
export const folders: Shape = {
  title: "a folder each",
  files: (names, version) => Object.fromEntries(names.map((name) => [`${name}/all.yaml`, application(name, version)])),
  spec: (name) => ({ path: `./${name}` }),
};

/** One folder, made each one's own by a prefix, as in the measurements of Flux's own controllers. */
export const prefixed: Shape = {
  title: "one folder, a prefix each",
  files: (_names, version) => ({ "app/all.yaml": application("app", version) }),
  spec: (name) => ({ path: "./app", namePrefix: `${name.slice(0, -"app".length)}` }),
};

/** One folder, made each one's own by a variable. */
export const substituted: Shape = {
  title: "one folder, a variable each",
  files: (_names, version) => ({ "app/all.yaml": application(`\${app}`, version) }),
  spec: (name) => ({ path: "./app", postBuild: { substitute: { app: name } } }),
};

/**
 * One source, N Kustomizations of four objects each, two of which change with a push: from the push until every status shows the
 * new revision and every ConfigMap is in the cluster, and what that costs.
 */
export async function benchMany(
  sluice: MeasuredSluice,
  count: number,
  shape: Shape,
  atMost?: number,
): Promise<Figure[]> {
  const workspace = await openWorkspace(`bench-${count}`, { sluice });
  const { namespace } = workspace;
  const names = [...Array(count).keys()].map((index) => `n${index}-app`);
  const repository = await workspace.repository(shape.files(names, 0));
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
  const kustomizations = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations`;
  const statuses = await watch(sluice.cluster, kustomizations);
  const objects = await watch(sluice.cluster, `/api/v1/namespaces/${namespace}/configmaps`);

  const installed = allSeen(statuses, names, ({ status }) => status?.lastAppliedRevision !== undefined, 600);
  const creation = performance.now();
  for (const name of names) await workspace.kustomization(name, shape.spec(name));
  await installed;
  const install = (performance.now() - creation) / 1000;
  await sleep(3000);

  const before = await cost(sluice);
  const commit = await repository.commit(shape.files(names, 1));
  const revision = `main@sha1:${commit}`;
  const start = performance.now();
  const updated = allSeen(statuses, names, ({ status }) => status?.lastAppliedRevision === revision, 600);
  const present = allSeen(
    objects,
    names,
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
  const label = `${count}, ${shape.title}`;
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
