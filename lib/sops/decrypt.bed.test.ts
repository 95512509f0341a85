import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { generateKey } from "openpgp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart } from "../../test/bed/bed.ts";
import { openSopsWorkshop, type SopsType, type SopsWorkshop } from "../../test/bed/sops/workshop.ts";
import { recoverDataKey } from "./data-key.ts";
import { decryptText } from "./decrypt.ts";
import { importKeys } from "./import-keys.ts";
import type { KeyServices } from "./keys.ts";
import { sshWire } from "./ssh-wire.ts";

let workshop: SopsWorkshop;
beforeAll(async () => {
  workshop = await openSopsWorkshop(await bedPart("sops"));
});
afterAll(() => workshop.close());

const source = { namespace: "apps", name: "keys", ageOnly: false };

function keysFrom(entries: Record<string, string | Uint8Array>): Promise<KeyServices> {
  return importKeys(new Map(Object.entries(entries).map(([name, value]) => [name, Buffer.from(value)])), source);
}

const yaml = "apiVersion: v1\nkind: Secret\nstringData:\n    password: s3cr3t\n";

async function plainOf(encrypted: Uint8Array, keys: KeyServices, type: SopsType = "yaml"): Promise<string> {
  return Buffer.from(await decryptText(encrypted, type, type, keys, { checkMac: true })).toString("utf8");
}

async function failureOf(encrypted: Uint8Array, keys: KeyServices): Promise<string> {
  return decryptText(encrypted, "yaml", "yaml", keys).then(
    () => "decrypted",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

describe("age identities", () => {
  it.each(["x25519", "pq"] as const)(
    "KS-097, SN-16: an identity of kind %s decrypts, and another one does not",
    async (kind) => {
      const [pair, other] = [await workshop.ageKey(kind), await workshop.ageKey(kind)];
      const encrypted = await workshop.encrypt(yaml, "yaml", ["--age", pair.recipient]);
      expect(encrypted.toString()).not.toContain("s3cr3t");
      expect(await plainOf(encrypted, await keysFrom({ "a.agekey": pair.identity }))).toBe(yaml);
      const failure = await failureOf(encrypted, await keysFrom({ "a.agekey": other.identity }));
      expect(failure).toMatch(
        /^cannot get sops data key: Failed to get the data key required to decrypt the SOPS file\./,
      );
      expect(failure).toContain(
        `  ${pair.recipient}: FAILED\n    - | failed to create reader for decrypting sops data key with\n`,
      );
    },
  );

  it("KS-096: several identities of an entry and several entries are tried, comments and empty lines count for nothing", async () => {
    const pairs = [await workshop.ageKey(), await workshop.ageKey("pq"), await workshop.ageKey()];
    const [first, second, third] = pairs.map(({ identity }) => identity);
    const keys = await keysFrom({
      "one.agekey": `# both\r\n${first}\n\n${second}`,
      "two.agekey": `${third}`,
      note: "none",
    });
    for (const { recipient } of pairs) {
      const encrypted = await workshop.encrypt(yaml, "yaml", ["--age", recipient]);
      expect(await plainOf(encrypted, keys)).toBe(yaml);
    }
  });

  it("SN-16: SSH keys of both types decrypt what is encrypted for them", async () => {
    const ed25519 = generateKeyPairSync("ed25519");
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
    for (const { publicKey, privateKey } of [ed25519, rsa]) {
      const encrypted = await workshop.encrypt(yaml, "yaml", ["--age", sshPublic(publicKey)]);
      const pem = privateKey.export({ format: "pem", type: "pkcs8" });
      expect(await plainOf(encrypted, await keysFrom({ "ssh.agekey": pem }))).toBe(yaml);
    }
    const open = opensshPrivate(ed25519.publicKey, ed25519.privateKey);
    const encrypted = await workshop.encrypt(yaml, "yaml", ["--age", sshPublic(ed25519.publicKey)]);
    expect(await plainOf(encrypted, await keysFrom({ "ssh.agekey": open }))).toBe(yaml);
  });
});

describe("PGP keyrings", () => {
  it.each([{}, { type: "rsa", rsaBits: 2048 }] as const)(
    "KS-096, SN-16: a keyring without passphrase decrypts without gpg: %j",
    async (kind) => {
      const [key, other] = [await pgpKey(kind), await pgpKey(kind)];
      await workshop.setPublicKeyring(key.publicKey);
      const encrypted = await workshop.encrypt(yaml, "yaml", ["--pgp", key.fingerprint]);
      expect(await plainOf(encrypted, await keysFrom({ "a.asc": `${other.armored}\n${key.armored}` }))).toBe(yaml);
      expect(await plainOf(encrypted, await keysFrom({ "a.asc": other.armored, "b.asc": key.armored }))).toBe(yaml);
      const failure = await failureOf(encrypted, await keysFrom({ "a.asc": other.armored }));
      expect(failure).toContain(`${key.fingerprint}: FAILED`);
      expect(failure.replace(/\s+\|?\s*/g, " ")).toContain(
        "could not decrypt data key with PGP key: failed to decrypt sops data key with pgp: No secret key",
      );
    },
  );

  it("KS-096: a keyring with a passphrase is named as the reason", async () => {
    const key = await pgpKey({ passphrase: "hush" });
    await workshop.setPublicKeyring(key.publicKey);
    const encrypted = await workshop.encrypt(yaml, "yaml", ["--pgp", key.fingerprint]);
    expect(await failureOf(encrypted, await keysFrom({ "a.asc": key.armored }))).toContain("passphrase");
  });
});

describe("several keys", () => {
  it("KS-100: age is tried before PGP before the rest, whatever the order of the file", async () => {
    const pair = await workshop.ageKey();
    const pgp = await pgpKey({});
    await workshop.setPublicKeyring(pgp.publicKey);
    const encrypted = await workshop.encrypt(yaml, "yaml", ["--pgp", pgp.fingerprint, "--age", pair.recipient]);
    const tried: string[] = [];
    const refuse = (kind: string) => async (): Promise<Uint8Array> => {
      tried.push(kind);
      throw new Error(`no ${kind}`);
    };
    const failure = await failureOf(encrypted, { age: refuse("age"), pgp: refuse("pgp"), kms: refuse("kms") });
    expect(tried).toEqual(["age", "pgp"]);
    expect(failure).toContain("no age");
    expect(failure).toContain("no pgp");
    await recoverDataKey(
      {
        shamirThreshold: 0,
        groups: [
          [
            {
              kind: "kms",
              arn: "arn:aws:kms:eu-west-1:1:key/1",
              role: "",
              context: new Map(),
              awsProfile: "",
              enc: "",
            },
            { kind: "gcp_kms", resourceId: "r", enc: "" },
            { kind: "pgp", fingerprint: "F", enc: "" },
            { kind: "age", recipient: "age1", enc: "" },
          ],
        ],
      },
      { age: refuse("age"), pgp: refuse("pgp"), kms: refuse("kms"), gcp_kms: refuse("gcp_kms") },
    ).catch(() => undefined);
    expect(tried.slice(2)).toEqual(["age", "pgp", "kms", "gcp_kms"]);
  });

  it.each([
    ["yaml", yaml],
    ["json", '{"a": "s3cr3t"}'],
    ["dotenv", "A=s3cr3t\n"],
    ["ini", "[s]\na = s3cr3t\n"],
  ] as const)("SN-16: groups share a data key by Shamir's scheme, in %s", async (type, content) => {
    const pairs = [await workshop.ageKey(), await workshop.ageKey(), await workshop.ageKey()];
    const groups = pairs.map(({ recipient }) => `      - age: [${recipient}]\n`).join("");
    const config = `creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n${groups}`;
    const encrypted = await workshop.encrypt(content, type, [], config);
    for (const group of [
      [0, 1],
      [2, 0],
      [0, 1, 2],
    ]) {
      const keys = await keysFrom({ "a.agekey": group.map((index) => pairs[index]?.identity).join("") });
      expect(await plainOf(encrypted, keys, type)).toContain("s3cr3t");
    }
    const one = await keysFrom({ "a.agekey": pairs[1]?.identity ?? "" });
    await expect(decryptText(encrypted, type, type, one)).rejects.toThrow(
      /Shamir threshold of\s2, but only 1 part\(s\)/,
    );
  });
});

describe("what is encrypted", () => {
  const content = "a: one\nb_open: two\nlist:\n    - three\n    - 4\nnested:\n    data: five\n    other_secret: six\n";
  it.each([
    [["--unencrypted-suffix", "_open"]],
    [["--encrypted-suffix", "_secret"]],
    [["--encrypted-regex", "^(data|other_secret)$"]],
    [["--encrypted-regex", "(?i)^DATA"]],
    [["--unencrypted-regex", "^nes|b_"]],
  ])("SN-16: the rule of the file says it: %j", async (args) => {
    const pair = await workshop.ageKey();
    const keys = await keysFrom({ "a.agekey": pair.identity });
    const encrypted = await workshop.encrypt(content, "yaml", ["--age", pair.recipient, ...args]);
    expect(await plainOf(encrypted, keys)).toBe(content);
  });

  it.each([
    ["encrypted_regex", "^(data)$"],
    ["unencrypted_suffix", "_open"],
  ])("SN-16: a MAC over the encrypted values alone counts those of %s", async (rule, pattern) => {
    const pair = await workshop.ageKey();
    const keys = await keysFrom({ "a.agekey": pair.identity });
    const config = `creation_rules:\n  - age: ${pair.recipient}\n    ${rule}: ${pattern}\n    mac_only_encrypted: true\n`;
    const encrypted = (await workshop.encrypt(content, "yaml", [], config)).toString("utf8");
    expect(encrypted).toContain("mac_only_encrypted: true");
    expect(await plainOf(Buffer.from(encrypted), keys)).toBe(content);
    const changed = encrypted.replace("b_open: two", "b_open: other");
    if (changed !== encrypted) expect(await plainOf(Buffer.from(changed), keys)).toContain("other");
  });

  it("SN-16: remarks that say it are honoured", async () => {
    const pair = await workshop.ageKey();
    const keys = await keysFrom({ "a.agekey": pair.identity });
    const remarked = "a: one\n# sops:enc\nb: two\nc:\n    # sops:enc\n    - three\n    - four\n";
    for (const rule of ["encrypted_comment_regex", "unencrypted_comment_regex"]) {
      const config = `creation_rules:\n  - age: ${pair.recipient}\n    ${rule}: sops:enc\n`;
      const encrypted = await workshop.encrypt(remarked, "yaml", [], config);
      expect(await plainOf(encrypted, keys)).toBe("a: one\n# sops:enc\nb: two\nc:\n    - three\n    - four\n");
    }
  });

  it("KS-105: a plain value where one is to be encrypted fails the file, and is not shown", async () => {
    const pair = await workshop.ageKey();
    const keys = await keysFrom({ "a.agekey": pair.identity });
    const encrypted = (await workshop.encrypt(content, "yaml", ["--age", pair.recipient])).toString("utf8");
    const failure = await failureOf(Buffer.from(encrypted.replace(/^a: .*$/m, "a: clear-text-secret")), keys);
    expect(failure).toBe(
      "error decrypting sops tree: Error walking tree: Could not decrypt value: Input string <redacted> does not match sops' data format",
    );
  });

  it("KS-105, SN-16: a value that was changed or moved does not decrypt, nor one with the key of another file", async () => {
    const pair = await workshop.ageKey();
    const keys = await keysFrom({ "a.agekey": pair.identity });
    const encrypted = (await workshop.encrypt(content, "yaml", ["--age", pair.recipient])).toString("utf8");
    const refused =
      "error decrypting sops tree: Error walking tree: Could not decrypt value: Could not decrypt with AES_GCM: cipher: message authentication failed";
    const moved = encrypted.replace(/^a: /m, "z: ");
    const changed = encrypted.replace(/^(a: ENC\[AES256_GCM,data:)(....)/m, "$1AAAA");
    expect(await failureOf(Buffer.from(moved), keys)).toBe(refused);
    expect(await failureOf(Buffer.from(changed), keys)).toBe(refused);
    const dropped = encrypted.replace(/^b_open: .*\n/m, "");
    expect(await failureOf(Buffer.from(dropped), keys)).toBe("decrypted");
    await expect(decryptText(Buffer.from(dropped), "yaml", "yaml", keys, { checkMac: true })).rejects.toThrow(
      /^failed to verify sops data integrity: expected mac '[0-9A-F]{128}', got '[0-9A-F]{128}'$/,
    );
  });

  it("SN-16: cut metadata is told apart", async () => {
    const pair = await workshop.ageKey();
    const keys = await keysFrom({ "a.agekey": pair.identity });
    const encrypted = (await workshop.encrypt(content, "yaml", ["--age", pair.recipient])).toString("utf8");
    const cut = async (pattern: RegExp, replacement = "") =>
      failureOf(Buffer.from(encrypted.replace(pattern, replacement)), keys);
    expect(await cut(/^sops:[\s\S]*/m)).toBe("failed to load encrypted YAML data: sops metadata not found");
    expect(await cut(/^sops:[\s\S]*/m, "sops: text\n")).toBe(
      "failed to load encrypted YAML data: Found sops entry that is not a mapping",
    );
    expect(await cut(/^ {4}age:\n( {8}.*\n)*/m)).toBe("failed to load encrypted YAML data: No keys found in file");
    expect(await cut(/^ {4}lastmodified: .*\n/m)).toContain('parsing time "" as "2006-01-02T15:04:05Z07:00"');
    expect(await cut(/^ {4}version: /m, "    encrypted_regex: x\n    version: ")).toContain(
      "Cannot use more than one of",
    );
    expect(await cut(/-----END AGE ENCRYPTED FILE-----/)).toMatch(/Failed to get the data key/);
  });
});

async function pgpKey(kind: { type?: "rsa"; rsaBits?: number; passphrase?: string }) {
  const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: "sluice" }], format: "object", ...kind });
  return {
    armored: privateKey.armor(),
    publicKey: publicKey.write(),
    fingerprint: publicKey.getFingerprint().toUpperCase(),
  };
}

function sshPublic(key: KeyObject): string {
  return `${key.asymmetricKeyType === "rsa" ? "ssh-rsa" : "ssh-ed25519"} ${sshBlob(key).toString("base64")}`;
}

function sshBlob(key: KeyObject): Buffer {
  const { x = "", n = "", e = "" } = key.export({ format: "jwk" });
  if (x !== "") return sshWire("ssh-ed25519", Buffer.from(x, "base64url"));
  return sshWire("ssh-rsa", Buffer.from(e, "base64url"), Buffer.concat([Buffer.alloc(1), Buffer.from(n, "base64url")]));
}

/** What ssh-keygen writes without a passphrase. */
function opensshPrivate(publicKey: KeyObject, privateKey: KeyObject): string {
  const { x = "", d = "" } = privateKey.export({ format: "jwk" });
  const pair = Buffer.concat([Buffer.from(d, "base64url"), Buffer.from(x, "base64url")]);
  const check = Buffer.from("0123456701234567", "hex");
  const key = Buffer.concat([
    check,
    sshWire("ssh-ed25519", Buffer.from(x, "base64url"), pair, "remark"),
    Buffer.from([1, 2, 3]),
  ]);
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshWire("none", "none", ""),
    Buffer.from([0, 0, 0, 1]),
    sshWire(sshBlob(publicKey), key),
  ]);
  const lines = file.toString("base64").match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
