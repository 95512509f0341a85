import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { installInto } from "../../lib/cli/install-cluster.ts";
import { startControlPlane } from "../../lib/host/control-plane/control-plane.ts";
import { type HostOptions, startHost } from "../../lib/host/host.ts";
import { createLocalLogger } from "../../lib/platform/local/log.ts";
import type { LocalPlatform } from "../../lib/platform/local/platform.ts";
import { connectTo } from "./installed.ts";
import type { BedCluster } from "./parts.ts";

/** Sluice at work in a control plane of its own: what the local host is, installed as `sluice install` does it. */
export type RunningSluice = {
  cluster: BedCluster;
  /** `https://127.0.0.1:<port>` */
  endpoint: string;
  /** PEM of the authority that signed the endpoint's certificate. */
  certificateAuthority: string;
};

/** What tests of the local host see beside its answers. */
export type SluiceFiles = {
  /** Directory of the stored artifacts: `<cluster id>/<status.artifact.path>` below it. */
  artifacts: string;
  /** Journal of its records: only to be read while Sluice runs. */
  records: string;
  /** All that Sluice logs, one JSON object a line. */
  logFile: string;
};

/**
 * `directory` gets data and logs of both; `log` hears of what is worth a warning. `wrap` sees the platform before anything uses it.
 * `between` leads Sluice to the control plane by a kubeconfig of its own.
 */
export async function startSluice(options: {
  directory: string;
  log?: (line: string) => void;
  between?: (cluster: BedCluster) => Promise<{ kubeconfig: string }>;
  wrap?: HostOptions["wrap"];
}): Promise<RunningSluice & SluiceFiles & { platform: LocalPlatform; stop(): Promise<void> }> {
  const { directory, log } = options;
  const logFile = join(directory, "sluice.log");
  const controlPlane = await startControlPlane({
    directory: join(directory, "control-plane"),
    auditLog: join(directory, "audit.log"),
    ...(log === undefined ? {} : { log }),
  });
  const logged = createWriteStream(logFile);
  try {
    const client = connectTo(controlPlane);
    const id = "bed";
    const { kubeconfig } = (await options.between?.(controlPlane)) ?? controlPlane;
    const host = await startHost({
      directory: join(directory, "data"),
      listen: { address: "127.0.0.1", port: 0 },
      cluster: { id, kubeconfig },
      concurrency: 10,
      log: createLocalLogger({
        format: "json",
        write: (line) => {
          logged.write(`${line}\n`);
          if (/"level":"(warn|error)"/.test(line)) log?.(line);
        },
      }),
      ...(options.wrap === undefined ? {} : { wrap: options.wrap }),
      prepare: ({ endpoint, certificateAuthority, admissionSeed }) =>
        installInto(client, { clusterId: id, admission: { endpoint, certificateAuthority, seed: admissionSeed } }),
    });
    const { stop: stopControlPlane, ...cluster } = controlPlane;
    return {
      cluster,
      endpoint: host.endpoint,
      certificateAuthority: host.certificateAuthority,
      platform: host.platform,
      artifacts: join(directory, "data", "artifacts", "files"),
      records: join(directory, "data", "records.journal"),
      logFile,
      stop: async () => {
        await host.stop();
        await stopControlPlane();
        logged.end();
      },
    };
  } catch (error) {
    logged.end();
    await controlPlane.stop();
    throw error;
  }
}
