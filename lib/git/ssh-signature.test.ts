import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { verifySshSignature } from "./ssh-signature.ts";

const payload = Buffer.from("tree\n");

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
const fields = (...values: (string | Buffer)[]) => Buffer.concat(values.map(field));
const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest();

/** A positive integer as SSH writes it. */
function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const short = bytes.subarray(Math.max(first, 0));
  return (short[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), short]) : short;
}

type Made = { wire: Buffer; line: string; armored: string };
type Change = {
  flags?: number;
  signedFlags?: number;
  namespace?: string;
  version?: number;
  hash?: string;
  rest?: Buffer;
};

/** A signature as OpenSSH makes it with a security key (PROTOCOL.u2f, PROTOCOL.sshsig), by a key that is none. */
function bySecurityKey(type: "ed25519" | "ecdsa", change: Change = {}): Made {
  const application = "ssh:";
  const { key, wire, name } = type === "ed25519" ? ed25519(application) : ecdsa(application);
  const { namespace = "git", flags = 1, signedFlags = flags, version = 1 } = change;
  const algorithm = change.hash ?? "sha512";
  const digest = createHash("sha512").update(payload).digest();
  const data = Buffer.concat([Buffer.from("SSHSIG"), fields(namespace, "", algorithm, digest)]);
  const counter = Buffer.of(0, 0, 0, 7);
  const message = Buffer.concat([hash(Buffer.from(application)), Buffer.of(signedFlags), counter, hash(data)]);
  const raw = sign(type === "ed25519" ? undefined : "sha256", message, { key, dsaEncoding: "ieee-p1363" });
  const blob = type === "ed25519" ? raw : fields(integer(raw.subarray(0, 32)), integer(raw.subarray(32)));
  const rest = change.rest ?? Buffer.concat([Buffer.of(flags), counter]);
  const inner = Buffer.concat([fields(name, blob), rest]);
  const head = Buffer.concat([Buffer.from("SSHSIG"), Buffer.of(0, 0, 0, version)]);
  const base64 = Buffer.concat([head, fields(wire, namespace, "", algorithm, inner)]).toString("base64");
  const armored = `-----BEGIN SSH SIGNATURE-----\n${base64}\n-----END SSH SIGNATURE-----\n`;
  return { wire, line: `${name} ${wire.toString("base64")} a comment`, armored };
}

function ed25519(application: string): { key: KeyObject; wire: Buffer; name: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const name = "sk-ssh-ed25519@openssh.com";
  const x = Buffer.from(String(publicKey.export({ format: "jwk" }).x), "base64url");
  return { key: privateKey, wire: fields(name, x, application), name };
}

function ecdsa(application: string): { key: KeyObject; wire: Buffer; name: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = "sk-ecdsa-sha2-nistp256@openssh.com";
  const { x, y } = publicKey.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.of(4), ...[x, y].map((part) => Buffer.from(String(part), "base64url"))]);
  return { key: privateKey, wire: fields(name, "nistp256", point, application), name };
}

const noMatch = "unable to verify payload with any of the given authorized keys: no matching key";

describe("SSH signatures", () => {
  it.each(["ed25519", "ecdsa"] as const)("GIT-082: by a security key, %s", (type) => {
    const { wire, line, armored } = bySecurityKey(type);
    const fingerprint = `SHA256:${hash(wire).toString("base64").replace(/=+$/, "")}`;
    expect(verifySshSignature(armored, payload, [line])).toBe(fingerprint);
    const failed = `${noMatch}\nssh: signature did not verify`;
    expect(() => verifySshSignature(armored, Buffer.from("other"), [line])).toThrow(failed);
    // What the key says of itself is signed as well.
    const forged = bySecurityKey(type, { flags: 5, signedFlags: 1 });
    expect(() => verifySshSignature(forged.armored, payload, [forged.line])).toThrow(failed);
    const without = bySecurityKey(type, { rest: Buffer.alloc(0) });
    expect(() => verifySshSignature(without.armored, payload, [without.line])).toThrow(failed);
  });

  it.each<[string, Change, string]>([
    ["purpose", { namespace: "file" }, `${noMatch}\nnamespace does not match`],
    ["version", { version: 2 }, "unable to unarmor SSH signature: unsupported signature version 2: expected 1"],
    [
      "hash",
      { hash: "sha1" },
      'unable to unarmor SSH signature: unsupported hash algorithm "sha1": must be "sha256" or "sha512"',
    ],
    ["hash", { hash: "sha256" }, `${noMatch}\nssh: signature did not verify`],
  ])("GIT-082: of another %s", (_what, change, words) => {
    const { line, armored } = bySecurityKey("ed25519", change);
    expect(() => verifySshSignature(armored, payload, [line])).toThrow(new Error(words));
  });

  it("GIT-082: options before a key are skipped, and quotes without an end take no time", () => {
    const { line, armored } = bySecurityKey("ed25519");
    for (const options of ['command="a \\"b\\" c",no-pty', 'from="x\\"y"', 'a\\"b'])
      expect(verifySshSignature(armored, payload, [`${options} ${line}`])).toMatch(/^SHA256:/);
    const started = performance.now();
    expect(() => verifySshSignature(armored, payload, [`"${'\\"'.repeat(2000)}x`])).toThrow("ssh: no key found");
    expect(performance.now() - started).toBeLessThan(200);
  });

  it("GIT-082: no signature at all, whatever is cut off or put in", () => {
    const { line, armored } = bySecurityKey("ed25519");
    const bytes = Buffer.from(armored.split("\n")[1] ?? "", "base64");
    const armor = (content: Buffer) =>
      `-----BEGIN SSH SIGNATURE-----\n${content.toString("base64")}\n-----END SSH SIGNATURE-----`;
    for (let length = 0; length < bytes.length; length++)
      expect(() => verifySshSignature(armor(bytes.subarray(0, length)), payload, [line])).toThrow(/^unable to /);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      expect(() => verifySshSignature(armor(changed), payload, [line])).toThrow(/^unable to /);
    }
    expect(() => verifySshSignature(armor(Buffer.concat([bytes, Buffer.of(0)])), payload, [line])).toThrow(
      "unable to unarmor SSH signature: ssh: trailing junk",
    );
    expect(() => verifySshSignature("-----BEGIN SSH SIGNATURE-----\n!", payload, [line])).toThrow(
      "unable to unarmor SSH signature: invalid PEM block",
    );
  });
});
