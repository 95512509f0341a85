import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { checkIdentity, parseIdentity } from "./ssh-identity.ts";

describe("SSH keys", () => {
  const field = (content: string | Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.length);
    return Buffer.concat([length, Buffer.from(content)]);
  };
  const encrypted = (rounds: number): string => {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(rounds);
    const options = field(Buffer.concat([field("salt"), count]));
    const head = [Buffer.from("openssh-key-v1\0"), field("aes256-ctr"), field("bcrypt"), options];
    const bytes = Buffer.concat([...head, Buffer.of(0, 0, 0, 1), field("x"), field("y")]);
    return `-----BEGIN OPENSSH PRIVATE KEY-----\n${bytes.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`;
  };

  it("GIT-058: a key derivation of too many rounds is refused before it begins", async () => {
    const started = performance.now();
    expect(() => checkIdentity(encrypted(2 ** 31), "x")).toThrow(/more than 512 rounds/);
    await expect(parseIdentity(encrypted(2 ** 31), "x")).rejects.toThrow(/more than 512 rounds/);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(() => checkIdentity(encrypted(16), "")).toThrow(expect.objectContaining({ code: "key-encrypted" }));
    await expect(parseIdentity(encrypted(1), "x")).rejects.toThrow("x509: decryption password incorrect");
  });

  it("GIT-056: kinds of keys that are none of SSH, and keys that are cut off", async () => {
    const { privateKey } = generateKeyPairSync("x25519");
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await expect(parseIdentity(pem, undefined)).rejects.toThrow('unsupported key type "x25519"');
    const certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    expect(() => checkIdentity(certificate, undefined)).toThrow('ssh: unsupported key type "CERTIFICATE"');
    for (const label of ["OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "PRIVATE KEY"]) {
      const text = `-----BEGIN ${label}-----\nAAAAAAAAAAAAAAAA\n-----END ${label}-----`;
      await expect(parseIdentity(text, undefined)).rejects.toThrow("ssh: the private key cannot be read");
    }
  });
});
