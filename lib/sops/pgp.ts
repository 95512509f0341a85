import type { PrivateKey } from "openpgp";
import { messageOf } from "../text/error-message.ts";
import type { KeyService, PgpKey } from "./keys.ts";

/** The private keys of an `.asc` entry. */
export type PgpKeyring = readonly PrivateKey[];

/** The most bytes of an entry. */
const sizeLimit = 4 * 1024 * 1024;

/** A data key has 33 bytes at most: what unpacks to more is no message of SOPS. */
const bounds = { maxDecompressedMessageSize: 64 * 1024 };

/**
 * Reads a keyring (KS-096): one or more armored blocks, or the bytes themselves. Public keys count for nothing, and keys with a
 * passphrase cannot be used. Rejects without a part of the entry in the message.
 */
export async function importPgpKeyring(content: Uint8Array): Promise<PgpKeyring> {
  const wrong = (why: string) => new Error(`failed to import armored key data into GnuPG keyring: ${why}`);
  if (content.length > sizeLimit) throw wrong(`the entry is larger than ${sizeLimit} bytes`);
  const { readKeys } = await import("openpgp");
  const armored = Buffer.from(content).toString("latin1");
  const blocks = armored.match(/-----BEGIN PGP [A-Z ]+-----[\s\S]*?-----END PGP [A-Z ]+-----/g) ?? [];
  const keys: Awaited<ReturnType<typeof readKeys>> = [];
  try {
    if (blocks.length === 0) keys.push(...(await readKeys({ binaryKeys: content })));
    for (const armoredKeys of blocks) keys.push(...(await readKeys({ armoredKeys })));
  } catch {
    throw wrong("no valid OpenPGP data found");
  }
  if (keys.length === 0) throw wrong("no valid OpenPGP data found");
  return keys.flatMap((key) => (key.isPrivate() ? [key] : []));
}

/** Decrypts with private keys; undefined where there are none. */
export function pgpService(keyring: PgpKeyring): KeyService<PgpKey> | undefined {
  if (keyring.length === 0) return undefined;
  return async ({ enc }) => {
    const failed = (why: string) =>
      new Error(`could not decrypt data key with PGP key: failed to decrypt sops data key with pgp: ${why}`);
    const { decrypt, readMessage } = await import("openpgp");
    const usable = keyring.filter((key) => key.isDecrypted());
    if (usable.length === 0) throw failed("the private key has a passphrase");
    try {
      const message = await readMessage({ armoredMessage: enc, config: bounds });
      const { data } = await decrypt({ message, decryptionKeys: usable, format: "binary", config: bounds });
      if (data instanceof Uint8Array && data.length > 0) return data;
    } catch (error) {
      throw failed(reasonOf(error));
    }
    throw failed("zero bytes returned");
  };
}

function reasonOf(error: unknown): string {
  const reason = messageOf(error);
  // What openpgp says where none of the keys is one of the message's.
  if (/No decryption key packets found|Session key decryption failed/.test(reason)) return "No secret key";
  return (reason.split("\n")[0] ?? "").slice(0, 200);
}
