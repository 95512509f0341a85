import type { ClusterConnections } from "../engine/clusters.ts";
import { settingsReader } from "../engine/settings.ts";
import type { Platform } from "../platform/ports.ts";
import { removeLeftoverFinalizers } from "./leftover-finalizers.ts";
import { createHookReceiver } from "./receive.ts";

/**
 * What notifications and webhooks need each minute: requests that waited for a cluster are taken up, and finalizers of objects
 * that nobody reconciles are removed. A cluster that does not answer is left to the next minute and disturbs no other.
 */
export async function runUpkeep(
  platform: Platform,
  connect: ClusterConnections,
  runtimeNamespace = "flux-system",
): Promise<void> {
  const { clock, clusters, log } = platform;
  const readSettings = settingsReader(platform, runtimeNamespace);
  const tend = async (clusterId: string) => {
    try {
      const cluster = await connect(clusterId);
      const { owned } = await readSettings(clusterId, cluster, "notification-controller");
      if (owned) await removeLeftoverFinalizers(cluster, clock.now());
    } catch (error) {
      log.warn("finalizers of a cluster's Alerts and Providers could not be looked at", {
        cluster: clusterId,
        error: String(error),
      });
    }
  };
  await Promise.all([
    createHookReceiver(platform, connect, runtimeNamespace).replay(),
    ...(await clusters.list()).map(tend),
  ]);
}
