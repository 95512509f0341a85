import type { Exchange } from "../platform/exchange.ts";
import type { AwsCredentials } from "../platform/ports.ts";
import { ObjectStoreError } from "./object-store.ts";
import { elementOf, parseXml, textOf } from "./xml.ts";

/** Who asks a Security Token Service by a directory's user and password. */
export type LdapIdentity = { endpoint: string; username: string; password: string };

/** Temporary keys by AssumeRoleWithLDAPIdentity, as MinIO has it (BKT-026). Throws ObjectStoreError, and what the exchange throws. */
export async function ldapCredentials(
  { endpoint, username, password }: LdapIdentity,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const fields = {
    Action: "AssumeRoleWithLDAPIdentity",
    Version: "2011-06-15",
    LDAPUsername: username,
    LDAPPassword: password,
  };
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = new URLSearchParams(fields).toString();
  const answer = await exchange({ method: "POST", url: new URL(endpoint), headers, body }, signal);
  if (answer.status !== 200) {
    const error = /<Error>/.test(answer.body) ? await errorOf(answer.body) : {};
    const code = textOf(error.Code);
    const words = textOf(error.Message).slice(0, 500) || `the Security Token Service answered ${answer.status}`;
    throw new ObjectStoreError(code, words);
  }
  const response = elementOf((await parseXml(answer.body)).AssumeRoleWithLDAPIdentityResponse);
  const given = elementOf(elementOf(response.AssumeRoleWithLDAPIdentityResult).Credentials);
  const accessKeyId = textOf(given.AccessKeyId);
  const secretAccessKey = textOf(given.SecretAccessKey);
  const sessionToken = textOf(given.SessionToken);
  if (accessKeyId === "" || secretAccessKey === "")
    throw new ObjectStoreError("", "the Security Token Service's answer holds no credentials");
  const expiresAt = new Date(textOf(given.Expiration));
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === "" ? {} : { sessionToken }),
    expiresAt: Number.isNaN(expiresAt.getTime()) ? new Date(0) : expiresAt,
  };
}

/** Services of STS wrap their error; object stores do not. */
async function errorOf(body: string): Promise<{ [name: string]: unknown }> {
  const parsed = await parseXml(body);
  return elementOf(elementOf(parsed.ErrorResponse).Error ?? parsed.Error);
}
