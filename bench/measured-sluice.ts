import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningSluice } from "../test/bed/sluice.ts";

/** Sluice in a process of its own: `pid` is for counting what it costs. */
export type MeasuredSluice = RunningSluice & { pid: number; stop(): Promise<void> };

/** Starts a control plane and Sluice on the local platform, both empty. */
export async function startMeasuredSluice(): Promise<MeasuredSluice> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-bench-"));
  const child = fork(join(import.meta.dirname, "host-process.ts"), [directory], { execArgv: [] });
  const started: Promise<RunningSluice> = once(child, "message").then(([value]) => value);
  const failed = once(child, "exit").then(() => {
    throw new Error("Sluice did not start for the bench: see above");
  });
  const running = await Promise.race([started, failed]);
  failed.catch(() => undefined);
  return {
    ...running,
    pid: child.pid ?? 0,
    stop: async () => {
      const ended = once(child, "exit");
      child.disconnect();
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
