import type { RunningSluice } from "../test/bed/sluice.ts";
import { watch } from "../test/bed/watch.ts";
import { configMap, openWorkspace } from "../test/bed/workspace.ts";
import { distribution, type Figure } from "./figures.ts";

const pushes = 30;
const objects = 10;

/**
 * From a push, told by a webhook, until the last of ten objects is in the cluster, and until the status says so. The clock starts
 * when the commit is there, as it does for a Git host that then calls.
 */
export async function benchPush(sluice: RunningSluice, bars: { p50: number; p99: number }): Promise<Figure[]> {
  const workspace = await openWorkspace("bench-push", { sluice });
  const files = (version: number) =>
    Object.fromEntries(
      [...Array(objects).keys()].map((index) => [
        `app/${index}.yaml`,
        configMap(`object-${index}`, { version: String(version) }),
      ]),
    );
  const repository = await workspace.repository(files(0));
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("app", { path: "./app" });
  await workspace.untilReady("Kustomization", "app");
  const call = await workspace.receiver("push", "github", [{ kind: "GitRepository", name: "source" }]);
  await workspace.untilReady("Receiver", "push");

  const { namespace } = workspace;
  const objectsSeen = await watch(sluice.cluster, `/api/v1/namespaces/${namespace}/configmaps`);
  const kustomizations = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations`;
  const statusSeen = await watch(sluice.cluster, kustomizations);
  const applied: number[] = [];
  const reported: number[] = [];
  for (let push = 1; push <= pushes; push++) {
    const remaining = new Set([...Array(objects).keys()].map((index) => `object-${index}`));
    const last = objectsSeen.next(({ metadata, data }) => {
      if (isVersion(data, push)) remaining.delete(metadata.name);
      return remaining.size === 0;
    });
    const commit = await repository.commit(files(push));
    const status = statusSeen.next(({ status: now }) => now?.lastAppliedRevision === `main@sha1:${commit}`);
    const start = performance.now();
    const answer = await call();
    if (answer !== 200) throw new Error(`the webhook was answered ${answer}`);
    applied.push(((await last).at - start) / 1000);
    reported.push(((await status).at - start) / 1000);
  }
  objectsSeen.stop();
  statusSeen.stop();
  await workspace.close();
  const inCluster = distribution(applied);
  const inStatus = distribution(reported);
  return [
    { name: "push to 10 objects in the cluster, p50", value: inCluster.p50, unit: "s", atMost: bars.p50 },
    { name: "push to 10 objects in the cluster, p99", value: inCluster.p99, unit: "s", atMost: bars.p99 },
    { name: "push to the status, p50", value: inStatus.p50, unit: "s" },
    { name: "push to the status, p99", value: inStatus.p99, unit: "s" },
  ];
}

function isVersion(data: unknown, version: number): boolean {
  return typeof data === "object" && data !== null && "version" in data && data.version === String(version);
}
