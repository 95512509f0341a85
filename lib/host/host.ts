import { join } from "node:path";
import { connect } from "../cluster/connect.ts";
import { createClusterConnections } from "../engine/clusters.ts";
import { createEngine } from "../engine/engine.ts";
import { runSchedule } from "../engine/schedule.ts";
import { parseWorkItem } from "../engine/work-item.ts";
import { createFront } from "../front/front.ts";
import { dispatchNotification } from "../notify/dispatch.ts";
import { runUpkeep } from "../notify/upkeep.ts";
import type { NamedCluster } from "../platform/local/clusters.ts";
import { startListener } from "../platform/local/listener.ts";
import { createLocalPlatform, type LocalPlatform } from "../platform/local/platform.ts";
import { recordExpiry } from "../platform/local/record-expiry.ts";
import { keepLocalSecret } from "../platform/local/secrets.ts";
import type { AwsCredentials, Logger } from "../platform/ports.ts";
import { applyKinds } from "../reconcilers/apply-kinds.ts";
import { sourceKinds } from "../reconcilers/source-kinds.ts";
import { hostCertificate } from "./certificate.ts";
import { takeDataDirectory } from "./data-directory.ts";
import { endAll } from "./end-all.ts";
import { startMinutes } from "./minutes.ts";

/** How a host runs: where it keeps its data, where it listens, which cluster it works for. */
export type HostOptions = {
  directory: string;
  /** Port 0 is any free one. */
  listen: { address: string; port: number };
  /** How the cluster and Git servers reach this host, where that is not the listen address; without trailing slash. */
  advertise?: string;
  cluster: NamedCluster;
  /** Namespace of the placeholders whose flags count; `flux-system` where it is not given. */
  runtimeNamespace?: string;
  /** Objects of each queue that are worked on at once. */
  concurrency: number;
  log: Logger;
  /** With which the host itself asks AWS's key service; without them a ServiceAccount of the cluster does (SN-19). */
  awsCredentials?: AwsCredentials | undefined;
  /** Sees the platform before anything uses it: tests and the live view wrap its ports here. */
  wrap?: (platform: LocalPlatform) => LocalPlatform;
  /** Prepares the cluster once the listener answers and before any work is done: an installation. */
  prepare?: (address: HostAddress) => Promise<void>;
};

/** How a cluster finds a host. */
export type HostAddress = {
  /** `https://host:port`, without trailing slash. */
  endpoint: string;
  /** PEM of the authority that signed the listener's certificate. */
  certificateAuthority: string;
  /** The secret that the tokens of admission calls are made of. */
  admissionSeed: string;
};

/** A running host. */
export type Host = HostAddress & {
  platform: LocalPlatform;
  /** Ends work in hand as a function's time-out does; what is undone is done at the next start. */
  stop(): Promise<void>;
};

/** Longest time that one item may take: as long as the functions have. */
const itemMilliseconds = 120_000;

/**
 * Runs all of Sluice in this process: the functions' work over the local platform, behind one HTTPS listener, of which
 * `GET /healthz` answers 200 once work can be done. Throws where another process has the directory or the port is taken.
 */
export async function startHost(options: HostOptions): Promise<Host> {
  const { directory, log } = options;
  const ending: (() => Promise<void>)[] = [];
  const stop = () => endAll(ending);
  try {
    ending.push(await takeDataDirectory(directory));
    return await start(options, ending, stop);
  } catch (error) {
    await stop().catch((late: unknown) => log.warn("the host did not stop cleanly", { error: String(late) }));
    throw error;
  }
}

async function start(options: HostOptions, ending: (() => Promise<void>)[], stop: Host["stop"]): Promise<Host> {
  const { directory, log, concurrency } = options;
  const names = [options.listen.address, ...hostOf(options.advertise)];
  const certificate = await hostCertificate(join(directory, "tls"), names);
  const admissionSeed = await keepLocalSecret(join(directory, "secrets"), "admission-seed");
  let ready = false;
  let answer = async (_request: Request): Promise<Response> => new Response(null, { status: 503 });
  const listener = await startListener({
    ...options.listen,
    certificate,
    handle: (request) => answer(request),
    onError: (error) => log.error("a request could not be answered", { error: String(error) }),
  });
  ending.push(() => listener.close());

  const endpoint = options.advertise ?? listener.url;
  const { cluster, awsCredentials } = options;
  const local = createLocalPlatform({ directory, endpoint, cluster, log, expiry: recordExpiry, awsCredentials });
  const items = createItemSignals(itemMilliseconds);
  ending.push(async () => {
    const closed = local.close();
    items.abortAll();
    await closed;
  });
  const platform = options.wrap?.(local) ?? local;
  const connections = createClusterConnections(platform.clusters, (entry) => {
    if (entry.type === "eks") throw new Error("the local host connects by kubeconfig");
    return connect(entry, { userAgent: "sluice/0.1.0", trusted: true });
  });
  const { runtimeNamespace = "flux-system" } = options;
  const reconcilers = { ...sourceKinds, ...applyKinds };
  const engine = createEngine({ platform, connect: connections, reconcilers, runtimeNamespace });
  const front = createFront(platform, { connect: connections, ready: () => ready, runtimeNamespace });
  answer = async (request) => front.fetch(request);
  const address = { endpoint, certificateAuthority: certificate.authority, admissionSeed };
  await options.prepare?.(address);

  const work = (body: string, { attempt }: { attempt: number }) =>
    items.run((signal) => engine.process(parseWorkItem(body), { attempt, signal }));
  platform.consume("source", work, { concurrency });
  platform.consume("apply", work, { concurrency });
  platform.consume("notification", (body) => dispatchNotification(platform, connections, body, runtimeNamespace), {
    concurrency,
  });
  const minutes = startMinutes(
    async (minute) => {
      const due = runSchedule(platform, connections, minute, runtimeNamespace);
      await Promise.all([due, runUpkeep(platform, connections, runtimeNamespace)]);
    },
    (error) => log.error("the schedule did not run", { error: String(error) }),
  );
  ending.push(async () => minutes.stop());
  ready = true;
  ending.push(async () => {
    ready = false;
  });
  return { ...address, platform, stop };
}

/** A signal for each item in hand: it ends with the item's time, or with the host. */
function createItemSignals(milliseconds: number) {
  const controllers = new Set<AbortController>();
  return {
    run: async (work: (signal: AbortSignal) => Promise<void>): Promise<void> => {
      const controller = new AbortController();
      const timer = setTimeout(
        () => controller.abort(new Error(`not done within ${milliseconds / 1000} s`)),
        milliseconds,
      );
      controllers.add(controller);
      try {
        await work(controller.signal);
      } finally {
        clearTimeout(timer);
        controllers.delete(controller);
      }
    },
    abortAll: () => {
      for (const controller of controllers) controller.abort(new Error("Sluice is stopping"));
    },
  };
}

function hostOf(url: string | undefined): string[] {
  return url === undefined ? [] : [new URL(url).hostname.replace(/^\[|\]$/g, "")];
}
