import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isSignedBy, parsePublicKey } from "./cosign-key.ts";

const pem = (type: "ec" | "rsa", options: object) => {
  const { publicKey } =
    type === "ec"
      ? generateKeyPairSync("ec", { namedCurve: "P-256", ...options })
      : generateKeyPairSync("rsa", { modulusLength: 2048, ...options });
  return publicKey;
};

describe("public keys of cosign", () => {
  it("VER-005: reads PKIX and PKCS #1, with text around the block", () => {
    const key = pem("rsa", {});
    const pkcs1 = key.export({ type: "pkcs1", format: "pem" }).toString();
    expect(parsePublicKey(Buffer.from(`# mine\n${pkcs1}\n`)).equals(key)).toBe(true);
    const spki = key.export({ type: "spki", format: "pem" }).toString().replaceAll("\n", "\r\n");
    expect(parsePublicKey(Buffer.from(spki)).equals(key)).toBe(true);
  });

  it("VER-005: refuses what is no public key of a known kind", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    expect(() => parsePublicKey(Buffer.from(pkcs8))).toThrow("unknown Public key PEM file type: PRIVATE KEY");
    for (const text of ["", "hello", "-----BEGIN PUBLIC KEY-----", "-".repeat(60_000)])
      expect(() => parsePublicKey(Buffer.from(text))).toThrow("PEM decoding failed");
    expect(() => parsePublicKey(Buffer.alloc(70_000))).toThrow("larger than 65536 bytes");
    expect(() => parsePublicKey(Buffer.from("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"))).toThrow(
      "cannot be parsed",
    );
    const x25519 = generateKeyPairSync("x25519").publicKey.export({ type: "spki", format: "pem" }).toString();
    expect(() => parsePublicKey(Buffer.from(x25519))).toThrow("unsupported public key: x25519");
    const bitcoin = pem("ec", { namedCurve: "secp256k1" }).export({ type: "spki", format: "pem" }).toString();
    expect(() => parsePublicKey(Buffer.from(bitcoin))).toThrow("unsupported public key: ec secp256k1");
    const short = pem("rsa", { modulusLength: 768 }).export({ type: "spki", format: "pem" }).toString();
    expect(() => parsePublicKey(Buffer.from(short))).toThrow("unsupported public key: rsa 768");
  });

  it("VER-005: what is no signature at all is none of the key's", () => {
    for (const key of [pem("ec", {}), pem("rsa", {}), generateKeyPairSync("ed25519").publicKey])
      for (const signature of [Buffer.alloc(0), Buffer.alloc(64), Buffer.alloc(100_000, 0x30)])
        expect(isSignedBy(key, Buffer.from("text"), signature)).toBe(false);
  });
});
