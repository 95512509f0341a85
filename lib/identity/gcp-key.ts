import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import type { Exchange } from "../platform/exchange.ts";
import { isFields } from "../text/fields.ts";
import { formBody, readTokenAnswer, textField } from "./cloud-request.ts";
import { type AccessToken, IdentityError } from "./identity.ts";

/** Credentials of Google in a file: where their tokens are asked for, and what is sent for one. */
export type GcpKey = { tokenAddress: URL; grant(scopes: readonly string[]): Record<string, string> };

const defaultTokenAddress = "https://oauth2.googleapis.com/token";

/**
 * Reads the JSON of a service account's key, or of a user's credentials (`gcloud auth application-default login`). Types that have Google's
 * libraries read files, run programs or ask addresses of their own are refused. Throws IdentityError, without anything of the key.
 */
export function parseGcpKey(text: string): GcpKey {
  const fields = credentialsOf(text);
  const type = textField(fields, "type") ?? "";
  const address = textField(fields, "token_uri") ?? defaultTokenAddress;
  const tokenAddress = URL.canParse(address) ? new URL(address) : undefined;
  if (tokenAddress?.protocol !== "https:") throw new IdentityError("token_uri is no https address");
  if (type === "service_account") {
    const account = serviceAccountOf(fields);
    return { tokenAddress, grant: (scopes) => assertionGrant(account, tokenAddress.href, scopes) };
  }
  if (type === "authorized_user") {
    const grant = {
      grant_type: "refresh_token",
      client_id: needed(fields, "client_id"),
      client_secret: needed(fields, "client_secret"),
      refresh_token: needed(fields, "refresh_token"),
    };
    return { tokenAddress, grant: () => grant };
  }
  throw new IdentityError(
    type === ""
      ? "missing 'type' field in credentials"
      : `credentials of type '${type.slice(0, 100)}' are not supported: it must be service_account or authorized_user`,
  );
}

/** A token for the scopes. `named` says whose credentials are refused. Rejects with a sentence for the user. */
export async function gcpKeyToken(
  key: GcpKey,
  scopes: readonly string[],
  named: string,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<AccessToken> {
  const askedAt = Date.now();
  const { headers = {}, body = "" } = formBody(key.grant(scopes));
  const sent = { method: "POST" as const, url: key.tokenAddress, headers: { ...headers, accept: "application/json" } };
  const answer = readTokenAnswer(await exchange({ ...sent, body }, signal), askedAt);
  if ("granted" in answer) return answer.granted;
  const { code, description } = answer.refused;
  throw new IdentityError(
    `Google refused a token for the credentials of '${named}': ${[code, description].filter((text) => text !== "").join(": ")}`,
  );
}

function credentialsOf(text: string): { [field: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new IdentityError("it is not valid JSON");
  }
  if (!isFields(value)) throw new IdentityError("it is no JSON object");
  return value;
}

function needed(fields: { [field: string]: unknown }, name: string): string {
  const value = textField(fields, name);
  if (value === undefined) throw new IdentityError(`it has no '${name}'`);
  return value;
}

type ServiceAccountKey = { email: string; key: KeyObject; keyId: string | undefined };

function serviceAccountOf(fields: { [field: string]: unknown }): ServiceAccountKey {
  const email = needed(fields, "client_email");
  const pem = needed(fields, "private_key");
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem);
  } catch {
    // OpenSSL's own words may quote the key.
  }
  if (key?.asymmetricKeyType !== "rsa") throw new IdentityError("its 'private_key' is no RSA key in PEM");
  return { email, key, keyId: textField(fields, "private_key_id") };
}

/** One hour, the most that Google allows, in seconds. */
const assertionLifetime = 3600;

/** A JWT that the account's key signs is exchanged for a token (RFC 7523, 2.1). */
function assertionGrant(
  { email, key, keyId }: ServiceAccountKey,
  audience: string,
  scopes: readonly string[],
): Record<string, string> {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: "RS256", typ: "JWT", ...(keyId === undefined ? {} : { kid: keyId }) };
  const claims = { iss: email, scope: scopes.join(" "), aud: audience, iat: now, exp: now + assertionLifetime };
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(text), key).toString("base64url");
  return { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: `${text}.${signature}` };
}
