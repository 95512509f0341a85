import type { Decrypter } from "age-encryption";
import { messageOf } from "../text/error-message.ts";
import { isSshKey, sshIdentity } from "./age-ssh.ts";
import type { AgeKey, KeyService } from "./keys.ts";

/** Imported age identities: what an `.agekey` entry holds. */
export type AgeIdentities = readonly AgeIdentity[];

/** One identity, which is added to what decrypts. */
export type AgeIdentity = Parameters<Decrypter["addIdentity"]>[0];

/** The most identities of one entry; the most characters of an entry, and of an encrypted data key. */
const identityLimit = 200;
const encLimit = 16 * 1024;
const textLimit = 1024 * 1024;

/**
 * Reads the identities of an entry (KS-096, KS-097): one a line, X25519 (`AGE-SECRET-KEY-1...`) or post-quantum
 * (`AGE-SECRET-KEY-PQ-1...`); empty lines and those that begin with `#` count for nothing. An unencrypted SSH private key (Ed25519,
 * or RSA in OpenSSH's or PEM form) makes an entry too, beyond what Flux takes. Rejects without a part of the entry in the message.
 */
export async function importAgeIdentities(text: string): Promise<AgeIdentities> {
  const wrong = (why: string) => new Error(`failed to parse and add to age identities: ${why}`);
  if (text.length > textLimit) throw wrong(`the entry is longer than ${textLimit} characters`);
  if (isSshKey(text)) {
    try {
      return [sshIdentity(text)];
    } catch (error) {
      throw wrong(messageOf(error));
    }
  }
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  const identities = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (identities.length > identityLimit) throw wrong(`there are more than ${identityLimit}`);
  if (identities.length === 0) return [];
  const { Decrypter } = await import("age-encryption");
  for (const identity of identities) {
    if (identity.startsWith("AGE-PLUGIN-")) throw wrong("plugins are not supported");
    if (!/^AGE-SECRET-KEY-(PQ-)?1/.test(identity)) throw wrong("unknown identity type");
    try {
      new Decrypter().addIdentity(identity);
    } catch {
      // The library's message has the identity in it.
      throw wrong("malformed secret key");
    }
  }
  return identities;
}

/** Decrypts with age identities; undefined where there are none. */
export function ageService(identities: AgeIdentities): KeyService<AgeKey> | undefined {
  if (identities.length === 0) return undefined;
  let opened: Decrypter | undefined;
  return async ({ enc }) => {
    const { armor, Decrypter } = await import("age-encryption");
    if (enc.length > encLimit) throw new Error(`the encrypted data key is longer than ${encLimit} characters`);
    // To read a post-quantum identity takes longer than to decrypt with it.
    const decrypter = opened ?? new Decrypter();
    if (opened === undefined) for (const identity of identities) decrypter.addIdentity(identity);
    opened = decrypter;
    try {
      return await decrypter.decrypt(armor.decode(enc));
    } catch (error) {
      throw new Error(`failed to create reader for decrypting sops data key with age: ${reasonOf(error, identities)}`);
    }
  };
}

function reasonOf(error: unknown, identities: AgeIdentities): string {
  const reason = messageOf(error);
  if (reason !== "no identity matched any of the file's recipients") return reason.slice(0, 200);
  // age's own words.
  return identities.length === 1
    ? "identity did not match any of the recipients: incorrect identity for recipient block"
    : "no identity matched any of the recipients";
}
