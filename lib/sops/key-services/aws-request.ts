import { awsSigner, signedHeaders } from "../../identity/aws-signature.ts";
import type { Exchange, ServiceAnswer } from "../../platform/exchange.ts";
import type { AwsCredentials } from "../../platform/ports.ts";

/** A POST to an AWS service, in the service's own protocol. */
export type AwsRequest = {
  service: "kms" | "sts";
  region: string;
  /** Where the service is: `https://kms.eu-central-1.amazonaws.com`. */
  endpoint: string;
  headers: Record<string, string>;
  body: string;
};

/** Sends a request that is signed with Signature Version 4. */
export async function askAws(
  { service, region, endpoint, headers, body }: AwsRequest,
  credentials: AwsCredentials,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<ServiceAnswer> {
  const url = new URL("/", endpoint);
  const request = { method: "POST", url: url.href, headers, body } as const;
  const signed = await signedHeaders(awsSigner(service, region, credentials), request);
  return exchange({ method: "POST", url, headers: signed, body }, signal);
}
