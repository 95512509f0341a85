import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMessage, generateKey, readSignature, sign } from "openpgp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isInstalled, openSigningRepository, type SigningRepository } from "../../test/bed/git/signers.ts";
import { signatureType } from "./signature-type.ts";
import { verifySignature } from "./signature-verification.ts";
import { signedCommit, signedTag } from "./signed-object.ts";

let repository: SigningRepository;
/** After all that is signed here: a signature from the future is none. */
const now = new Date(Date.now() + 600_000);
const none = { keyRings: [], authorizedKeys: [] };
const noPgpMatch =
  "unable to verify Git commit: unable to verify payload with any of the given key rings: no matching key";
const noSshMatch =
  "unable to verify Git commit SSH signature: unable to verify payload with any of the given authorized keys: no matching key";

beforeAll(async () => {
  repository = await openSigningRepository();
});
afterAll(() => repository?.close());

async function commitBy(options: readonly string[], message: string | Buffer = "Subject\n"): Promise<Buffer> {
  await writeFile(join(repository.directory, ".message"), message);
  const keep = ["--allow-empty", "--quiet", "--cleanup=verbatim", "-F", ".message"];
  await repository.git([...options, "commit", "-S", ...keep]);
  return repository.object("commit", "HEAD");
}

const bySsh = (path: string) => ["-c", "gpg.format=ssh", "-c", `user.signingKey=${path}`];
const byPgp = (id: string) => ["-c", `user.signingKey=${id}`];

/** The same commit with other content: what is signed must not verify then. */
const tampered = (content: Buffer) => Buffer.concat([content, Buffer.from("x")]);

async function verifyCommit(content: Buffer, keys: { keyRings?: string[]; authorizedKeys?: string[] }, at = now) {
  return verifySignature("commit", signedCommit(content), { ...none, ...keys }, at);
}

describe.runIf(isInstalled("ssh-keygen"))("SSH signatures by git and ssh-keygen", () => {
  it.each([
    ["ed25519", undefined],
    ["ecdsa", 256],
    ["ecdsa", 384],
    ["ecdsa", 521],
    ["rsa", 2048],
  ])("GIT-073, GIT-082: %s %s", async (type, bits) => {
    const key = await repository.sshKey(`${type}-${bits}`, type, bits);
    const other = await repository.sshKey(`${type}-${bits}-other`, "ed25519");
    const content = await commitBy(bySsh(key.path));
    const shown = (await repository.run("ssh-keygen", ["-l", "-f", `${key.path}.pub`])).toString("utf8");
    const keys = [other.line, `# comment\n\n${other.line}\nno-pty,command="a b" ${key.line}`];
    expect(await verifyCommit(content, { authorizedKeys: keys })).toBe(shown.split(" ")[1]);
    await expect(verifyCommit(tampered(content), { authorizedKeys: [key.line] })).rejects.toThrow(
      `${noSshMatch}\nssh: signature did not verify`,
    );
    await expect(verifyCommit(content, { authorizedKeys: [other.line, other.line] })).rejects.toThrow(
      new Error(`${noSshMatch}\npublic key does not match`),
    );
  });

  it("GIT-082: a signature for another purpose is none, and both hashes are known", async () => {
    const key = await repository.sshKey("purpose", "ed25519");
    const payload = Buffer.from("tree\n");
    const signed = async (namespace: string, hash: string) => {
      const options = ["-Y", "sign", "-n", namespace, "-O", `hashalg=${hash}`, "-f", key.path];
      return (await repository.run("ssh-keygen", options, payload)).toString("latin1");
    };
    const keys = { ...none, authorizedKeys: [key.line] };
    for (const hash of ["sha256", "sha512"]) {
      const signature = await signed("git", hash);
      expect(await verifySignature("commit", { payload, signature }, keys, now)).toMatch(/^SHA256:/);
    }
    const signature = await signed("file", "sha512");
    await expect(verifySignature("commit", { payload, signature }, keys, now)).rejects.toThrow(
      `${noSshMatch}\nnamespace does not match`,
    );
  });

  it("GIT-082: a line that is no key takes its whole entry with it", async () => {
    const key = await repository.sshKey("malformed", "ed25519");
    const content = await commitBy(bySsh(key.path));
    const entry = `${key.line}ssh-ed25519 AAAA`;
    await expect(verifyCommit(content, { authorizedKeys: [entry] })).rejects.toThrow(
      "unable to verify Git commit SSH signature: unable to parse authorized keys: unable to parse authorized key: ssh: no key found",
    );
    expect(await verifyCommit(content, { authorizedKeys: [entry, key.line] })).toMatch(/^SHA256:/);
  });

  it("GE-005: odd headers and bytes are verified as they are", async () => {
    const key = await repository.sshKey("odd", "ed25519");
    const options = bySsh(key.path);
    const latin = await commitBy(
      ["-c", "i18n.commitEncoding=ISO-8859-1", ...options],
      Buffer.from("Gr\xfc\xdfe\r\n\r\nb\r\n\n\n", "latin1"),
    );
    expect(latin.includes("\nencoding ISO-8859-1\n")).toBe(true);
    expect(await verifyCommit(latin, { authorizedKeys: [key.line] })).toMatch(/^SHA256:/);
    const notUtf8 = await commitBy(options, Buffer.from([0x53, 0xff, 0xfe, 0x0d, 0x0a, 0xe2, 0x82]));
    expect(await verifyCommit(notUtf8, { authorizedKeys: [key.line] })).toMatch(/^SHA256:/);

    await repository.git(["checkout", "--quiet", "-b", "side"]);
    await commitBy(options, "-----BEGIN SSH SIGNATURE-----\nin a message\n");
    await repository.git([...options, "tag", "-s", "-m", "A tag", "merged"]);
    await repository.git(["checkout", "--quiet", "main"]);
    await repository.git([...options, "merge", "--quiet", "--no-ff", "-S", "-m", "Merge", "merged"]);
    const merge = await repository.object("commit", "HEAD");
    expect(merge.includes("\nmergetag object ")).toBe(true);
    expect(await verifyCommit(merge, { authorizedKeys: [key.line] })).toMatch(/^SHA256:/);
  });

  it("GE-004, GIT-073: tags, also tags of tags", async () => {
    const key = await repository.sshKey("tags", "ecdsa", 256);
    await commitBy(bySsh(key.path));
    await repository.git([...bySsh(key.path), "tag", "-s", "-m", "Inner", "inner"]);
    await repository.git([...bySsh(key.path), "tag", "-s", "-m", "Outer", "outer", "inner"]);
    const outer = signedTag(await repository.object("tag", "outer"));
    const inner = (await repository.git(["rev-parse", "refs/tags/inner"])).toString("utf8").trim();
    expect(outer).toMatchObject({ name: "outer", targetType: "tag", target: inner });
    const keys = { ...none, authorizedKeys: [key.line] };
    expect(await verifySignature("tag", outer, keys, now)).toMatch(/^SHA256:/);
    await repository.git(["tag", "-a", "-m", "Unsigned", "unsigned"]);
    expect(signedTag(await repository.object("tag", "unsigned"))).toMatchObject({
      signature: "",
      targetType: "commit",
    });
    const broken = { ...outer, payload: tampered(outer.payload) };
    await expect(verifySignature("tag", broken, keys, now)).rejects.toThrow("unable to verify Git tag SSH signature: ");
  });
});

describe.runIf(isInstalled("gpg"))("OpenPGP signatures by git and GnuPG", () => {
  it.each(["ed25519", "rsa2048", "nistp256", "dsa2048"])("GIT-073, GIT-081: %s", async (algorithm) => {
    const key = await repository.pgpKey(`by-${algorithm}`, algorithm);
    const other = await repository.pgpKey(`not-${algorithm}`);
    const content = await commitBy(byPgp(key.id));
    expect(await verifyCommit(content, { keyRings: ["no ring", other.ring, key.ring] })).toBe(key.id);
    await expect(verifyCommit(content, { keyRings: ["no ring", other.ring] })).rejects.toThrow(noPgpMatch);
    await expect(verifyCommit(tampered(content), { keyRings: [key.ring] })).rejects.toThrow(noPgpMatch);
    await expect(verifyCommit(content, { keyRings: ["no ring"] })).rejects.toThrow(
      "unable to verify Git commit: unable to read armored key ring: openpgp: invalid argument: no armored data found",
    );
    await repository.git([...byPgp(key.id), "tag", "-s", "-m", "Tag", `tag-${algorithm}`]);
    const tag = signedTag(await repository.object("tag", `tag-${algorithm}`));
    expect(await verifySignature("tag", tag, { ...none, keyRings: [key.ring] }, now)).toBe(key.id);
  });

  it("GIT-073, GIT-081: a subkey signs, the primary key is told", async () => {
    const key = await repository.pgpKey("with-subkey", "rsa2048");
    const fingerprint = (await repository.run("gpg", ["--batch", "--with-colons", "--list-keys", key.id]))
      .toString("utf8")
      .match(/^fpr:{9}([0-9A-F]{40}):/m)?.[1];
    const add = ["--batch", "--quiet", "--passphrase", "", "--quick-add-key", fingerprint ?? "", "ed25519", "sign"];
    await repository.run("gpg", add);
    const ring = (await repository.run("gpg", ["--batch", "--armor", "--export", key.id])).toString("utf8");
    expect(await verifyCommit(await commitBy(byPgp(key.id)), { keyRings: [ring] })).toBe(key.id);
  });

  it("GIT-081: digests, old ones as Flux takes them", async () => {
    const key = await repository.pgpKey("digests", "rsa2048");
    const payload = Buffer.from("tree\n");
    const keys = { ...none, keyRings: [key.ring] };
    const signed = async (digest: string) => {
      const options = ["--allow-weak-digest-algos", "--digest-algo", digest, "--local-user", key.id];
      const made = await repository.run("gpg", ["--batch", ...options, "--armor", "--detach-sign"], payload);
      return { payload, signature: made.toString("latin1") };
    };
    for (const digest of ["SHA512", "SHA224", "SHA1"])
      expect(await verifySignature("commit", await signed(digest), keys, now)).toBe(key.id);
    for (const digest of ["MD5", "RIPEMD160"])
      await expect(verifySignature("commit", await signed(digest), keys, now)).rejects.toThrow(noPgpMatch);
  });

  it("GIT-081: of several signatures, the first by a key that is known decides", async () => {
    const [known, unknown] = [await repository.pgpKey("known"), await repository.pgpKey("unknown")];
    const payload = Buffer.from("tree\n");
    const signed = async (by: { id: string }[], text: Buffer) => {
      const users = by.flatMap(({ id }) => ["--local-user", id]);
      return repository.run("gpg", ["--batch", ...users, "--detach-sign"], text);
    };
    const armoredOf = async (...parts: Buffer[]) => {
      const signature = await readSignature({ binarySignature: Uint8Array.from(Buffer.concat(parts)) });
      return { payload, signature: signature.armor() };
    };
    const keys = { ...none, keyRings: [known.ring] };
    const both = await armoredOf(await signed([unknown, known], payload));
    expect(await verifySignature("commit", both, keys, now)).toBe(known.id);
    const of = async (by: { id: string }, text: string) => signed([by], Buffer.from(text));
    const wrongFirst = await armoredOf(await of(known, "other"), await of(known, "tree\n"));
    await expect(verifySignature("commit", wrongFirst, keys, now)).rejects.toThrow(noPgpMatch);
    const rightFirst = await armoredOf(await of(known, "tree\n"), await of(known, "other"));
    expect(await verifySignature("commit", rightFirst, keys, now)).toBe(known.id);
  });

  it("GIT-081: a key that has expired, or is revoked, verifies nothing that it signed before", async () => {
    const short = await repository.pgpKey("short", "ed25519", "1d");
    const content = await commitBy(byPgp(short.id));
    expect(await verifyCommit(content, { keyRings: [short.ring] })).toBe(short.id);
    const later = new Date(now.getTime() + 2 * 86_400_000);
    await expect(verifyCommit(content, { keyRings: [short.ring] }, later)).rejects.toThrow(noPgpMatch);

    const lost = await repository.pgpKey("lost");
    const before = await commitBy(byPgp(lost.id));
    const folder = join(repository.directory, "openpgp-revocs.d");
    const [file = ""] = (await readdir(folder)).filter((name) => name.includes(lost.id));
    const revocation = await readFile(join(folder, file), "utf8");
    await repository.run("gpg", ["--batch", "--quiet", "--import"], revocation.replace(":-----BEGIN", "-----BEGIN"));
    const ring = (await repository.run("gpg", ["--batch", "--armor", "--export", lost.id])).toString("utf8");
    expect(await verifyCommit(before, { keyRings: [lost.ring] })).toBe(lost.id);
    await expect(verifyCommit(before, { keyRings: [ring] })).rejects.toThrow(noPgpMatch);
  });
});

describe("signatures", () => {
  const armored = (type: string) => `-----BEGIN ${type}-----\n\nAAAA\n-----END ${type}-----\n`;

  it.each([
    [
      armored("PGP SIGNATURE"),
      "openpgp",
      "PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)",
    ],
    [
      armored("SSH SIGNATURE"),
      "ssh",
      "SSH signature detected but no SSH public keys found in secret (keys with .sshpub suffix)",
    ],
    [armored("SIGNED MESSAGE"), "x509", "unsupported signature type: x509"],
    ["", "empty", "unsupported signature type: empty"],
    ["signed by hand", "unknown", "unsupported signature type: unknown"],
    [armored("PGP MESSAGE"), "unknown", "unsupported signature type: unknown"],
  ])("GIT-080: signature %#", async (signature, type, words) => {
    expect(signatureType(signature)).toBe(type);
    const signed = { signature, payload: Buffer.from("a") };
    await expect(verifySignature("commit", signed, none, now)).rejects.toThrow(new Error(words));
  });

  it("GIT-080: what only looks like a signature is refused with Flux's words", async () => {
    const payload = Buffer.from("a");
    const ssh = { payload, signature: armored("SSH SIGNATURE") };
    await expect(verifySignature("commit", ssh, { ...none, authorizedKeys: ["x"] }, now)).rejects.toThrow(
      "unable to verify Git commit SSH signature: unable to unarmor SSH signature: ",
    );
    const key = await generateKey({ userIDs: [{ name: "a" }], format: "object" });
    const pgp = { payload, signature: armored("PGP SIGNATURE") };
    const keys = { ...none, keyRings: [key.publicKey.armor()] };
    await expect(verifySignature("commit", pgp, keys, now)).rejects.toThrow(noPgpMatch);
  });

  it("GIT-081: without GnuPG's help, OpenPGP signatures verify over the object without its header", async () => {
    const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: "a" }], format: "object" });
    const head = `tree ${"a".repeat(40)}\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n`;
    const payload = Buffer.from(`${head}\nSubject\n`);
    const message = await createMessage({ binary: Uint8Array.from(payload) });
    const signature = await sign({ message, signingKeys: privateKey, detached: true });
    const header = `gpgsig ${signature.trimEnd().replaceAll("\r", "").replaceAll("\n", "\n ")}\n`;
    const content = Buffer.from(`${head}${header}gpgsig-sha256 x\n y\n\nSubject\n`);
    expect(signedCommit(content).payload.equals(payload)).toBe(true);
    const id = publicKey.getKeyID().toHex().toUpperCase();
    expect(await verifyCommit(content, { keyRings: [publicKey.armor()] })).toBe(id);
  });
});
