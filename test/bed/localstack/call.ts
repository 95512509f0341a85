import { awsSigner, signedHeaders } from "../../../lib/identity/aws-signature.ts";
import type { BedAws } from "../parts.ts";

/**
 * Calls an API of LocalStack that the tests need too rarely for a client of its own: by `target` in JSON, as KMS has it, else by the
 * query protocol, as IAM has it. Resolves with the answer's text; rejects where that is none of success.
 */
export async function callAws(
  aws: Pick<BedAws, "endpoint" | "region">,
  service: string,
  {
    target,
    body,
  }: { target: string; body: Record<string, unknown> } | { target?: undefined; body: Record<string, string> },
): Promise<string> {
  const url = `${aws.endpoint}/`;
  const text = target === undefined ? new URLSearchParams(body).toString() : JSON.stringify(body);
  const type = target === undefined ? "application/x-www-form-urlencoded" : "application/x-amz-json-1.1";
  const named = { "content-type": type, ...(target === undefined ? {} : { "x-amz-target": target }) };
  const signer = awsSigner(service, aws.region, { accessKeyId: "test", secretAccessKey: "test" });
  const signed = await signedHeaders(signer, { method: "POST", url, headers: named, body: text });
  const { host: _host, ...headers } = signed;
  const answer = await fetch(url, { method: "POST", headers, body: text });
  const answered = await answer.text();
  if (!answer.ok) throw new Error(`${service} answers ${answer.status}: ${answered}`);
  return answered;
}

/** Makes a KMS key; resolves with its ARN. */
export async function createKey(aws: BedAws): Promise<string> {
  const made = await callAws(aws, "kms", { target: "TrentService.CreateKey", body: {} });
  const { KeyMetadata }: { KeyMetadata: { Arn: string } } = JSON.parse(made);
  return KeyMetadata.Arn;
}

/** The statements of a role's inline policy, as they were deployed. */
export async function statementsOfRole(
  aws: BedAws,
  RoleName: string,
): Promise<{ Sid?: string; Action: string | string[]; Resource: string | string[] }[]> {
  const body = { Action: "GetRolePolicy", Version: "2010-05-08", RoleName, PolicyName: "grants" };
  const [, document = ""] =
    /<PolicyDocument>([\s\S]*)<\/PolicyDocument>/.exec(await callAws(aws, "iam", { body })) ?? [];
  return JSON.parse(decodeURIComponent(document)).Statement;
}
