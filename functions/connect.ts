import { defaultProvider } from "@aws-sdk/credential-provider-node";
import type { ClusterClient } from "../lib/cluster/client.ts";
import { connect } from "../lib/cluster/connect.ts";
import { eksToken } from "../lib/identity/eks-token.ts";
import type { ClusterEntry } from "../lib/platform/ports.ts";

const userAgent = "sluice/0.1.0";
/** A token is taken for 15 minutes; a long look at a cluster must not end with it. */
const tokenMilliseconds = 10 * 60_000;

/** Connects as this program; an EKS cluster's token is signed with the role that the function runs as. */
export function connectCluster(entry: ClusterEntry): ClusterClient {
  if (entry.type === "kubeconfig") return connect(entry, { userAgent });
  const { name, region, endpoint, certificateAuthority } = entry;
  const credentials = defaultProvider();
  let signed: { value: Promise<string>; until: number } | undefined;
  const token = () => {
    const now = Date.now();
    if (signed === undefined || signed.until < now) {
      const value = credentials().then((current) => eksToken(name, region, current, new Date(now)));
      value.catch(() => {
        signed = undefined;
      });
      signed = { value, until: now + tokenMilliseconds };
    }
    return signed.value;
  };
  const authority = Buffer.from(certificateAuthority, "base64").toString("utf8");
  return connect({ type: "token", url: endpoint, certificateAuthority: authority, token }, { userAgent });
}
