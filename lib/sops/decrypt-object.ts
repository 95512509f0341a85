import { messageOf } from "../text/error-message.ts";
import { isFields } from "../text/fields.ts";
import { decryptDocument, decryptText } from "./decrypt.ts";
import { detectFormat, formatForPath } from "./formats.ts";
import type { KeyServices } from "./keys.ts";
import { objectFrom, treeFrom } from "./object-tree.ts";

/** A Kubernetes object as far as decryption reads it. */
export type EncryptedObject = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> };
  [field: string]: unknown;
};

/** Whether an object asks to stay encrypted (KS-092): the annotation `decrypt` says Disabled, in any case. */
export function isDecryptionDisabled({ metadata }: Pick<EncryptedObject, "metadata">): boolean {
  return metadata.annotations?.["kustomize.toolkit.fluxcd.io/decrypt"]?.toLowerCase() === "disabled";
}

/** Whether an object is a Secret that nobody decrypted: to apply it would lose what it holds (KS-091). */
export function isEncryptedSecret(object: EncryptedObject): boolean {
  return object.kind === "Secret" && object.apiVersion === "v1" && "sops" in object;
}

/**
 * Decrypts a rendered object: the whole of one that carries SOPS's metadata (KS-090), or the values of a Secret's `data` that are
 * encrypted files (KS-093). Another object, or undefined where nothing of it is encrypted, or it asks to stay so (KS-092). Throws
 * with Flux's texts, without a value of the object (KS-105).
 */
export async function decryptObject<T extends EncryptedObject>(
  object: T,
  keys: KeyServices,
  signal?: AbortSignal,
): Promise<T | undefined> {
  if (isDecryptionDisabled(object)) return undefined;
  if (hasMac(object)) return decryptWhole(object, keys, signal);
  return object.kind === "Secret" ? decryptData(object, keys, signal) : undefined;
}

function hasMac({ sops }: EncryptedObject): boolean {
  return isFields(sops) && typeof sops.mac === "string" && sops.mac !== "";
}

async function decryptWhole<T extends EncryptedObject>(
  object: T,
  keys: KeyServices,
  signal: AbortSignal | undefined,
): Promise<T> {
  try {
    return objectFrom<T>(await decryptDocument(treeFrom(object), "json", keys, signal));
  } catch (error) {
    signal?.throwIfAborted();
    throw failed(`failed to decrypt and format '${nameOf(object)}' ${object.kind} data`, error);
  }
}

async function decryptData<T extends EncryptedObject>(
  object: T,
  keys: KeyServices,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  if (!isFields(object.data)) return undefined;
  const decrypted: Record<string, string> = {};
  for (const [key, value] of Object.entries(object.data)) {
    const content = typeof value === "string" ? bytesOf(value) : undefined;
    const format = content === undefined ? undefined : detectFormat(content);
    if (content === undefined || format === undefined) continue;
    try {
      const plain = await decryptText(
        content,
        format,
        formatForPath(key),
        keys,
        signal === undefined ? {} : { signal },
      );
      decrypted[key] = Buffer.from(plain).toString("base64");
    } catch (error) {
      signal?.throwIfAborted();
      throw failed(`failed to decrypt and format '${nameOf(object)}' Secret field '${key}'`, error);
    }
  }
  if (Object.keys(decrypted).length === 0) return undefined;
  return { ...object, data: { ...object.data, ...decrypted } };
}

/** What is no base64 is the user's mistake, which applying it tells better. */
function bytesOf(value: string): Uint8Array | undefined {
  const packed = value.replace(/[\r\n]/g, "");
  if (packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(packed)) return undefined;
  return Buffer.from(packed, "base64");
}

function nameOf({ metadata }: EncryptedObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

function failed(what: string, error: unknown): Error {
  return new Error(`${what}: ${messageOf(error)}`);
}
