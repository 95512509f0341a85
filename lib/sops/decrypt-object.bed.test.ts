import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart } from "../../test/bed/bed.ts";
import { type AgePair, openSopsWorkshop, type SopsType, type SopsWorkshop } from "../../test/bed/sops/workshop.ts";
import { formatGoYaml } from "../text/go-yaml.ts";
import { parseYamlDocuments } from "../text/yaml.ts";
import { decryptObject, type EncryptedObject, isDecryptionDisabled, isEncryptedSecret } from "./decrypt-object.ts";
import { importKeys } from "./import-keys.ts";
import type { KeyServices } from "./keys.ts";

let workshop: SopsWorkshop;
let pair: AgePair;
let keys: KeyServices;
beforeAll(async () => {
  workshop = await openSopsWorkshop(await bedPart("sops"));
  pair = await workshop.ageKey();
  const source = { namespace: "apps", name: "keys", ageOnly: false };
  keys = await importKeys(new Map([["key.agekey", Buffer.from(pair.identity)]]), source);
});
afterAll(() => workshop.close());

function encrypt(content: string, type: SopsType, ...args: string[]): Promise<Buffer> {
  return workshop.encrypt(content, type, ["--age", pair.recipient, ...args]);
}

/** A manifest as it is after kustomize: encrypted by sops in YAML, read, with whatever else the build put into it. */
async function encrypted(object: EncryptedObject, ...args: string[]): Promise<EncryptedObject> {
  const text = (await encrypt(formatGoYaml(object), "yaml", ...args)).toString("utf8");
  const [read] = parseYamlDocuments(text);
  if (!isObject(read)) throw new Error("no object");
  return read;
}

function isObject(value: unknown): value is EncryptedObject {
  return typeof value === "object" && value !== null && "metadata" in value && "kind" in value;
}

const secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "db", namespace: "apps" },
  stringData: { password: "s3cr3t", "10": "ten", "9": "nine" },
};

describe("objects that carry SOPS's metadata", () => {
  it("KS-090: a Secret decrypts, after patches as well, and loses the metadata", async () => {
    const object = await encrypted(secret, "--encrypted-regex", "^(data|stringData)$");
    expect(JSON.stringify(object)).not.toContain("s3cr3t");
    expect(isEncryptedSecret(object)).toBe(true);
    // The build changes what is in clear text, which the MAC was made over, and the order of keys.
    const patched = { ...object, metadata: { ...object.metadata, labels: { app: "db" } }, immutable: true };
    const reversed = Object.fromEntries(Object.entries(patched).reverse());
    const expected = { ...secret, metadata: { ...secret.metadata, labels: { app: "db" } }, immutable: true };
    expect(await decryptObject(patched, keys)).toEqual(expected);
    if (isObject(reversed)) expect(await decryptObject(reversed, keys)).toEqual(expected);
    expect(isEncryptedSecret(patched)).toBe(true);
  });

  it("KS-090: an object of any kind decrypts, whatever its values are", async () => {
    const spec = {
      replicas: 3,
      ratio: 0.25,
      large: 9007199254740993n,
      on: true,
      none: null,
      list: ["a", 1, [2], { deep: "x" }],
      empty: {},
      text: "line\nline\n",
    };
    const object = await encrypted(
      { apiVersion: "example.com/v1", kind: "Custom", metadata: { name: "c" }, spec },
      "--encrypted-regex",
      "^spec$",
    );
    expect(JSON.stringify(object)).not.toContain("line");
    expect(await decryptObject(object, keys)).toEqual({
      apiVersion: "example.com/v1",
      kind: "Custom",
      metadata: { name: "c" },
      spec,
    });
  });

  it("KS-090, KS-093: what is not encrypted is left alone", async () => {
    expect(await decryptObject(secret, keys)).toBeUndefined();
    expect(await decryptObject({ ...secret, sops: {} }, keys)).toBeUndefined();
    expect(await decryptObject({ ...secret, sops: { mac: "" } }, keys)).toBeUndefined();
    const data = { token: Buffer.from("plain").toString("base64"), odd: "no base64!" };
    expect(await decryptObject({ ...secret, data }, keys)).toBeUndefined();
    expect(await decryptObject({ ...secret, kind: "ConfigMap", data: { a: "mac: ENC[" } }, keys)).toBeUndefined();
  });

  it.each(["Disabled", "disabled", "DISABLED"])(
    "KS-092: the annotation %s leaves an object encrypted",
    async (value) => {
      const object = await encrypted(secret, "--encrypted-regex", "^(data|stringData)$");
      const annotated = {
        ...object,
        metadata: { ...object.metadata, annotations: { "kustomize.toolkit.fluxcd.io/decrypt": value } },
      };
      expect(isDecryptionDisabled(annotated)).toBe(true);
      expect(await decryptObject(annotated, keys)).toBeUndefined();
      const labelled = {
        ...object,
        metadata: { ...object.metadata, labels: { "kustomize.toolkit.fluxcd.io/decrypt": value } },
      };
      expect(isDecryptionDisabled(labelled)).toBe(false);
      expect(await decryptObject(labelled, keys)).toMatchObject({ stringData: secret.stringData });
    },
  );

  it("KS-090, KS-105: the error names the object and no value of it", async () => {
    const object = await encrypted(secret, "--encrypted-regex", "^(data|stringData)$");
    const stringData = { ...secret.stringData, password: "clear-by-mistake" };
    await expect(decryptObject({ ...object, stringData }, keys)).rejects.toThrow(
      /^failed to decrypt and format 'apps\/db' Secret data: error decrypting sops tree: Error walking tree: Could not decrypt value: Input string <redacted> does not match sops' data format$/,
    );
    await expect(decryptObject(object, {})).rejects.toThrow(
      /^failed to decrypt and format 'apps\/db' Secret data: cannot get sops data key: Failed to get the data key/,
    );
  });
});

describe("values of a Secret that are encrypted files", () => {
  const cases: { key: string; type: SopsType; content: string; plain: string }[] = [
    { key: "token", type: "binary", content: "s3cr3t\n", plain: "s3cr3t\n" },
    { key: "config.json", type: "json", content: '{"b":1,"a":"s3cr3t"}', plain: '{\n\t"b": 1,\n\t"a": "s3cr3t"\n}\n' },
    { key: ".dockerconfigjson", type: "json", content: '{"auths":{}}', plain: '{\n\t"auths": {}\n}\n' },
    { key: "values.yaml", type: "yaml", content: "b: s3cr3t\na: [1]\n", plain: "b: s3cr3t\na:\n    - 1\n" },
    { key: "values.yml", type: "yaml", content: "b: s3cr3t\n", plain: "b: s3cr3t\n" },
    { key: "app.env", type: "dotenv", content: "B=s3cr3t\nA=a\\nb\n", plain: "B=s3cr3t\nA=a\\nb\n" },
    { key: "app.ini", type: "ini", content: "[s]\nkey = s3cr3t\n", plain: "[s]\nkey = s3cr3t\n" },
    { key: "to-json.json", type: "yaml", content: "b: s3cr3t\n", plain: '{\n\t"b": "s3cr3t"\n}\n' },
    { key: "to-yaml.yaml", type: "ini", content: "[s]\nkey = 1\n", plain: 'DEFAULT: {}\ns:\n    key: "1"\n' },
    { key: "to-env.env", type: "json", content: '{"A":1.0,"B":true}', plain: "A=1.0\nB=true\n" },
  ];

  it("KS-093: each is found by its mark and written as its key says", async () => {
    const data: Record<string, string> = { plain: Buffer.from("plain").toString("base64"), odd: "*" };
    for (const { key, type, content } of cases) data[key] = (await encrypt(content, type)).toString("base64");
    const object = { ...secret, type: "Opaque", data };
    const decrypted = await decryptObject(object, keys);
    for (const { key, plain } of cases)
      expect(Buffer.from(decrypted?.data[key] ?? "", "base64").toString("utf8"), key).toBe(plain);
    expect(decrypted).toEqual({ ...object, data: { ...data, ...decrypted?.data, plain: data.plain, odd: "*" } });
  });

  it("KS-093, KS-105: what cannot be decrypted or written fails with the name of the field", async () => {
    const token = (await encrypt("s3cr3t", "binary")).toString("base64");
    await expect(decryptObject({ ...secret, data: { token } }, {})).rejects.toThrow(
      /^failed to decrypt and format 'apps\/db' Secret field 'token': cannot get sops data key: Failed to get the data key/,
    );
    const yaml = (await encrypt("a: s3cr3t\n", "yaml")).toString("base64");
    await expect(decryptObject({ ...secret, data: { token: yaml } }, keys)).rejects.toThrow(
      "failed to decrypt and format 'apps/db' Secret field 'token': failed to emit encrypted YAML file as decrypted binary: error emitting binary store: no binary data found in tree",
    );
  });
});
