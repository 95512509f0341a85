import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseKubeconfig } from "../cluster/kubeconfig.ts";
import { startControlPlane } from "../host/control-plane/control-plane.ts";
import { takeDataDirectory } from "../host/data-directory.ts";
import { type KubeconfigReader, openKubeconfigContext } from "../host/kubeconfig-context.ts";
import type { StartOptions } from "./start-options.ts";

/** The cluster that `sluice start` works for. */
export type StartedCluster = {
  kubeconfig: KubeconfigReader;
  /** The host's own directory. */
  directory: string;
  /** Given for the embedded cluster: its administrator's kubeconfig, and where its sample repository is kept. */
  embedded: { kubeconfigPath: string; sampleDirectory: string } | undefined;
  /** Resolves with a sentence when the embedded cluster fails; never for a named one. */
  failed: Promise<string>;
  stop(): Promise<void>;
};

/**
 * A named context of a kubeconfig file, or the embedded cluster, which is started, and built first on a new machine: `say` tells
 * of it. Without `--data` each context has a directory of its own below `.sluice`.
 */
export async function startCluster(options: StartOptions, say: (line: string) => void): Promise<StartedCluster> {
  if (options.cluster === undefined) return startEmbedded(resolve(options.data ?? ".sluice", "embedded"), say);
  const { kubeconfig: path, context } = options.cluster;
  const kubeconfig = await openKubeconfigContext(resolve(path), context);
  const { url } = parseKubeconfig(await kubeconfig(), { trusted: true });
  const name = (context ?? "").replace(/[^a-zA-Z0-9.-]/g, "_").slice(0, 100);
  const directory = resolve(options.data ?? join(".sluice", "contexts", name));
  await claim(directory, url);
  return {
    kubeconfig,
    directory,
    embedded: undefined,
    failed: new Promise(() => undefined),
    stop: async () => undefined,
  };
}

/** What was applied to one cluster must not be taken for the state of another. */
async function claim(directory: string, server: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, "cluster");
  const known = await readFile(path, "utf8").catch(() => "");
  if (known === "") await writeFile(path, server, { mode: 0o600 });
  else if (known !== server)
    throw new Error(
      `${directory} holds the state of the cluster at ${known}, not of ${server}: name another directory by --data DIR, or remove it if the cluster has moved`,
    );
}

/** Every start is a new, empty cluster: what the host knew of the last one goes with it; the sample repository stays. */
async function startEmbedded(root: string, say: (line: string) => void): Promise<StartedCluster> {
  const release = await takeDataDirectory(root);
  try {
    const directory = join(root, "host");
    await rm(directory, { recursive: true, force: true });
    const started = Date.now();
    say("Starting an embedded cluster: etcd, kube-apiserver and kube-controller-manager.");
    const controlPlane = await startControlPlane({ directory: join(root, "control-plane"), log: say });
    say(`The cluster runs at ${controlPlane.url}, after ${((Date.now() - started) / 1000).toFixed(1)} s.`);
    return {
      kubeconfig: async () => controlPlane.kubeconfig,
      directory,
      embedded: { kubeconfigPath: controlPlane.kubeconfigPath, sampleDirectory: join(root, "git") },
      failed: controlPlane.ended,
      stop: async () => {
        await controlPlane.stop();
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}
