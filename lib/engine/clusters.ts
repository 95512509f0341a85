import type { ClusterClient } from "../cluster/client.ts";
import type { ClusterEntry, ClusterRegistry } from "../platform/ports.ts";

/** No cluster has that id: no later attempt can change that, short of a deployment. */
export class UnknownCluster extends Error {
  constructor(id: string) {
    super(`no cluster is registered as '${id}'`);
    this.name = "UnknownCluster";
  }
}

/** Connects to clusters by id; a connection is kept while the cluster's entry stays the same. Throws UnknownCluster, and whatever keeps the entry from being read. */
export type ClusterConnections = (clusterId: string) => Promise<ClusterClient>;

/**
 * Connections of one process. The registry is asked at each use, so that a rotated kubeconfig takes effect with the next
 * item; only an entry that changed opens a new connection.
 */
export function createClusterConnections(
  registry: ClusterRegistry,
  connect: (entry: ClusterEntry) => ClusterClient,
): ClusterConnections {
  const open = new Map<string, { fingerprint: string; client: ClusterClient }>();
  return async (clusterId) => {
    const entry = await registry.get(clusterId);
    if (entry === undefined) throw new UnknownCluster(clusterId);
    const fingerprint = JSON.stringify(entry);
    const known = open.get(clusterId);
    if (known?.fingerprint === fingerprint) return known.client;
    const client = connect(entry);
    open.set(clusterId, { fingerprint, client });
    return client;
  };
}
