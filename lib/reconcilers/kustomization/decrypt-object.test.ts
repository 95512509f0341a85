import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../api/object.ts";
import type { FileFormat } from "../../kustomize/decrypt-sources.ts";
import { decryptObject } from "./decrypt-object.ts";

/** Stands for decryption: tells what it was asked for, and gives what it was made with. */
function decryptor(plain: string) {
  const asked: { text: string; input: FileFormat; output: FileFormat }[] = [];
  const decryptFile = async (content: Uint8Array, input: FileFormat, output: FileFormat) => {
    asked.push({ text: Buffer.from(content).toString(), input, output });
    return Buffer.from(plain);
  };
  return { asked, decryptFile };
}

const refusing = () => Promise.reject(new Error("cannot get sops data key"));
const base64 = (text: string) => Buffer.from(text).toString("base64");

function object(more: object, kind = "Secret", annotations: Record<string, string> = {}): KubernetesObject {
  return { apiVersion: "v1", kind, metadata: { name: "a", namespace: "n", annotations }, ...more };
}

const encrypted = { sops: { mac: "ENC[x]" }, spec: { port: 9007199254740993n } };

describe("decryption of an object", () => {
  it.each(["Secret", "ConfigMap", "Database"])(
    "KS-090: a %s with a MAC is decrypted as JSON, digit by digit",
    async (kind) => {
      const plain = '{"apiVersion":"v1","kind":"Other","metadata":{"name":"b"},"spec":{"port":9007199254740995}}';
      const { asked, decryptFile } = decryptor(plain);
      const decrypted = await decryptObject(object(encrypted, kind), decryptFile);
      expect(asked).toMatchObject([{ input: "json", output: "json" }]);
      expect(asked[0]?.text).toContain('"port":9007199254740993}');
      expect(decrypted).toMatchObject({ kind: "Other", spec: { port: 9007199254740995n } });
    },
  );

  it.each([
    ["no sops field", {}],
    ["no MAC", { sops: { version: "3" } }],
    ["an empty MAC", { sops: { mac: "" } }],
    ["a sops field that is no mapping", { sops: "mac" }],
  ])("KS-090: an object with %s is not encrypted as a whole", async (_what, more) => {
    expect(await decryptObject(object(more, "ConfigMap"), refusing)).toBeUndefined();
  });

  it.each(["Disabled", "disabled", "DISABLED"])("KS-092: the annotation %s leaves it as it is", async (value) => {
    const annotations = { "kustomize.toolkit.fluxcd.io/decrypt": value };
    expect(await decryptObject(object(encrypted, "Secret", annotations), refusing)).toBeUndefined();
    const other = { "kustomize.toolkit.fluxcd.io/decrypt": "enabled" };
    await expect(decryptObject(object(encrypted, "Secret", other), refusing)).rejects.toThrow();
  });

  it.each<[key: string, text: string, input: FileFormat, output: FileFormat]>([
    ["token", '{"data": "x", "mac": "ENC[', "json", "binary"],
    ["a.json", '"mac": "ENC[', "json", "json"],
    [".dockerconfigjson", '"mac": "ENC[', "json", "json"],
    ["a.dockerconfigjson", '"mac": "ENC[', "json", "json"],
    ["a.yaml", "mac: ENC[", "yaml", "yaml"],
    ["a.yml", "mac: ENC[", "yaml", "yaml"],
    ["a.env", "sops_mac=ENC[", "dotenv", "dotenv"],
    ["a.ini", "[sops]", "ini", "ini"],
    ["other", "[sops]", "ini", "binary"],
  ])("KS-093: %s of a Secret, marked by %s", async (key, text, input, output) => {
    const { asked, decryptFile } = decryptor("clear");
    const data = { [key]: base64(text), plain: base64("text"), broken: "no base64" };
    expect(await decryptObject(object({ data }), decryptFile)).toMatchObject({
      data: { ...data, [key]: base64("clear") },
    });
    expect(asked).toEqual([{ text, input, output }]);
    expect(await decryptObject(object({ data }, "ConfigMap"), refusing)).toBeUndefined();
  });

  it("KS-093: a Secret without anything encrypted is left alone", async () => {
    expect(await decryptObject(object({ data: { a: base64("b") } }), refusing)).toBeUndefined();
    expect(await decryptObject(object({}), refusing)).toBeUndefined();
  });

  it("KS-105: what cannot be decrypted is named, and what was decrypted is not shown", async () => {
    await expect(decryptObject(object(encrypted), refusing)).rejects.toThrow(
      new Error("failed to decrypt and format 'n/a' Secret data: cannot get sops data key"),
    );
    await expect(decryptObject(object({ data: { k: base64("mac: ENC[") } }), refusing)).rejects.toThrow(
      new Error("failed to decrypt and format 'n/a' Secret field 'k': cannot get sops data key"),
    );
    await expect(decryptObject(object(encrypted), decryptor('{"s3cret": 1}').decryptFile)).rejects.toThrow(
      new Error("failed to unmarshal decrypted 'n/a' Secret to JSON: it has no apiVersion, kind and name"),
    );
  });
});
