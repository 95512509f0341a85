import { messageOf } from "../text/error-message.ts";
import { verifyPgpSignature } from "./pgp-signature.ts";
import { signatureType } from "./signature-type.ts";
import type { SignedObject } from "./signed-object.ts";
import { verifySshSignature } from "./ssh-signature.ts";

/** Public keys that are trusted: armored key rings of OpenPGP, and entries in the format of authorized_keys. */
export type TrustedKeys = { keyRings: readonly string[]; authorizedKeys: readonly string[] };

/**
 * Verifies the signature of a commit or a tag (GIT-080) and gives the name of the key that made it: 16 hexadecimal digits of the
 * primary key's id, or `SHA256:` and the key's fingerprint. Rejects with Flux's words.
 */
export async function verifySignature(
  what: "commit" | "tag",
  { signature, payload }: SignedObject,
  { keyRings, authorizedKeys }: TrustedKeys,
  now: Date,
): Promise<string> {
  const type = signatureType(signature);
  if (type === "openpgp") {
    if (keyRings.length === 0)
      throw new Error("PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)");
    return named(`unable to verify Git ${what}`, () => verifyPgpSignature(signature, payload, keyRings, now));
  }
  if (type === "ssh") {
    if (authorizedKeys.length === 0)
      throw new Error("SSH signature detected but no SSH public keys found in secret (keys with .sshpub suffix)");
    return named(`unable to verify Git ${what} SSH signature`, async () =>
      verifySshSignature(signature, payload, authorizedKeys),
    );
  }
  throw new Error(`unsupported signature type: ${type}`);
}

async function named(words: string, verify: () => Promise<string>): Promise<string> {
  try {
    return await verify();
  } catch (error) {
    throw new Error(`${words}: ${messageOf(error)}`, { cause: error });
  }
}
