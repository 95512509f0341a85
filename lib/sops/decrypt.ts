import { messageOf } from "../text/error-message.ts";
import { decryptScalar } from "./cipher.ts";
import { recoverDataKey } from "./data-key.ts";
import { decryptTree } from "./decrypt-tree.ts";
import { formatNames } from "./formats.ts";
import { toSeconds } from "./go-time.ts";
import type { KeyServices } from "./keys.ts";
import type { Metadata } from "./metadata.ts";
import { type Store, storeOf } from "./stores/store.ts";
import { takeMetadata } from "./take-metadata.ts";
import { type Branch, type Documents, type Format, sizeLimit } from "./tree.ts";

/**
 * `checkMac` holds the file to its MAC. Flux never does, as what it decrypts may have been through kustomize; the values are
 * authenticated with their paths all the same. `signal` ends the asking for keys.
 */
export type DecryptOptions = { checkMac?: boolean; signal?: AbortSignal };

/**
 * Decrypts what SOPS encrypted as `input`, and writes it as `output` (KS-090 to KS-094): the values alone, without the metadata.
 * Throws with the texts of SOPS and Flux, which never have a value of the file in them (KS-105).
 */
export async function decryptText(
  content: Uint8Array,
  input: Format,
  output: Format,
  keys: KeyServices,
  { checkMac = false, signal }: DecryptOptions = {},
): Promise<Uint8Array> {
  const { documents, metadata } = await load(content, input);
  const plain = await decryptValues(documents, metadata, keys, checkMac, signal);
  try {
    return (await storeOf(output)).emit(plain);
  } catch (error) {
    throw failed(`failed to emit encrypted ${formatNames[input]} file as decrypted ${formatNames[output]}`, error);
  }
}

/**
 * Decrypts one document that is read already, its metadata at the key `sops`. `format` is what messages call it. Throws as
 * `decryptText` does. The MAC is not looked at.
 */
export async function decryptDocument(
  document: Branch,
  format: Format,
  keys: KeyServices,
  signal?: AbortSignal,
): Promise<Branch> {
  let taken: { documents: Documents; metadata: Metadata };
  try {
    taken = takeMetadata([document], "nested");
  } catch (error) {
    throw failed(`failed to load encrypted ${formatNames[format]} data`, error);
  }
  const [plain = { items: [] }] = await decryptValues(taken.documents, taken.metadata, keys, false, signal);
  return plain;
}

async function decryptValues(
  documents: Documents,
  metadata: Metadata,
  keys: KeyServices,
  checkMac: boolean,
  signal: AbortSignal | undefined,
): Promise<Documents> {
  const dataKey = await recoverDataKey(metadata, keys, signal).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw failed("cannot get sops data key", error);
  });
  const plain = await decryptTree(documents, dataKey, metadata).catch((error: unknown) => {
    throw failed("error decrypting sops tree", error);
  });
  if (checkMac) verifyMac(plain.mac, metadata, dataKey);
  return plain.documents;
}

async function load(content: Uint8Array, input: Format): Promise<{ documents: Documents; metadata: Metadata }> {
  try {
    if (content.length > sizeLimit) throw new Error(`${content.length} bytes are more than the limit of ${sizeLimit}`);
    const store: Store = await storeOf(input);
    return takeMetadata(store.parse(content), store.metadata);
  } catch (error) {
    throw failed(`failed to load encrypted ${formatNames[input]} data`, error);
  }
}

function verifyMac(mac: string, metadata: Metadata, dataKey: Uint8Array): void {
  let expected: string;
  try {
    const plain = decryptScalar(metadata.mac, dataKey, toSeconds(metadata.lastModified));
    expected = "value" in plain && typeof plain.value === "string" ? plain.value : "";
  } catch (error) {
    throw failed("failed to verify sops data integrity", error);
  }
  if (expected !== mac)
    throw new Error(`failed to verify sops data integrity: expected mac '${expected || "no MAC"}', got '${mac}'`);
}

function failed(what: string, error: unknown): Error {
  return new Error(`${what}: ${messageOf(error)}`);
}
