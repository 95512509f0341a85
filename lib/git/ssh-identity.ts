import { createPrivateKey, type KeyObject } from "node:crypto";
import type { ParsedKey } from "ssh2";
import { GitError } from "./git-error.ts";

/** Characters of the longest key file. An RSA key of 16384 bits has 12 500. */
const sizeLimit = 16_384;
/** Most rounds that the key derivation of an encrypted key may take; ssh-keygen makes 16 or 24 unless told otherwise. */
const roundLimit = 512;
const keyTypes = new Set([
  "ssh-rsa",
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
]);

type Block = { label: string; headers: string; data: Buffer; pem: string };

/**
 * Looks whether a private key can be used with the password, without the costs of decrypting it. Throws GitError `key-encrypted`
 * where it needs a password and there is none (GIT-058), `invalid-key` where it is no private key.
 */
export function checkIdentity(identity: string, password: string | undefined): void {
  const block = readBlock(identity);
  if (isEncrypted(block) && (password ?? "") === "") {
    throw new GitError("key-encrypted", "ssh: this private key is passphrase protected");
  }
}

/**
 * Reads a private key: RSA, ECDSA or Ed25519, in OpenSSH's form, PEM (PKCS #1, SEC 1) or unencrypted PKCS #8, as Go's ssh does
 * (GIT-056, GIT-058). Throws as `checkIdentity`, and GitError `invalid-key` where the password is wrong.
 */
export async function parseIdentity(identity: string, password: string | undefined): Promise<ParsedKey> {
  checkIdentity(identity, password);
  const block = readBlock(identity);
  const { utils } = (await import("ssh2")).default;
  const parsed = utils.parseKey(block.label === "PRIVATE KEY" ? plainPem(block.pem) : block.pem, password);
  const key: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key instanceof Error || !isPrivateKey(key)) {
    // The parser's own words may be of what the key holds.
    if (isEncrypted(block)) throw invalid("x509: decryption password incorrect");
    throw invalid("ssh: the private key cannot be read");
  }
  if (!keyTypes.has(key.type)) throw invalid(`ssh: unsupported key type ${JSON.stringify(key.type)}`);
  return key;
}

function isPrivateKey(key: unknown): key is ParsedKey {
  return typeof key === "object" && key !== null && "isPrivateKey" in key && (key as ParsedKey).isPrivateKey();
}

function readBlock(text: string): Block {
  if (text.length > sizeLimit) throw invalid(`ssh: the private key is longer than ${sizeLimit} characters`);
  const found = /-----BEGIN ([A-Z ]+)-----\r?\n([\s\S]*?)\r?\n?-----END \1-----/.exec(text);
  const [, label = "", body = ""] = found ?? [];
  if (found === null) throw invalid("ssh: no key found");
  if (!/^(OPENSSH |RSA |EC |)PRIVATE KEY$/.test(label)) {
    throw invalid(`ssh: unsupported key type ${JSON.stringify(label.slice(0, 40))}`);
  }
  const lines = body.split(/\r?\n/).map((line) => line.trim());
  const headers = lines.filter((line) => line.includes(":"));
  const data = lines.filter((line) => line !== "" && !line.includes(":"));
  const head = headers.length === 0 ? [] : [...headers, ""];
  const pem = [`-----BEGIN ${label}-----`, ...head, ...data, `-----END ${label}-----`].join("\n");
  return { label, headers: headers.join("\n"), data: Buffer.from(data.join(""), "base64"), pem };
}

/** In OpenSSH's form the cipher, the key derivation and its options stand at the beginning (PROTOCOL.key). */
function isEncrypted({ label, headers, data }: Block): boolean {
  if (label !== "OPENSSH PRIVATE KEY") return /ENCRYPTED/.test(headers);
  let at = Buffer.byteLength("openssh-key-v1\0");
  const next = (): Buffer => {
    const length = at + 4 <= data.length ? data.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > data.length) throw invalid("ssh: the private key cannot be read");
    at += 4 + length;
    return data.subarray(at - length, at);
  };
  const cipher = next().toString("latin1");
  next();
  const options = next();
  if (cipher === "none") return false;
  const rounds = options.length < 8 ? 0 : options.readUInt32BE(options.length - 4);
  if (rounds <= roundLimit) return true;
  throw invalid(`ssh: the private key is encrypted with more than ${roundLimit} rounds of key derivation`);
}

/** PKCS #8 as a form that ssh2 reads: each kind of key has one of its own. */
function plainPem(pem: string): string {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
    if (key.asymmetricKeyType === "rsa") return key.export({ type: "pkcs1", format: "pem" }).toString().trim();
    if (key.asymmetricKeyType === "ec") return key.export({ type: "sec1", format: "pem" }).toString().trim();
  } catch {
    throw invalid("ssh: the private key cannot be read");
  }
  const { d, x } = key.asymmetricKeyType === "ed25519" ? key.export({ format: "jwk" }) : {};
  if (d === undefined || x === undefined) throw invalid(`ssh: unsupported key type "${key.asymmetricKeyType}"`);
  return openSshPem(Buffer.from(d, "base64url"), Buffer.from(x, "base64url"));
}

/** An Ed25519 key in OpenSSH's form (PROTOCOL.key), unencrypted. */
function openSshPem(seed: Buffer, publicKey: Buffer): string {
  const text = (content: string | Buffer): Buffer => {
    const bytes = Buffer.from(content);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const open = Buffer.concat([text("ssh-ed25519"), text(publicKey)]);
  const secret = Buffer.concat([Buffer.alloc(8), open, text(Buffer.concat([seed, publicKey])), text("")]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const one = Buffer.of(0, 0, 0, 1);
  const head = Buffer.concat([Buffer.from("openssh-key-v1\0"), text("none"), text("none"), text(""), one]);
  const all = Buffer.concat([head, text(open), text(Buffer.concat([secret, padding]))]).toString("base64");
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${all}\n-----END OPENSSH PRIVATE KEY-----`;
}

function invalid(words: string): GitError {
  return new GitError("invalid-key", words);
}
