import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { CrashPoint } from "./crash-point.ts";
import type { MortalHostOptions, Order, Report } from "./mortal-host.ts";

/** A Sluice on the local platform that can be killed, and that comes back by itself with what it had written down. */
export type MortalSluice = {
  endpoint: string;
  certificateAuthority: string;
  arm(point?: CrashPoint): void;
  seen(): Promise<Extract<Report, { type: "seen" }>>;
  resend(messages: Extract<Order, { type: "resend" }>["messages"]): void;
  /** How often it has died. */
  deaths(): number;
  /** Resolves when it runs, after a death. */
  alive(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts one; whenever it dies it is started again, at the same address and on the same data. */
export async function startMortalSluice(options: MortalHostOptions): Promise<MortalSluice> {
  let deaths = 0;
  let stopping = false;
  let child: ChildProcess;
  let running: Promise<Extract<Report, { type: "ready" }>> = new Promise(() => undefined);

  const start = () => {
    const started = fork(join(import.meta.dirname, "mortal-host.ts"), [JSON.stringify(options)], { execArgv: [] });
    child = started;
    running = new Promise((resolve, reject) => {
      started.once("message", (report: Report) => {
        if (report.type === "ready") resolve(report);
      });
      started.once("exit", (_code, signal) => {
        reject(new Error(`the host ended by ${signal} before it was ready`));
        if (stopping) return;
        deaths++;
        start();
      });
    });
    running.catch(() => undefined);
  };
  start();
  // A process that dies just now takes no orders; the one after it gets its own.
  const order = (message: Order) => child.send(message, () => undefined);
  const alive = async () => {
    for (;;) {
      const current = running;
      await current.catch(() => undefined);
      if (current === running) return;
    }
  };
  await alive();
  const { endpoint, certificateAuthority } = await running;

  return {
    endpoint,
    certificateAuthority,
    arm: (point) => order(point === undefined ? { type: "arm" } : { type: "arm", point }),
    seen: async () => {
      order({ type: "seen" });
      for (;;) {
        const [report]: Report[] = await once(child, "message");
        if (report?.type === "seen") return report;
      }
    },
    resend: (messages) => order({ type: "resend", messages }),
    deaths: () => deaths,
    alive,
    stop: async () => {
      stopping = true;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
