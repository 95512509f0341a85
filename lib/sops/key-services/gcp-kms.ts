import { type GcpKey, gcpKeyToken, parseGcpKey } from "../../identity/gcp-key.ts";
import { IdentityError } from "../../identity/identity.ts";
import type { GcpKmsKey, KeyService } from "../keys.ts";
import { EntryInvalid } from "./secret-entry.ts";
import {
  askedOnce,
  base64Bytes,
  bounded,
  complaint,
  connected,
  fieldsOf,
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
 * Reads `sops.gcp-kms`: the JSON of a service account's key, or of a user's credentials. Throws EntryInvalid.
 */
export function parseGcpEntry(text: string, connection: ServiceConnection = {}): GcpToken {
  let key: GcpKey;
  try {
    key = parseGcpKey(text);
  } catch (error) {
    throw error instanceof IdentityError ? new EntryInvalid(gcpEntry, error.message) : error;
  }
  const { exchange } = connected(connection);
  return async (signal) => (await gcpKeyToken(key, scopes, gcpEntry, exchange, signal)).token;
}
