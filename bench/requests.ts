import { setTimeout as sleep } from "node:timers/promises";
import { watch } from "../test/bed/watch.ts";
import { openWorkspace } from "../test/bed/workspace.ts";
import { application } from "./applications.ts";
import type { Figure } from "./figures.ts";
import type { MeasuredSluice } from "./measured-sluice.ts";
import { countedBetween, requestCounts, total } from "./request-count.ts";

const applications = 25;

/** API requests of passes over 100 objects of 4 kinds: one that finds nothing to do, and one that changes one object. */
export async function benchRequests(sluice: MeasuredSluice): Promise<Figure[]> {
  const workspace = await openWorkspace("bench-requests", { sluice });
  const names = [...Array(applications).keys()].map((index) => `application-${index}`);
  const repository = await workspace.repository(
    Object.fromEntries(names.map((name) => [`all/${name}.yaml`, application(name, 0)])),
  );
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("all", { path: "./all" });
  await workspace.untilReady("Kustomization", "all", 60);
  await settled(sluice);

  const collection = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/kustomizations`;
  const statuses = await watch(sluice.cluster, collection);
  const noOp = await counted(sluice, async () => {
    const handled = statuses.next(({ status }) => status?.lastHandledReconcileAt !== undefined);
    await workspace.reconcile("Kustomization", "all");
    await handled;
  });
  await repository.commit({
    [`all/${names[0]}.yaml`]: application(names[0] ?? "", 0).replace('"version":"0"', '"version":"1"'),
  });
  const one = await counted(sluice, async () => {
    const revision = `main@sha1:${(await repository.git(["rev-parse", "main"])).trim()}`;
    const applied = statuses.next(({ status }) => status?.lastAppliedRevision === revision);
    await workspace.reconcile("GitRepository", "source");
    await applied;
  });
  statuses.stop();
  await workspace.close();
  return [
    { name: "no-op of 100 objects of 4 kinds, API requests", value: noOp, unit: "", atMost: 12 },
    { name: "one changed object among 100, API requests (with its source)", value: one, unit: "", atMost: 40 },
  ];
}

/** Requests that `act` causes until the cluster is quiet again, without the one by which it acts. */
async function counted(sluice: MeasuredSluice, act: () => Promise<void>): Promise<number> {
  const before = await requestCounts(sluice.cluster);
  await act();
  await settled(sluice);
  const counts = countedBetween(before, await requestCounts(sluice.cluster));
  for (const [name, count] of counts) console.log(`    ${String(count).padStart(5)}  ${name}`);
  return total(counts) - 1;
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
