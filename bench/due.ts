import { setTimeout as sleep } from "node:timers/promises";
import { watch } from "../test/bed/watch.ts";
import { configMap, openWorkspace } from "../test/bed/workspace.ts";
import { type Figure, percentile } from "./figures.ts";
import type { MeasuredSluice } from "./measured-sluice.ts";
import { processorSeconds } from "./processor-time.ts";
import { startRememberingServer } from "./remembering-server.ts";

const minute = 60_000;

/**
 * N GitRepositories, of an address each, that are due in the same minute, each with a new commit (SB-013): how long after the
 * beginning of the minute the status of each has the new revision.
 */
export async function benchDue(sluice: MeasuredSluice, count: number): Promise<Figure[]> {
  const workspace = await openWorkspace("bench-due", { sluice });
  const repository = await workspace.repository({ "one.yaml": configMap("one", { version: "0" }) });
  const server = await startRememberingServer(repository.url);
  const statuses = await watch(
    sluice.cluster,
    `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/gitrepositories`,
  );
  const names = [...Array(count).keys()].map((index) => `source-${index}`);
  /** Resolves with when each was seen at the commit, by the clock. */
  const allAt = (commit: string): Promise<number[]> => {
    const seen = new Map<string, number>();
    return statuses
      .next(({ metadata, status }) => {
        const there = status?.artifact?.revision === `main@sha1:${commit}`;
        if (there && !seen.has(metadata.name)) seen.set(metadata.name, Date.now());
        return seen.size === count;
      }, 300)
      .then(() => [...seen.values()]);
  };
  const first = allAt(await repository.git(["rev-parse", "main"]).then((text) => text.trim()));
  for (const name of names) await workspace.gitRepository(name, `${server.url}/${name}.git`, { interval: "1m" });
  await first;

  // Between two minutes, with time to spare for what the one before may have left.
  const into = Date.now() % minute;
  if (into > 40_000 || into < 30_000) await sleep((30_000 - into + minute) % minute);
  const due = Math.ceil(Date.now() / minute) * minute;
  const commit = await repository.commit({ "one.yaml": configMap("one", { version: "1" }) });
  server.forget();
  const before = await processorSeconds(sluice.pid);
  const late = (await allAt(commit)).map((at) => (at - due) / 1000);
  const after = await processorSeconds(sluice.pid);
  statuses.stop();
  await server.stop();
  await workspace.close();
  return [
    { name: "lateness, p50", value: percentile(late, 0.5), unit: "s" },
    { name: "lateness, p95", value: percentile(late, 0.95), unit: "s", atMost: 10 },
    { name: "lateness of the last", value: percentile(late, 1), unit: "s", atMost: 60 },
    { name: "seen before the minute", value: late.filter((seconds) => seconds < 0).length, unit: "" },
    { name: "CPU of Sluice", value: after - before, unit: "s" },
  ];
}
