import { describe, expect, it } from "vitest";
import { formatForPath } from "../sops/formats.ts";
import { build } from "./build.ts";
import { decryptSources, type FileFormat } from "./decrypt-sources.ts";
import { artifactOf, configMap } from "./testdata/artifact-of.ts";

/** Stands for a decryptor: what begins with `!` is encrypted, and its clear text is what follows. */
function recorder() {
  const seen: [text: string, format: FileFormat][] = [];
  return {
    seen,
    formatForPath,
    isEncrypted: (content: Uint8Array) => Buffer.from(content).toString().startsWith("!"),
    decryptFile: async (content: Uint8Array, input: FileFormat, output: FileFormat) => {
      expect(output).toBe(input);
      const text = Buffer.from(content).toString().slice(1);
      if (text === "broken") throw new Error("cannot get sops data key");
      seen.push([text, input]);
      return Buffer.from(text);
    },
  };
}

const files = {
  "app/kustomization.yaml": {
    resources: ["../base", "cm.yaml", "missing", "https://example.com/base"],
    components: ["../component"],
    secretGenerator: [
      {
        name: "s",
        files: ["token", "config.json=token.txt", ".dockerconfigjson=docker"],
        envs: ["a.env", "b.txt", "c.ini"],
      },
    ],
    configMapGenerator: [{ name: "c", files: ["public"] }],
    patches: [{ path: "patch.yaml" }, { path: "https://example.com/patch.yaml" }, { patch: "[]" }],
  },
  "app/cm.yaml": configMap("x"),
  "app/token": "!1",
  "app/token.txt": "!2",
  "app/docker": "!3",
  "app/a.env": "!A=1",
  "app/b.txt": "!B=1",
  "app/c.ini": "![s]",
  "app/public": "!public",
  "app/patch.yaml": "!p: 1",
  "base/kustomization.yaml": { secretGenerator: [{ name: "b", envs: ["plain.env"] }], resources: ["../app"] },
  "base/plain.env": "A=1",
  "component/kustomization.yml": { secretGenerator: [{ name: "k", files: ["../app/token", "own"] }] },
  "component/own": "!own",
};

describe("decryption of sources", () => {
  it("KS-094: decrypts what Secrets and patches are made of, through local resources and components, each once", async () => {
    const artifact = artifactOf(files);
    const decryptor = recorder();
    const clear = await decryptSources(artifact, { path: "./app" }, decryptor);
    expect(decryptor.seen).toEqual([
      ["1", "binary"],
      ["2", "json"],
      ["3", "json"],
      ["A=1", "dotenv"],
      ["B=1", "dotenv"],
      ["[s]", "ini"],
      ["p: 1", "yaml"],
      ["own", "binary"],
    ]);
    const textOf = (path: string) => Buffer.from(clear.files.get(path)?.content ?? []).toString();
    expect(textOf("app/token")).toBe("1");
    expect(textOf("app/public")).toBe("!public");
    expect(textOf("base/plain.env")).toBe("A=1");
  });

  it("KS-061, KS-094: leaves the artifact that others use as it is", async () => {
    const artifact = artifactOf(files);
    const before = new Map(artifact.files);
    expect(await decryptSources(artifact, { path: "app" }, recorder())).not.toBe(artifact);
    expect(new Map(artifact.files)).toEqual(before);
    const plain = artifactOf({ "kustomization.yaml": {} });
    expect(await decryptSources(plain, {}, recorder())).toBe(plain);
  });

  it("KS-058, KS-094: reaches the components that the spec adds", async () => {
    const decryptor = recorder();
    await decryptSources(artifactOf(files), { path: "base", components: ["../component"] }, decryptor);
    expect(decryptor.seen).toContainEqual(["own", "binary"]);
  });

  it("KS-094: reaches a directory's own kustomization below one that has none", async () => {
    const decryptor = recorder();
    const nested = { "all/a/kustomization.yaml": { secretGenerator: [{ name: "s", files: ["f"] }] }, "all/a/f": "!f" };
    await decryptSources(artifactOf(nested), { path: "all" }, decryptor);
    expect(decryptor.seen).toEqual([["f", "binary"]]);
  });

  it.each([
    [
      "a missing file",
      { secretGenerator: [{ name: "s", files: ["none"] }] },
      {},
      "lstat none: no such file or directory",
    ],
    [
      "a directory",
      { secretGenerator: [{ name: "s", files: ["dir"] }] },
      { "dir/f": "" },
      "cannot decrypt irregular file as it has file mode type bits set",
    ],
    [
      "a file of 6 MiB",
      { secretGenerator: [{ name: "s", files: ["big"] }] },
      { big: `!${"x".repeat(6 * 1024 * 1024 - 1)}` },
      "cannot decrypt file with size (6291456 bytes) exceeding limit (5242880)",
    ],
    [
      "two kustomization files",
      { resources: ["two"] },
      { "two/kustomization.yaml": {}, "two/Kustomization": {} },
      "found multiple kustomization files",
    ],
    ["a directory without one", { resources: ["dir"] }, { "dir/f": "" }, "no kustomization file found"],
    [
      "a file that cannot be decrypted",
      { secretGenerator: [{ name: "s", files: ["f"] }] },
      { f: "!broken" },
      "cannot get sops data key",
    ],
  ])("KS-095: %s fails", async (_what, kustomization, more, message) => {
    const artifact = artifactOf({ "kustomization.yaml": kustomization, ...more });
    await expect(decryptSources(artifact, {}, recorder())).rejects.toThrow(`error decrypting sources: ${message}`);
  });

  it("an end of the time that there is, is no failure of the build", async () => {
    const files = { "kustomization.yaml": { secretGenerator: [{ name: "s", files: ["f"] }] }, f: "!broken" };
    const signal = AbortSignal.abort(new Error("out of time"));
    await expect(decryptSources(artifactOf(files), {}, { ...recorder(), signal })).rejects.toThrow(/^out of time$/);
  });

  it.each([
    ["a.yaml", "yaml"],
    ["a.yml", "yaml"],
    ["a.json", "json"],
    [".env", "dotenv"],
    ["a.ini", "ini"],
    ["my.dockerconfigjson", "json"],
    ["token", "binary"],
    ["a.yaml.bak", "binary"],
  ])("KS-093, KS-094: %s is %s", (name, format) => expect(formatForPath(name)).toBe(format));

  it.each([
    ["a scalar", "data: top-s3cret\n"],
    ["a list", "data: [top-s3cret, x]\n"],
    ["an item that is no object", "items: [{password: top-s3cret}]\n"],
  ])("KS-105: an error of the build shows nothing of what was decrypted: %s", async (_what, patch) => {
    const artifact = artifactOf({
      "kustomization.yaml": { resources: ["cm.yaml"], patches: [{ path: "patch.yaml" }] },
      "cm.yaml": configMap("x", { a: "b" }),
      "patch.yaml": "!cipher",
    });
    const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n${patch}`;
    const decryptFile = async () => Buffer.from(text);
    const clear = await decryptSources(artifact, {}, { ...recorder(), decryptFile });
    const failed = await build(clear, {}, { cache: false }).catch((error: unknown) => String(error));
    expect(failed).toMatch(
      /kustomize build failed: wrong node kind|failed to decode Kubernetes apiVersion, kind and name/,
    );
    expect(failed).not.toContain("s3cret");
    expect(failed).toContain("***");
  });
});
