import { appendFileSync } from "node:fs";
import { startHost } from "../../lib/host/host.ts";
import { createLocalLogger } from "../../lib/platform/local/log.ts";
import type { QueueMessage, QueueName } from "../../lib/platform/ports.ts";
import { type CrashPoint, crashPoints } from "./crash-point.ts";

/** What the test tells its host: where to die, or to give it the calls that it has seen, or to send old messages again. */
export type Order =
  | { type: "arm"; point?: CrashPoint }
  | { type: "seen" }
  | { type: "resend"; messages: { queue: QueueName; message: QueueMessage }[] };

/** What the host tells the test. */
export type Report =
  | { type: "ready"; endpoint: string; certificateAuthority: string }
  | { type: "seen"; calls: string[]; sent: { queue: QueueName; message: QueueMessage }[] };

/** The arguments of this program, as JSON in its first one. */
export type MortalHostOptions = {
  directory: string;
  port: number;
  kubeconfig: string;
  apiServer: string;
  /** Each message is delivered twice. */
  twice: boolean;
  /** Gets all that is logged; without it errors alone are shown. */
  logFile?: string;
};

const options: MortalHostOptions = JSON.parse(process.argv[2] ?? "");
const points = crashPoints((url) => url.origin === options.apiServer);
const sent: { queue: QueueName; message: QueueMessage }[] = [];

const host = await startHost({
  directory: options.directory,
  listen: { address: "127.0.0.1", port: options.port },
  cluster: { id: "faults", kubeconfig: options.kubeconfig },
  concurrency: 10,
  log: createLocalLogger({
    format: "json",
    level: options.logFile === undefined ? "error" : "debug",
    write: (line) =>
      options.logFile === undefined ? process.stderr.write(`${line}\n`) : appendFileSync(options.logFile, `${line}\n`),
  }),
  wrap: (platform) => {
    const wrapped = points.wrap(platform);
    const { queue } = wrapped;
    const send: typeof queue.send = async (name, messages) => {
      for (const message of messages) sent.push({ queue: name, message });
      await queue.send(name, messages);
      if (options.twice) await queue.send(name, messages.map(again));
    };
    return { ...wrapped, queue: { ...queue, send, sendLater: queue.sendLater } };
  },
});

/** The same message, as a queue delivers it that has forgotten its id. */
function again(message: QueueMessage): QueueMessage {
  return { ...message, deduplication: `${message.deduplication}-again-${Math.random()}` };
}

const tell = (report: Report) => process.send?.(report);
process.on("message", (order: Order) => {
  if (order.type === "arm") points.arm(order.point);
  else if (order.type === "seen") tell({ type: "seen", calls: points.seen(), sent });
  else for (const { queue, message } of order.messages) void host.platform.queue.send(queue, [again(message)]);
});
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
tell({ type: "ready", endpoint: host.endpoint, certificateAuthority: host.certificateAuthority });
