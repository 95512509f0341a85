import type { AwsCredentials } from "../platform/ports.ts";
import { awsEndpoint } from "./aws.ts";
import { awsSigner } from "./aws-signature.ts";

/** How long EKS takes a token, in milliseconds, whatever its query says. */
export const eksTokenMilliseconds = 15 * 60_000;

/**
 * A bearer token for an EKS cluster (KS-214): a presigned STS GetCallerIdentity that names the cluster in a signed header,
 * valid for 15 minutes. Signed locally, without a request.
 */
export async function eksToken(
  cluster: string,
  region: string,
  credentials: AwsCredentials,
  now: Date,
): Promise<string> {
  const { hostname } = new URL(awsEndpoint("sts", region));
  const signed = await awsSigner("sts", region, credentials).presign(
    {
      method: "GET",
      protocol: "https:",
      hostname,
      path: "/",
      query: { Action: "GetCallerIdentity", Version: "2011-06-15" },
      headers: { host: hostname, "x-k8s-aws-id": cluster },
    },
    { expiresIn: 60, signingDate: now, unhoistableHeaders: new Set(["x-k8s-aws-id"]) },
  );
  const query = new URLSearchParams(
    Object.entries(signed.query ?? {}).map(([key, value]): [string, string] => [key, String(value)]),
  );
  const url = `https://${hostname}/?${query.toString().replaceAll("+", "%20")}`;
  return `k8s-aws-v1.${Buffer.from(url).toString("base64url")}`;
}
