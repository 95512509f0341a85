import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { VerificationError } from "./verification-error.ts";

/** Curves and sizes of keys, as Go's crypto/x509 knows and crypto/rsa takes them; a larger modulus only costs time. */
const curves = new Set(["prime256v1", "secp384r1", "secp521r1"]);
const modulus = { least: 1024, most: 16_384 };
const pemPattern = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/;
const textLimit = 64 * 1024;

/**
 * Reads a public key of cosign: the first PEM block, `PUBLIC KEY` or `RSA PUBLIC KEY`, of ECDSA, RSA or Ed25519 (VER-005). Throws
 * VerificationError.
 */
export function parsePublicKey(text: Buffer): KeyObject {
  if (text.length > textLimit) throw new VerificationError(`the public key is larger than ${textLimit} bytes`);
  const [block, label] = pemPattern.exec(text.toString("latin1")) ?? [];
  if (block === undefined || label === undefined) throw new VerificationError("PEM decoding failed");
  // A private key or a certificate would be taken too, and is surely not what was meant.
  if (label !== "PUBLIC KEY" && label !== "RSA PUBLIC KEY")
    throw new VerificationError(`unknown Public key PEM file type: ${label}. Are you passing the correct public key?`);
  let key: KeyObject;
  try {
    key = createPublicKey(block);
  } catch (error) {
    throw new VerificationError("the public key cannot be parsed", { cause: error });
  }
  const { namedCurve = "", modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const kind = key.asymmetricKeyType;
  const isKnown =
    kind === "ed25519" ||
    (kind === "ec" && curves.has(namedCurve)) ||
    (kind === "rsa" && modulusLength >= modulus.least && modulusLength <= modulus.most);
  if (!isKnown)
    throw new VerificationError(`unsupported public key: ${kind} ${namedCurve || modulusLength || ""}`.trim());
  return key;
}

/** What cosign 3 signs with on the larger curves. */
const ownDigests: Readonly<Record<string, string>> = { secp384r1: "sha384", secp521r1: "sha512" };

/**
 * Whether a signature over some bytes is of this key: by SHA-256, PKCS #1 v1.5 for RSA (VER-005); on larger curves by the digest of
 * the curve's own size too. Ed25519 is the plain one: what cosign 3 makes of such a key (Ed25519ph) it does not verify itself.
 */
export function isSignedBy(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  const own = ownDigests[key.asymmetricKeyDetails?.namedCurve ?? ""];
  const digests = key.asymmetricKeyType === "ed25519" ? [null] : ["sha256", ...(own === undefined ? [] : [own])];
  return digests.some((digest) => {
    try {
      return verify(digest, bytes, key, signature);
    } catch {
      return false;
    }
  });
}
