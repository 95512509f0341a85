import { applyInstallObjects } from "../../lib/cli/install-objects.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { connect } from "../../lib/cluster/connect.ts";
import { bedCluster } from "./bed.ts";
import type { BedCluster } from "./parts.ts";

/** A control plane with Sluice's kinds in it, and the administrator's connection to it. */
export type InstalledCluster = { cluster: BedCluster; client: ClusterClient };

let installed: Promise<InstalledCluster> | undefined;

/**
 * The run's control plane with CRDs, RBAC and placeholders in it. Installing twice changes nothing, so each test process makes
 * sure for itself. No admission webhook is registered, and nothing reconciles unless a test starts what does.
 */
export function installedCluster(): Promise<InstalledCluster> {
  installed ??= bedCluster().then(async (cluster) => ({ cluster, client: await installKinds(cluster) }));
  return installed;
}

/** Connects to a control plane as its administrator. */
export function connectTo(cluster: Pick<BedCluster, "kubeconfig">): ClusterClient {
  return connect({ type: "kubeconfig", kubeconfig: cluster.kubeconfig }, { userAgent: "sluice-test", trusted: true });
}

/** Installs Sluice's kinds into a control plane and resolves with the administrator's connection to it. */
export async function installKinds(cluster: Pick<BedCluster, "kubeconfig">): Promise<ClusterClient> {
  const client = connectTo(cluster);
  await applyInstallObjects(client, () => undefined);
  return client;
}
