import { isFields } from "../text/fields.ts";
import { awsEndpoint } from "./aws.ts";
import { awsSigner, signedHeaders } from "./aws-signature.ts";
import { askCloud, parseAnswer, textField } from "./cloud-request.ts";
import { type AccessToken, type AwsCredentials, type CloudOptions, IdentityError } from "./identity.ts";

/** What a cloud tells of a cluster: its address as the cloud writes it, and its authority as PEM. */
export type ManagedCluster = { address: string; certificateAuthority: string };

const eksPattern = String.raw`^arn:aws[\w-]*:eks:([^:]{1,100}):[0-9]{1,30}:cluster/(.{1,200})$`;
const aksPattern = String.raw`(?i)^/subscriptions/([^/]{36})/resourceGroups/([^/]{1,200})/providers/Microsoft\.ContainerService/managedClusters/([^/]{1,200})$`;
const gkePattern = "^projects/[^/]{1,200}/locations/[^/]{1,200}/clusters/[^/]{1,200}$";
/** The stable API of AKS that is asked. */
const aksApiVersion = "2025-05-01";

/** Region and name of an EKS cluster by its ARN (KS-214). Throws an IdentityError. */
export function parseEksArn(arn: string): { region: string; name: string } {
  const [, region, name] = new RegExp(eksPattern).exec(arn) ?? [];
  if (region === undefined || name === undefined)
    throw new IdentityError(`invalid EKS cluster ARN: '${arn}'. must match ${eksPattern}`);
  return { region, name };
}

/** EKS DescribeCluster. Throws an IdentityError. */
export async function describeEks(
  arn: string,
  credentials: AwsCredentials,
  options: CloudOptions,
): Promise<ManagedCluster> {
  const { region, name } = parseEksArn(arn);
  const url = `${options.endpoints?.eks ?? awsEndpoint("eks", region)}/clusters/${encodeURIComponent(name)}`;
  const headers = await signedHeaders(awsSigner("eks", region, credentials), { method: "GET", url });
  const answer = await askCloud({ method: "GET", url, headers }, options);
  const parsed = parseAnswer(answer.body);
  const cluster = isFields(parsed?.cluster) ? parsed.cluster : undefined;
  const address = textField(cluster, "endpoint");
  const authority = isFields(cluster?.certificateAuthority)
    ? textField(cluster.certificateAuthority, "data")
    : undefined;
  if (answer.status !== 200 || address === undefined || authority === undefined) {
    const why = textField(parsed, "message") ?? `status ${answer.status}`;
    throw new IdentityError(`failed to describe EKS cluster '${arn}': ${why}`);
  }
  return { address, certificateAuthority: pem(authority) };
}

/** The kubeconfigs that AKS gives to users of a cluster, as text (KS-215). Throws an IdentityError. */
export async function listAksKubeconfigs(id: string, { token }: AccessToken, options: CloudOptions): Promise<string[]> {
  // JavaScript has the flag of the pattern elsewhere.
  if (!new RegExp(aksPattern.replace("(?i)", ""), "i").test(id))
    throw new IdentityError(`invalid AKS cluster ID: '${id}'. must match ${aksPattern}`);
  const path = id.split("/").map(encodeURIComponent).join("/");
  const base = `${options.endpoints?.azureManagement ?? "https://management.azure.com"}${path}`;
  const headers = { authorization: `Bearer ${token}` };
  const ask = async (method: "GET" | "POST", more: string) => {
    const url = `${base}${more}?api-version=${aksApiVersion}`;
    const answer = await askCloud({ method, url, headers, ...(method === "POST" ? { body: "" } : {}) }, options);
    const parsed = parseAnswer(answer.body);
    if (answer.status === 200) return parsed;
    const error = isFields(parsed?.error) ? textField(parsed.error, "message") : undefined;
    throw new IdentityError(`failed to describe AKS cluster: ${error ?? `status ${answer.status}`}`);
  };
  const described = await ask("GET", "");
  if (!isFields(described?.properties) || !isFields(described.properties.aadProfile))
    throw new IdentityError(
      `AKS cluster ${id} does not have Microsoft Entra ID integration enabled. See docs for enabling: https://learn.microsoft.com/en-us/azure/aks/enable-authentication-microsoft-entra-id`,
    );
  const { kubeconfigs } = (await ask("POST", "/listClusterUserCredential")) ?? {};
  return (Array.isArray(kubeconfigs) ? kubeconfigs : []).flatMap((entry: unknown) => {
    const value = isFields(entry) ? textField(entry, "value") : undefined;
    return value === undefined ? [] : [pem(value)];
  });
}

/** GKE projects.locations.clusters.get. Throws an IdentityError. */
export async function describeGke(id: string, { token }: AccessToken, options: CloudOptions): Promise<ManagedCluster> {
  if (!new RegExp(gkePattern).test(id))
    throw new IdentityError(`invalid GKE cluster ID: '${id}'. must match ${gkePattern}`);
  const path = id.split("/").map(encodeURIComponent).join("/");
  const url = `${options.endpoints?.googleContainer ?? "https://container.googleapis.com"}/v1/${path}`;
  const answer = await askCloud({ method: "GET", url, headers: { authorization: `Bearer ${token}` } }, options);
  const parsed = parseAnswer(answer.body);
  const address = textField(parsed, "endpoint");
  const authority = isFields(parsed?.masterAuth) ? textField(parsed.masterAuth, "clusterCaCertificate") : undefined;
  if (answer.status !== 200 || address === undefined || authority === undefined) {
    const error = isFields(parsed?.error) ? textField(parsed.error, "message") : undefined;
    throw new IdentityError(`failed to describe GKE cluster '${id}': ${error ?? `status ${answer.status}`}`);
  }
  return { address, certificateAuthority: pem(authority) };
}

function pem(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}
