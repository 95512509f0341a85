import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import type { GcpKmsKey, KeyService } from "../keys.ts";
import { EntryInvalid } from "./secret-entry.ts";
import {
  askedOnce,
  base64Bytes,
  bounded,
  complaint,
  connected,
  type Fields,
  fieldsOf,
  form,
  isFields,
  type ServiceConnection,
  textOf,
  within,
} from "./service-call.ts";

/** The name of the Secret's entry with Google's credentials (KS-096). */
export const gcpEntry = "sops.gcp-kms";

/** A token of Google Cloud. */
export type GcpToken = (signal: AbortSignal) => Promise<string>;

export type GcpKmsOptions = ServiceConnection & { token: GcpToken };

/** What the token may be used for, as Google's client of Cloud KMS asks for it. */
const scopes = ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/cloudkms"];
const defaultTokenAddress = "https://oauth2.googleapis.com/token";

/** Decrypts with Google Cloud KMS (KS-096). */
export function gcpKms(options: GcpKmsOptions): KeyService<GcpKmsKey> {
  const { exchange } = connected(options);
  const once = askedOnce<string>();
  return async (key, caller) => {
    const signal = bounded(caller);
    const parts = key.resourceId.split("/");
    if (
      !/^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/.test(key.resourceId) ||
      parts.some((part) => part === "." || part === "..")
    )
      throw new Error(`no valid resource ID found in "${key.resourceId.slice(0, 300)}"`);
    const ciphertext = base64Bytes(key.enc, "base64", "the encrypted data key");
    const token = await once("token", () => options.token(signal));
    const answer = await exchange(
      {
        method: "POST",
        url: new URL(`https://cloudkms.googleapis.com/v1/${parts.map(encodeURIComponent).join("/")}:decrypt`),
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ ciphertext: Buffer.from(ciphertext).toString("base64") }),
      },
      signal,
    );
    const fields = fieldsOf(answer);
    const plaintext = textOf(fields, "plaintext");
    if (answer.status === 200 && plaintext !== undefined)
      return base64Bytes(plaintext, "base64", "the answer of Google Cloud KMS");
    const error = within(fields, "error");
    const code = complaint(error, "status") || `status ${answer.status}`;
    throw new Error(
      `failed to decrypt sops data key with GCP KMS key: ${[code, complaint(error, "message")].filter((text) => text !== "").join(": ")}`,
    );
  };
}

/**
 * Reads `sops.gcp-kms`: the JSON of a service account's key, or of a user's credentials (`gcloud auth application-default login`).
 * Types that have Google's libraries read files, run programs or ask addresses of their own are refused. Throws EntryInvalid.
 */
export function parseGcpEntry(text: string, connection: ServiceConnection = {}): GcpToken {
  const fields = credentialsOf(text);
  const type = textOf(fields, "type") ?? "";
  const address = textOf(fields, "token_uri") ?? defaultTokenAddress;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== "https:") throw new EntryInvalid(gcpEntry, "token_uri is no https address");
  if (type === "service_account") {
    const account = serviceAccountOf(fields);
    return (signal) => tokenFrom(url, assertionGrant(account, url.href), connection, signal);
  }
  if (type === "authorized_user") {
    const grant = {
      grant_type: "refresh_token",
      client_id: needed(fields, "client_id"),
      client_secret: needed(fields, "client_secret"),
      refresh_token: needed(fields, "refresh_token"),
    };
    return (signal) => tokenFrom(url, grant, connection, signal);
  }
  throw new EntryInvalid(
    gcpEntry,
    type === ""
      ? "missing 'type' field in credentials"
      : `credentials of type '${type.slice(0, 100)}' are not supported: it must be service_account or authorized_user`,
  );
}

function credentialsOf(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new EntryInvalid(gcpEntry, "it is not valid JSON");
  }
  if (!isFields(value)) throw new EntryInvalid(gcpEntry, "it is no JSON object");
  return value;
}

function needed(fields: Fields, name: string): string {
  const value = textOf(fields, name);
  if (value === undefined) throw new EntryInvalid(gcpEntry, `it has no '${name}'`);
  return value;
}

type ServiceAccount = { email: string; key: KeyObject; keyId: string | undefined };

function serviceAccountOf(fields: Fields): ServiceAccount {
  const email = needed(fields, "client_email");
  try {
    const key = createPrivateKey(needed(fields, "private_key"));
    if (key.asymmetricKeyType === "rsa") return { email, key, keyId: textOf(fields, "private_key_id") };
  } catch (error) {
    if (error instanceof EntryInvalid) throw error;
  }
  throw new EntryInvalid(gcpEntry, "its 'private_key' is no RSA key in PEM");
}

/** One hour, the most that Google allows, in seconds. */
const assertionLifetime = 3600;

/** A JWT that the account's key signs is exchanged for a token (RFC 7523, 2.1). */
function assertionGrant({ email, key, keyId }: ServiceAccount, audience: string): Record<string, string> {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: "RS256", typ: "JWT", ...(keyId === undefined ? {} : { kid: keyId }) };
  const claims = { iss: email, scope: scopes.join(" "), aud: audience, iat: now, exp: now + assertionLifetime };
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(text), key).toString("base64url");
  return { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: `${text}.${signature}` };
}

async function tokenFrom(
  url: URL,
  grant: Readonly<Record<string, string>>,
  connection: ServiceConnection,
  signal: AbortSignal,
): Promise<string> {
  const answer = await connected(connection).exchange({ method: "POST", url, ...form(grant) }, signal);
  const fields = fieldsOf(answer);
  const token = textOf(fields, "access_token");
  if (answer.status === 200 && token !== undefined) return token;
  const code = complaint(fields, "error") || `status ${answer.status}`;
  const description = complaint(fields, "error_description");
  throw new Error(
    `Google refused a token for the credentials of '${gcpEntry}': ${[code, description].filter((text) => text !== "").join(": ")}`,
  );
}
