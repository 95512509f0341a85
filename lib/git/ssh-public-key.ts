import { createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from "node:crypto";
import { type SshReader, sshReader } from "./ssh-reader.ts";

/** A signature as SSH writes it (RFC 4253, 6.6): its algorithm, its bytes, and what a security key says beside it. */
export type SshSignatureParts = { algorithm: string; signature: Buffer; rest: Buffer };

/** A public key of SSH: its bytes on the wire name it. */
export type SshPublicKey = {
  type: string;
  wire: Buffer;
  /** `SHA256:` and the hash of the key in Base64, as ssh-keygen shows it. */
  fingerprint: string;
  verify(data: Uint8Array, parts: SshSignatureParts): boolean;
};

type Verifier = SshPublicKey["verify"];

const curves = new Map([
  ["nistp256", { crv: "P-256", size: 32, hash: "sha256" }],
  ["nistp384", { crv: "P-384", size: 48, hash: "sha384" }],
  ["nistp521", { crv: "P-521", size: 66, hash: "sha512" }],
]);

/**
 * Reads a public key of the types that git signs with: RSA, ECDSA, Ed25519 and both kinds of security keys (GIT-082). DSA keys and
 * certificates are read, and verify nothing. Throws a sentence where it is no key.
 */
export function parseSshPublicKey(wire: Buffer): SshPublicKey {
  const reader = sshReader(wire);
  const type = reader.text().toString("latin1");
  const verifier = verifierOf(type, reader);
  const fingerprint = `SHA256:${createHash("sha256").update(wire).digest("base64").replace(/=+$/, "")}`;
  return { type, wire, fingerprint, verify: (data, parts) => quietly(() => verifier(data, parts)) };
}

/** What cannot be read is no signature. */
function quietly(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}

function verifierOf(type: string, reader: SshReader): Verifier {
  if (type === "ssh-rsa") return rsa(reader);
  if (type === "ssh-ed25519") return ed25519(reader);
  if (type === "sk-ssh-ed25519@openssh.com") return securityEd25519(reader);
  if (type === "sk-ecdsa-sha2-nistp256@openssh.com") return securityEcdsa(reader, type);
  if (/^ecdsa-sha2-nistp(256|384|521)$/.test(type)) return ecdsa(reader, type);
  if (type === "ssh-dss" || type.endsWith("-cert-v01@openssh.com")) return () => false;
  throw new Error("ssh: unknown key algorithm");
}

function rsa(reader: SshReader): Verifier {
  const [e, n] = [reader.text(), reader.text()];
  reader.end();
  const key = publicKey({ kty: "RSA", n: unsigned(n), e: unsigned(e) });
  // Signatures with SHA-1 are none (PROTOCOL.sshsig).
  const hashes = new Map([
    ["rsa-sha2-256", "sha256"],
    ["rsa-sha2-512", "sha512"],
  ]);
  return (data, { algorithm, signature }) => {
    const hash = hashes.get(algorithm);
    return hash !== undefined && verify(hash, data, key, signature);
  };
}

function ed25519Key(reader: SshReader): KeyObject {
  const x = reader.text();
  if (x.length !== 32) throw new Error("ssh: invalid size of an Ed25519 public key");
  return publicKey({ kty: "OKP", crv: "Ed25519", x: x.toString("base64url") });
}

function ed25519(reader: SshReader): Verifier {
  const key = ed25519Key(reader);
  reader.end();
  return (data, { algorithm, signature }) => algorithm === "ssh-ed25519" && verify(undefined, data, key, signature);
}

function ecdsaKey(reader: SshReader): { key: KeyObject; size: number; hash: string } {
  const curve = curves.get(reader.text().toString("latin1"));
  const point = reader.text();
  if (curve === undefined || point[0] !== 4 || point.length !== 1 + 2 * curve.size)
    throw new Error("ssh: invalid curve point");
  const x = point.toString("base64url", 1, 1 + curve.size);
  const y = point.toString("base64url", 1 + curve.size);
  return { key: publicKey({ kty: "EC", crv: curve.crv, x, y }), size: curve.size, hash: curve.hash };
}

function ecdsa(reader: SshReader, type: string): Verifier {
  const curve = ecdsaKey(reader);
  reader.end();
  return (data, { algorithm, signature }) => algorithm === type && verifyEcdsa(data, signature, curve);
}

function verifyEcdsa(
  data: Uint8Array,
  signature: Buffer,
  curve: { key: KeyObject; size: number; hash: string },
): boolean {
  const reader = sshReader(signature);
  const parts = [reader.text(), reader.text()].map((part) => padded(part, curve.size));
  reader.end();
  return verify(curve.hash, data, { key: curve.key, dsaEncoding: "ieee-p1363" }, Buffer.concat(parts));
}

function securityEd25519(reader: SshReader): Verifier {
  const key = ed25519Key(reader);
  const application = reader.text();
  reader.end();
  return (data, { algorithm, signature, rest }) =>
    algorithm === "sk-ssh-ed25519@openssh.com" &&
    verify(undefined, bySecurityKey(application, rest, data), key, signature);
}

function securityEcdsa(reader: SshReader, type: string): Verifier {
  const curve = ecdsaKey(reader);
  const application = reader.text();
  reader.end();
  return (data, { algorithm, signature, rest }) =>
    algorithm === type && verifyEcdsa(bySecurityKey(application, rest, data), signature, curve);
}

/** What a security key signs (PROTOCOL.u2f): hashes of both, its flags and its counter between them. */
function bySecurityKey(application: Buffer, rest: Buffer, data: Uint8Array): Buffer {
  if (rest.length !== 5) throw new Error("ssh: a security key says flags and a counter");
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
  return Buffer.concat([hash(application), rest, hash(data)]);
}

function publicKey(key: JsonWebKey): KeyObject {
  return createPublicKey({ key, format: "jwk" });
}

/** A positive integer of SSH without the byte that keeps it positive. */
function unsigned(integer: Buffer): string {
  return trimmed(integer).toString("base64url");
}

function padded(integer: Buffer, size: number): Buffer {
  const bytes = trimmed(integer);
  if (bytes.length > size) throw new Error("ssh: an integer is too long");
  return Buffer.concat([Buffer.alloc(size - bytes.length), bytes]);
}

function trimmed(integer: Buffer): Buffer {
  const first = integer.findIndex((byte) => byte !== 0);
  return first < 0 ? Buffer.alloc(0) : integer.subarray(first);
}
