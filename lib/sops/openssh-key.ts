import { createPrivateKey, type KeyObject } from "node:crypto";
import { sshReader } from "./ssh-wire.ts";

const magic = "openssh-key-v1\0";
const malformed = "malformed SSH identity";

/**
 * Reads an unencrypted private key in OpenSSH's own format (PROTOCOL.key), Ed25519 or RSA. Throws where it is encrypted, of another
 * type, or no key, without a part of it.
 */
export function readOpenSshKey(pem: string): KeyObject {
  const [, base64 = ""] =
    /^-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]*)-----END OPENSSH PRIVATE KEY-----/.exec(pem) ?? [];
  const bytes = Buffer.from(base64, "base64");
  if (bytes.subarray(0, magic.length).toString("latin1") !== magic) throw new Error(malformed);
  const file = sshReader(bytes.subarray(magic.length));
  const cipher = file.text().toString("latin1");
  if (cipher !== "none") throw new Error("the SSH key is protected by a passphrase, which is unsupported");
  // The name and the options of what makes a key from a passphrase.
  file.text();
  file.text();
  if (file.number() !== 1) throw new Error(malformed);
  file.text();
  const key = sshReader(file.text());
  const [check, again] = [key.number(), key.number()];
  if (check !== again) throw new Error(malformed);
  const type = key.text().toString("latin1");
  try {
    if (type === "ssh-ed25519") return ed25519(key);
    if (type === "ssh-rsa") return rsa(key);
  } catch {
    throw new Error(malformed);
  }
  throw new Error("unsupported SSH identity type");
}

type Reader = ReturnType<typeof sshReader>;

function ed25519(key: Reader): KeyObject {
  const x = key.text();
  const d = key.text().subarray(0, 32);
  return createPrivateKey({
    key: { kty: "OKP", crv: "Ed25519", x: x.toString("base64url"), d: d.toString("base64url") },
    format: "jwk",
  });
}

function rsa(key: Reader): KeyObject {
  const [n, e, d, qi, p, q] = Array.from({ length: 6 }, () => BigInt(`0x${key.text().toString("hex") || "0"}`));
  if (n === undefined || e === undefined || d === undefined || qi === undefined || p === undefined || q === undefined)
    throw new Error(malformed);
  const jwk = { n, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi };
  const parts = Object.entries(jwk).map(([name, value]) => [name, base64url(value)]);
  return createPrivateKey({ key: { kty: "RSA", ...Object.fromEntries(parts) }, format: "jwk" });
}

function base64url(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex").toString("base64url");
}
