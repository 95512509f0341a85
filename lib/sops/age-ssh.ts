import {
  constants,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  privateDecrypt,
} from "node:crypto";
import type { Identity, Stanza } from "age-encryption";
import { readOpenSshKey } from "./openssh-key.ts";
import { sshWire } from "./ssh-wire.ts";

const ed25519Label = "age-encryption.org/v1/ssh-ed25519";
const rsaLabel = "age-encryption.org/v1/ssh-rsa";

/** Whether a text is a private key in PEM, as SSH keeps it. */
export function isSshKey(text: string): boolean {
  return /^\s*-----BEGIN (OPENSSH |RSA )?PRIVATE KEY-----/.test(text);
}

/**
 * An SSH key as an age identity, as age's agessh has it: Ed25519 by way of X25519, RSA by OAEP. Throws where it is encrypted, of
 * another type, or no key, without a part of it.
 */
export function sshIdentity(text: string): Identity {
  const key = readKey(text.trim());
  if (key.asymmetricKeyType === "ed25519") return ed25519Identity(key);
  if (key.asymmetricKeyType === "rsa") return rsaIdentity(key);
  throw new Error("unsupported SSH identity type");
}

function readKey(text: string): KeyObject {
  if (text.startsWith("-----BEGIN OPENSSH PRIVATE KEY-----")) return readOpenSshKey(text);
  try {
    return createPrivateKey(text);
  } catch {
    throw new Error("malformed SSH identity");
  }
}

function rsaIdentity(key: KeyObject): Identity {
  const { n = "", e = "" } = createPublicKey(key).export({ format: "jwk" });
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < 2048) throw new Error("RSA key size is too small");
  const publicKey = sshWire("ssh-rsa", integerOf(e), integerOf(n));
  const mark = fingerprintOf(publicKey);
  return {
    unwrapFileKey: (stanzas) => {
      const stanza = stanzas.find(({ args }) => args[0] === "ssh-rsa" && args.length === 2 && args[1] === mark);
      if (stanza === undefined) return null;
      try {
        const padding = constants.RSA_PKCS1_OAEP_PADDING;
        return privateDecrypt({ key, padding, oaepHash: "sha256", oaepLabel: Buffer.from(rsaLabel) }, stanza.body);
      } catch {
        throw new Error("failed to decrypt file key");
      }
    },
  };
}

function ed25519Identity(key: KeyObject): Identity {
  const { d = "", x = "" } = key.export({ format: "jwk" });
  const publicKey = sshWire("ssh-ed25519", Buffer.from(x, "base64url"));
  const mark = fingerprintOf(publicKey);
  const seed = createHash("sha512").update(Buffer.from(d, "base64url")).digest().subarray(0, 32);
  const secret = x25519Secret(seed);
  const ourPublic = rawPublic(secret);
  const tweak = Buffer.from(hkdfSync("sha256", Buffer.alloc(0), publicKey, ed25519Label, 32));
  return {
    unwrapFileKey: (stanzas) => {
      const stanza = stanzas.find(({ args }) => args[0] === "ssh-ed25519" && args[1] === mark);
      return stanza === undefined ? null : unwrap(stanza, secret, ourPublic, tweak);
    },
  };
}

function unwrap({ args, body }: Stanza, secret: KeyObject, ourPublic: Buffer, tweak: Buffer): Uint8Array {
  const theirs = Buffer.from(args[2] ?? "", "base64");
  if (args.length !== 3 || theirs.length !== 32 || body.length !== 32)
    throw new Error("invalid ssh-ed25519 recipient block");
  const shared = agree(x25519Secret(tweak), agree(secret, theirs));
  const wrapping = Buffer.from(hkdfSync("sha256", shared, Buffer.concat([theirs, ourPublic]), ed25519Label, 32));
  const decipher = createDecipheriv("chacha20-poly1305", wrapping, Buffer.alloc(12), { authTagLength: 16 });
  decipher.setAuthTag(body.subarray(16));
  try {
    return Buffer.concat([decipher.update(body.subarray(0, 16)), decipher.final()]);
  } catch {
    throw new Error("failed to decrypt file key");
  }
}

/** X25519 of a secret and the bytes of a public key. */
function agree(privateKey: KeyObject, publicBytes: Uint8Array): Buffer {
  const x = Buffer.from(publicBytes).toString("base64url");
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
  return diffieHellman({ privateKey, publicKey });
}

/** An X25519 private key of 32 bytes, in PKCS #8. */
function x25519Secret(bytes: Uint8Array): KeyObject {
  const key = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), bytes]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function rawPublic(secret: KeyObject): Buffer {
  return Buffer.from(createPublicKey(secret).export({ format: "jwk" }).x ?? "", "base64url");
}

function integerOf(base64url: string): Buffer {
  const bytes = Buffer.from(base64url, "base64url");
  // A number whose first bit is set would be negative.
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
}

/** The first four bytes of the public key's SHA-256, in base64 without padding. */
function fingerprintOf(publicKey: Uint8Array): string {
  return createHash("sha256").update(publicKey).digest().subarray(0, 4).toString("base64").replace(/=+$/, "");
}
