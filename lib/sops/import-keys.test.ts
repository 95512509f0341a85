import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";
import { generateKey } from "openpgp";
import { describe, expect, it } from "vitest";
import { type CloudServices, importKeys, selectKeySource } from "./import-keys.ts";
import { EntryInvalid } from "./key-services/secret-entry.ts";

const source = { namespace: "apps", name: "keys", ageOnly: false };

function entries(values: Record<string, string>): Map<string, Uint8Array> {
  return new Map(Object.entries(values).map(([name, value]) => [name, Buffer.from(value)]));
}

async function failureOf(values: Record<string, string>, from = source): Promise<string> {
  return importKeys(entries(values), from).then(
    () => "imported",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

describe("which Secret the keys are in", () => {
  it("KS-096, KS-099: the Secret of the Kustomization goes before that of the flag, which gives age keys alone", () => {
    const fallback = { namespace: "flux-system", name: "age" };
    expect(selectKeySource({ name: "own" }, "apps", fallback)).toEqual({
      namespace: "apps",
      name: "own",
      ageOnly: false,
    });
    expect(selectKeySource(undefined, "apps", fallback)).toEqual({ ...fallback, ageOnly: true });
    expect(selectKeySource(undefined, "apps", undefined)).toBeUndefined();
  });
});

describe("keys of a Secret", () => {
  it("KS-096: entries are told apart by how their names end, and others are not looked at", async () => {
    const age = await generateX25519Identity();
    const pq = await generateHybridIdentity();
    const pgp = await generateKey({ userIDs: [{ name: "t" }], format: "armored" });
    const all = { "a.agekey": `# ${await identityToRecipient(age)}\n${age}`, "b.agekey": pq, "c.asc": pgp.privateKey };
    expect(Object.keys(await importKeys(entries(all), source))).toEqual(["age", "pgp"]);
    expect(Object.keys(await importKeys(entries({ "c.asc": pgp.privateKey }), source))).toEqual(["pgp"]);
    const unknown = { "identity.txt": age, agekey: age, "x.agekey.bak": "broken", "sops.vault-tokens": "x", "": "x" };
    expect(await importKeys(entries(unknown), source)).toEqual({});
    expect(await importKeys(entries({ "empty.agekey": "# nothing\n\n" }), source)).toEqual({});
    expect(await importKeys(entries({ "public.asc": pgp.publicKey }), source)).toEqual({});
  });

  it("KS-099: of the Secret of the flag, age identities alone are taken", async () => {
    const age = await generateX25519Identity();
    const asked: string[][] = [];
    const clouds: CloudServices = (given) => {
      asked.push([...given.keys()]);
      return {};
    };
    const fallback = { namespace: "flux-system", name: "age", ageOnly: true };
    const values = entries({ "a.agekey": age, "b.asc": "broken", "sops.vault-token": "t" });
    expect(Object.keys(await importKeys(values, fallback, clouds))).toEqual(["age"]);
    await importKeys(entries({ "sops.vault-token": "t" }), source, clouds);
    expect(asked).toEqual([[], ["sops.vault-token"]]);
    expect(await failureOf({ "a.agekey": "broken" }, fallback)).toBe(
      "failed to import 'a.agekey' data from sops SOPS age decryption Secret 'flux-system/age': failed to parse and add to age identities: unknown identity type",
    );
  });

  it("KS-098: bad key material is named by its entry, and not shown", async () => {
    const age = await generateX25519Identity();
    const start =
      "failed to import 'k.agekey' data from sops decryption Secret 'apps/keys': failed to parse and add to age identities: ";
    expect(await failureOf({ "k.agekey": "broken" })).toBe(`${start}unknown identity type`);
    const typo = `${age.slice(0, -1)}${age.endsWith("Q") ? "P" : "Q"}`;
    expect(await failureOf({ "k.agekey": `${age}\n${typo}` })).toBe(`${start}malformed secret key`);
    expect(await failureOf({ "k.agekey": "AGE-PLUGIN-YUBIKEY-1QQQ" })).toBe(`${start}plugins are not supported`);
    expect(
      await failureOf({ "k.agekey": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----" }),
    ).toBe(`${start}malformed SSH identity`);
    expect(await failureOf({ "k.asc": "broken" })).toBe(
      "failed to import 'k.asc' data from sops decryption Secret 'apps/keys': failed to import armored key data into GnuPG keyring: no valid OpenPGP data found",
    );
    expect(await failureOf({ "k.agekey": `${age}\n`.repeat(300) })).toBe(`${start}there are more than 200`);
  });

  it("KS-098: what a cloud's entry is wrong in is named in the same way", async () => {
    const clouds: CloudServices = () => {
      throw new EntryInvalid("sops.aws-kms", "failed to unmarshal AWS credentials file: it is no YAML");
    };
    await expect(importKeys(entries({ "sops.aws-kms": "[" }), source, clouds)).rejects.toThrow(
      "failed to import 'sops.aws-kms' data from sops decryption Secret 'apps/keys': failed to unmarshal AWS credentials file: it is no YAML",
    );
  });
});
