import { createHash } from "node:crypto";
import { messageOf } from "../text/error-message.ts";
import { parseSshPublicKey, type SshPublicKey, type SshSignatureParts } from "./ssh-public-key.ts";
import { sshReader } from "./ssh-reader.ts";

/** A signature in the format of OpenSSH's PROTOCOL.sshsig. */
type SshSignature = { publicKey: SshPublicKey; namespace: string; hash: string; parts: SshSignatureParts };

const magic = Buffer.from("SSHSIG");
/** What git signs for: a signature for anything else is none (GIT-082). */
const namespace = "git";
/** The most characters of an armored signature; one by an RSA key of 16384 bits has less than a fifth. */
const sizeLimit = 64 * 1024;

/**
 * Verifies an SSH signature by authorized keys, one after the other, and gives the fingerprint of the key that made it (GIT-073,
 * GIT-082). An entry with a line that is no key counts for nothing. Throws with Flux's words.
 */
export function verifySshSignature(signature: string, payload: Uint8Array, authorizedKeys: readonly string[]): string {
  const parsed = unarmor(signature.trim());
  let unreadable: Error | undefined;
  let isTried = false;
  const failures = ["no matching key"];
  for (const entry of authorizedKeys) {
    let keys: SshPublicKey[];
    try {
      keys = parseAuthorizedKeys(entry);
    } catch (error) {
      const why = messageOf(error);
      unreadable ??= new Error(`unable to parse authorized keys: unable to parse authorized key: ${why}`);
      continue;
    }
    isTried = true;
    for (const key of keys) {
      const failure = verifyBy(key, parsed, payload);
      if (failure === undefined) return key.fingerprint;
      if (!failures.includes(failure)) failures.push(failure);
    }
  }
  if (!isTried && unreadable !== undefined) throw unreadable;
  throw new Error(`unable to verify payload with any of the given authorized keys: ${failures.join("\n")}`);
}

/** Undefined where the key made the signature, else why not. */
function verifyBy(key: SshPublicKey, signature: SshSignature, payload: Uint8Array): string | undefined {
  if (!key.wire.equals(signature.publicKey.wire)) return "public key does not match";
  if (signature.namespace !== namespace) return "namespace does not match";
  const digest = createHash(signature.hash).update(payload).digest();
  const signed = Buffer.concat([magic, ...[namespace, "", signature.hash, digest].flatMap(field)]);
  return key.verify(signed, signature.parts) ? undefined : "ssh: signature did not verify";
}

function field(value: string | Uint8Array): [Buffer, Buffer] {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

function unarmor(armored: string): SshSignature {
  const failed = (why: string) => new Error(`unable to unarmor SSH signature: ${why}`);
  const [, base64] =
    /^-----BEGIN SSH SIGNATURE-----\s([\sA-Za-z0-9+/=]*)-----END SSH SIGNATURE-----/.exec(armored) ?? [];
  if (base64 === undefined || armored.length > sizeLimit) throw failed("invalid PEM block");
  try {
    return parseSignature(Buffer.from(base64, "base64"));
  } catch (error) {
    throw failed(messageOf(error));
  }
}

function parseSignature(bytes: Buffer): SshSignature {
  const reader = sshReader(bytes);
  const preamble = reader.bytes(magic.length);
  const version = reader.number();
  if (version !== 1) throw new Error(`unsupported signature version ${version}: expected 1`);
  if (!preamble.equals(magic)) throw new Error('invalid magic preamble: expected "SSHSIG"');
  const publicKey = parseSshPublicKey(reader.text());
  const space = reader.text().toString("utf8");
  reader.text();
  const hash = reader.text().toString("latin1");
  if (hash !== "sha256" && hash !== "sha512")
    throw new Error(`unsupported hash algorithm ${JSON.stringify(hash.slice(0, 100))}: must be "sha256" or "sha512"`);
  const inner = sshReader(reader.text());
  reader.end();
  const parts = { algorithm: inner.text().toString("latin1"), signature: inner.text(), rest: inner.rest() };
  if (publicKey.type === "ssh-rsa" && !/^rsa-sha2-(256|512)$/.test(parts.algorithm))
    throw new Error(
      `invalid signature format ${JSON.stringify(parts.algorithm.slice(0, 100))}: expected "rsa-sha2-256" or "rsa-sha2-512"`,
    );
  return { publicKey, namespace: space, hash, parts };
}

/** The keys of an authorized_keys file (sshd(8)); blank lines and comments hold none. Throws where another line holds none. */
function parseAuthorizedKeys(text: string): SshPublicKey[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(parseAuthorizedKey);
}

/** `[options] type key [comment]`: as in Go, what stands before the key is not looked at. */
function parseAuthorizedKey(line: string): SshPublicKey {
  // A quote behind a backslash neither begins nor ends a text. Each character is read in one way alone, else time had no bound.
  const withoutOptions = line.replace(/^(?:[^\s"]|(?<=\\)"|(?<!\\)"(?:[^"]|(?<=\\)")*(?<!\\)")+\s+/, "");
  for (const candidate of [line, withoutOptions]) {
    const base64 = /^\S+\s+(\S+)/.exec(candidate)?.[1] ?? "";
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) continue;
    try {
      return parseSshPublicKey(Buffer.from(base64, "base64"));
    } catch {
      // The next form is tried.
    }
  }
  throw new Error("ssh: no key found");
}
