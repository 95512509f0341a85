import { defaultProvider } from "@aws-sdk/credential-provider-node";
import type { ClusterClient } from "../lib/cluster/client.ts";
import { connect } from "../lib/cluster/connect.ts";
import type { ClusterEntry } from "../lib/platform/ports.ts";

/** Connects as this program; an EKS cluster's token is signed with the role that the function runs as. */
export function connectCluster(entry: ClusterEntry): ClusterClient {
  return connect(entry, { userAgent: "sluice/0.1.0", credentials: defaultProvider() });
}
