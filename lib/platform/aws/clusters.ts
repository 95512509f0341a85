import type { Clock, ClusterEntry, ClusterRegistry, SecretReader } from "../ports.ts";
import { createMemory } from "./memory.ts";

/** A cluster as the deployment names it, in SLUICE_CLUSTERS. `secret` is the name or ARN of a Secrets Manager secret. */
export type NamedCluster = { id: string } & (
  | { type: "kubeconfig"; secret: string; context?: string }
  | { type: "eks"; name: string; region: string }
);

/** How an EKS API server is reached; `certificateAuthority` is base64 of PEM, as EKS gives it. */
type EksServer = { endpoint: string; certificateAuthority: string };

/** An EKS cluster's endpoint changes only with the cluster. */
const rememberedMilliseconds = 5 * 60_000;

/**
 * The clusters of a deployment: kubeconfigs are read from Secrets Manager at each use, so that a rotated one takes effect;
 * EKS clusters are described.
 */
export function createClusterRegistry(
  clusters: () => NamedCluster[],
  secrets: SecretReader,
  clock: Clock,
): ClusterRegistry {
  const remember = createMemory<EksServer>(clock, rememberedMilliseconds);
  return {
    list: async () => clusters().map(({ id }) => id),
    get: async (id): Promise<ClusterEntry | undefined> => {
      const cluster = clusters().find((candidate) => candidate.id === id);
      if (cluster === undefined) return undefined;
      if (cluster.type === "eks") {
        const { name, region } = cluster;
        return { ...cluster, ...(await remember(`${region}/${name}`, () => describeEksCluster(name, region))) };
      }
      const { secret, ...entry } = cluster;
      const kubeconfig = await secrets.read(secret);
      if (kubeconfig === undefined)
        throw new Error(`the kubeconfig of cluster '${id}' is missing: no secret '${secret}'`);
      return { ...entry, kubeconfig };
    },
  };
}

/** Loaded on demand: a deployment without EKS clusters does not pay for the client. */
async function describeEksCluster(name: string, region: string): Promise<EksServer> {
  const { DescribeClusterCommand, EKSClient } = await import("@aws-sdk/client-eks");
  const client = new EKSClient({ region });
  try {
    const { cluster } = await client.send(new DescribeClusterCommand({ name }));
    const certificateAuthority = cluster?.certificateAuthority?.data;
    if (cluster?.endpoint === undefined || certificateAuthority === undefined) {
      throw new Error(`the EKS cluster '${name}' in ${region} has no endpoint yet (${cluster?.status ?? "unknown"})`);
    }
    return { endpoint: cluster.endpoint, certificateAuthority };
  } finally {
    client.destroy();
  }
}

/** Reads SLUICE_CLUSTERS: a JSON array. Throws a sentence that names the entry which is wrong. */
export function parseClusters(text: string): NamedCluster[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`SLUICE_CLUSTERS is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Array.isArray(value)) throw new Error("SLUICE_CLUSTERS is not an array of clusters");
  const clusters = value.map((entry: unknown, index) => parseCluster(entry, `SLUICE_CLUSTERS[${index}]`));
  const twice = clusters.find(({ id }, index) => clusters.findIndex((other) => other.id === id) !== index);
  if (twice !== undefined) throw new Error(`SLUICE_CLUSTERS names '${twice.id}' twice`);
  return clusters;
}

function parseCluster(value: unknown, where: string): NamedCluster {
  const entry = typeof value === "object" && value !== null ? (value as { [field: string]: unknown }) : {};
  const text = (field: string): string => {
    const found = entry[field];
    if (typeof found !== "string" || found === "") throw new Error(`${where} has no ${field}`);
    return found;
  };
  const id = text("id");
  const type = text("type");
  if (type === "eks") return { id, type, name: text("name"), region: text("region") };
  if (type === "kubeconfig") {
    return { id, type, secret: text("secret"), ...(entry.context === undefined ? {} : { context: text("context") }) };
  }
  throw new Error(`${where} has the type '${type}': kubeconfig and eks are known`);
}
