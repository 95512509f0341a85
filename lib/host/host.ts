import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "../cluster/connect.ts";
import { createClusterConnections } from "../engine/clusters.ts";
import { createEngine } from "../engine/engine.ts";
import { runSchedule } from "../engine/schedule.ts";
import { parseWorkItem } from "../engine/work-item.ts";
import { createFront } from "../front/front.ts";
import { dispatchNotification } from "../notify/dispatch.ts";
import { startListener } from "../platform/local/listener.ts";
import { createLocalPlatform, type LocalPlatform } from "../platform/local/platform.ts";
import type { Logger } from "../platform/ports.ts";
import { applyKinds } from "../reconcilers/apply-kinds.ts";
import { sourceKinds } from "../reconcilers/source-kinds.ts";
import { hostCertificate } from "./certificate.ts";

/** How a host runs: where it keeps its data, where it listens, which cluster it works for. */
export type HostOptions = {
  directory: string;
  listen: { address: string; port: number };
  /** How the cluster and Git servers reach this host, where that is not the listen address. */
  advertise?: string;
  cluster: { id: string; kubeconfig: string; context?: string };
  /** Objects of each queue that are worked on at once. */
  concurrency: number;
  log: Logger;
  /** Sees the platform before anything uses it: tests and the live view wrap its ports here. */
  wrap?: (platform: LocalPlatform) => LocalPlatform;
};

/** A running host. */
export type Host = {
  platform: LocalPlatform;
  /** Address of the front: `https://host:port`. */
  endpoint: string;
  /** PEM of the authority that signed the listener's certificate. */
  certificateAuthority: string;
  stop(): Promise<void>;
};

/** Longest time that one item may take: as long as the functions have. */
const itemMilliseconds = 120_000;

/** Runs all of Sluice in this process: the functions' work over the local platform, behind one HTTPS listener. */
export async function startHost(options: HostOptions): Promise<Host> {
  await mkdir(options.directory, { recursive: true });
  const certificate = await hostCertificate(join(options.directory, "tls"), [
    options.listen.address,
    ...hostOf(options.advertise),
  ]);
  let ready = false;
  const front: { fetch: (request: Request) => Response | Promise<Response> } = {
    fetch: () => new Response(null, { status: 503 }),
  };
  const listener = await startListener({
    ...options.listen,
    certificate,
    handle: async (request) => front.fetch(request),
  });
  const endpoint = options.advertise ?? listener.url;

  const local = createLocalPlatform({
    directory: options.directory,
    endpoint,
    cluster: options.cluster,
    log: options.log,
  });
  const platform = options.wrap?.(local) ?? local;
  const connections = createClusterConnections(platform.clusters, (entry) =>
    connect(entry, { userAgent: "sluice/0.1.0", trusted: true }),
  );
  const engine = createEngine({ platform, connect: connections, reconcilers: { ...sourceKinds, ...applyKinds } });
  const app = createFront(platform, { connect: connections, ready: () => ready });
  front.fetch = (request) => app.fetch(request);

  const work = (body: string, delivery: { attempt: number }) =>
    engine.process(parseWorkItem(body), { attempt: delivery.attempt, signal: AbortSignal.timeout(itemMilliseconds) });
  platform.consume("source", work, { concurrency: options.concurrency });
  platform.consume("apply", work, { concurrency: options.concurrency });
  platform.consume("notification", (body) => dispatchNotification(platform, connections, body), {
    concurrency: options.concurrency,
  });
  const schedule = startSchedule((time) => runSchedule(platform, connections, time));
  ready = true;

  return {
    platform,
    endpoint,
    certificateAuthority: certificate.authority,
    stop: async () => {
      ready = false;
      schedule.stop();
      await listener.close();
      await platform.close();
    },
  };
}

/** Runs once now and then at the start of each minute. */
function startSchedule(run: (time: Date) => Promise<void>): { stop(): void } {
  let timer: NodeJS.Timeout;
  const next = () => {
    const now = Date.now();
    timer = setTimeout(
      () => {
        void run(new Date());
        next();
      },
      60_000 - (now % 60_000),
    );
  };
  void run(new Date());
  next();
  return { stop: () => clearTimeout(timer) };
}

function hostOf(url: string | undefined): string[] {
  return url === undefined ? [] : [new URL(url).hostname];
}
