import { decryptText } from "./decrypt.ts";
import { decryptObject, type EncryptedObject } from "./decrypt-object.ts";
import { isEncrypted } from "./formats.ts";
import type { KeyServices } from "./keys.ts";
import type { Format } from "./tree.ts";

/** All that decrypts with one set of keys. It holds private keys, and must not outlive the pass. */
export type SopsDecryptor = {
  /** Whether a file carries the mark of an encrypted one in this format (KS-093). */
  isEncrypted(content: Uint8Array, format: Format): boolean;
  /** Decrypts a file into another format (KS-094). */
  decryptFile(content: Uint8Array, input: Format, output: Format): Promise<Uint8Array>;
  /** Decrypts what of a rendered object is encrypted; undefined where nothing of it is (KS-090, KS-092, KS-093). */
  decryptObject<T extends EncryptedObject>(object: T): Promise<T | undefined>;
};

/** Decrypts with keys that were imported. `signal` ends the asking of other services. */
export function sopsDecryptor(keys: KeyServices, signal?: AbortSignal): SopsDecryptor {
  const options = signal === undefined ? {} : { signal };
  return {
    isEncrypted,
    decryptFile: (content, input, output) => decryptText(content, input, output, keys, options),
    decryptObject: (object) => decryptObject(object, keys, signal),
  };
}
