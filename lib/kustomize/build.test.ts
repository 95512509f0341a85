import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { OpenArtifact } from "./artifact.ts";
import { build } from "./build.ts";
import { BuildFailed } from "./build-failed.ts";
import type { BuildSpec } from "./spec.ts";
import { artifactOf, configMap } from "./testdata/artifact-of.ts";

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "sluice-test-"));
});
afterAll(() => rm(scratch, { recursive: true }));

const render = async (artifact: OpenArtifact, spec: BuildSpec = {}) => {
  const { objects } = await build(artifact, spec, { directory: scratch });
  return objects;
};
/** A manifest that is not rendered without kustomize. */
const forKustomize = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: !!str ${name} }\n`;
const names = async (artifact: OpenArtifact, spec: BuildSpec = {}) =>
  (await render(artifact, spec)).map(({ kind, metadata }) => `${kind}/${metadata.name}`);

describe("what is built", () => {
  it.each(["kustomization.yaml", "kustomization.yml", "Kustomization"])("KS-050: %s is used", async (name) => {
    const artifact = artifactOf({
      [`app/${name}`]: { resources: ["a.yaml"] },
      "app/a.yaml": configMap("a"),
      "app/b.yaml": configMap("b"),
    });
    expect(await names(artifact, { path: "./app" })).toEqual(["ConfigMap/a"]);
  });

  it("KS-051: without one, every manifest below is taken, and a directory with its own stands for itself", async () => {
    const artifact = artifactOf({
      "z.yaml": configMap("z"),
      "a/b.yml": configMap("b"),
      "a.yaml": configMap("first"),
      "a-b/c.yaml": configMap("dash"),
      "sub/kustomization.yaml": { namePrefix: "sub-", resources: ["only.yaml"] },
      "sub/only.yaml": configMap("only"),
      "sub/deep/not.yaml": configMap("not"),
      "deep/er/Kustomization": { resources: ["x.yaml"], nameSuffix: "-er" },
      "deep/er/x.yaml": configMap("x"),
      "deep/.hidden/y.yaml": configMap("hidden"),
      "README.md": "# not a manifest",
      "values.json": "{}",
    });
    expect(await names(artifact)).toEqual(
      ["b", "dash", "first", "hidden", "x-er", "sub-only", "z"].map((name) => `ConfigMap/${name}`),
    );
  });

  it.each([
    ["a CI file", ".gitlab-ci.yml", "stages: [test]\n", "missing Resource metadata"],
    ["the rules of SOPS", "app/.sops.yaml", "creation_rules: []\n", "missing Resource metadata"],
    [
      "a manifest without a name",
      "a.yaml",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n",
      "missing metadata.name in object {{v1 ConfigMap} {{ } map[] map[]}}",
    ],
    ["broken YAML", "a.yaml", "a: [\n", "MalformedYAMLError: yaml: line 1: did not find expected node content"],
  ])("KS-052: %s fails the build with its name", async (_, path, text, reason) => {
    const artifact = artifactOf({ [path]: text, "ok.yaml": configMap("ok") });
    await expect(render(artifact)).rejects.toThrow(
      new BuildFailed(`failed to decode Kubernetes YAML from ${path}: ${reason}`),
    );
  });

  it("KS-053: an empty directory builds nothing", async () => {
    const empty = { objects: [], digest: `sha256:${createHash("sha256").digest("hex")}` };
    expect(await build(artifactOf({ "app/": "" }), { path: "app" })).toEqual(empty);
    expect(await build(artifactOf({ "app/note.txt": "" }), { path: "app", targetNamespace: "x" })).toEqual(empty);
  });

  it("KS-054: a kustomization with generators alone is not empty; its objects say where they come from", async () => {
    const artifact = artifactOf({ "kustomization.yaml": { configMapGenerator: [{ name: "g", literals: ["a=b"] }] } });
    const [object] = await render(artifact);
    expect(object?.metadata.annotations?.["config.kubernetes.io/origin"]).toBe(
      "configuredIn: kustomization.yaml\nconfiguredBy:\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n",
    );
    const [other] = await render(artifact, { buildMetadata: ["transformerAnnotations"] });
    expect(other?.metadata.annotations?.["config.kubernetes.io/origin"]).toBeUndefined();
    expect(await render(artifactOf({ "kustomization.yaml": "" }))).toEqual([]);
    // The same goes for one with components alone, and for one with the field that resources were once.
    const made = { configMapGenerator: [{ name: "g", literals: ["a=b"] }] };
    const component = { apiVersion: "kustomize.config.k8s.io/v1alpha1", kind: "Component", ...made };
    for (const [field, base] of [
      ["components", component],
      ["bases", made],
    ] as const) {
      const files = { "kustomization.yaml": { [field]: ["x"] }, "x/kustomization.yaml": base };
      const [found] = await render(artifactOf(files));
      expect(found?.metadata.annotations?.["config.kubernetes.io/origin"]).toMatch(
        /^configuredIn: x\/kustomization.yaml/,
      );
    }
  });

  it("KS-059: spec.buildMetadata takes the place of the file's", async () => {
    const files = { "kustomization.yaml": { resources: ["a.yaml"], buildMetadata: ["managedByLabel"] } };
    const artifact = artifactOf({ ...files, "a.yaml": configMap("a") });
    const [own] = await render(artifact);
    expect(own?.metadata.labels?.["app.kubernetes.io/managed-by"]).toMatch(/^kustomize-/);
    const [given] = await render(artifact, { buildMetadata: ["originAnnotations"] });
    expect(given?.metadata.labels).toBeUndefined();
    expect(given?.metadata.annotations).toEqual({ "config.kubernetes.io/origin": "path: a.yaml\n" });
  });

  it("KS-060: unknown fields of the first file are dropped, those of a base refused", async () => {
    const typo = { resources: ["a.yaml"], resoorces: ["b.yaml"] };
    const files = { "app/kustomization.yaml": typo, "app/a.yaml": configMap("a") };
    expect(await names(artifactOf(files), { path: "app" })).toEqual(["ConfigMap/a"]);
    await expect(render(artifactOf({ ...files, "kustomization.yaml": { resources: ["app"] } }))).rejects.toThrow(
      /^kustomize build failed: .*invalid Kustomization: json: unknown field "resoorces"$/,
    );
  });

  it("KS-061: two builds of one artifact do not see each other", async () => {
    const artifact = artifactOf({
      "kustomization.yaml": { resources: ["a.yaml"] },
      "a.yaml": configMap("a"),
    });
    const before = [...artifact.files].map(([path, { content }]) => [path, Buffer.from(content).toString()]);
    const builds = ["one", "two"].map((namePrefix) => names(artifact, { namePrefix: `${namePrefix}-` }));
    expect(await Promise.all(builds)).toEqual([["ConfigMap/one-a"], ["ConfigMap/two-a"]]);
    expect([...artifact.files].map(([path, { content }]) => [path, Buffer.from(content).toString()])).toEqual(before);
  });

  it("KS-070: bases, files and patches anywhere in the artifact are built with", async () => {
    const artifact = artifactOf({
      "clusters/prod/kustomization.yaml": {
        resources: ["../../base"],
        patches: [{ path: "../../shared/patch.yaml" }],
        configMapGenerator: [
          { name: "env", files: ["key=../../shared/file.txt"], options: { disableNameSuffixHash: true } },
        ],
      },
      "base/kustomization.yaml": { resources: ["a.yaml"] },
      "base/a.yaml": configMap("a", { x: "1" }),
      "shared/patch.yaml": configMap("a", { x: "2" }),
      "shared/file.txt": "text",
    });
    const objects = await render(artifact, { path: "clusters/prod" });
    expect(objects.map(({ data }) => data)).toEqual([{ x: "2" }, { key: "text" }]);
  });

  it("KS-076: lists are taken apart, kustomizations dropped, objects left in the order of the files", async () => {
    const list = { apiVersion: "v1", kind: "List", items: [configMap("b"), configMap("a")] };
    const flux = { apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", metadata: { name: "k" } };
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "n" } };
    const artifact = artifactOf({
      "kustomization.yaml": { resources: ["list.yaml", "flux.yaml", "namespace.yaml"] },
      "list.yaml": list,
      "flux.yaml": flux,
      "namespace.yaml": namespace,
    });
    expect(await names(artifact)).toEqual(["ConfigMap/b", "ConfigMap/a", "Namespace/n"]);
  });

  it("KS-077: numbers and text of a manifest come out as they went in", async () => {
    const text =
      'apiVersion: x.io/v1\nkind: X\nmetadata: {name: x}\nspec: {a: "8080", b: 8080, c: "yes", d: "0777", e: 1.5, f: "1e3", g: ~}\n';
    const [object] = await render(artifactOf({ "a.yaml": text }));
    expect(object?.spec).toEqual({ a: "8080", b: 8080, c: "yes", d: "0777", e: 1.5, f: "1e3", g: null });
  });

  it("SN-04: a replacement reaches into JSON that is held in a text, as in 5.8 and not before", async () => {
    const artifact = artifactOf({
      "kustomization.yaml": {
        resources: ["a.yaml", "b.yaml"],
        replacements: [
          {
            source: { kind: "ConfigMap", name: "a", fieldPath: "data.host" },
            targets: [{ select: { kind: "ConfigMap", name: "b" }, fieldPaths: ["data.config\\.json.server.host"] }],
          },
        ],
      },
      "a.yaml": configMap("a", { host: "example.com" }),
      "b.yaml": configMap("b", { "config.json": '{"server":{"host":"x"}}' }),
    });
    const objects = await render(artifact);
    expect(objects[1]?.data).toEqual({ "config.json": expect.stringMatching(/"host": ?"example.com"/) });
  });
});

describe("a build that fails", () => {
  it("KS-075: says what kustomize says, with the artifact's own paths", async () => {
    const artifact = artifactOf({ "app/kustomization.yaml": { resources: ["nope.yaml"] } });
    await expect(render(artifact, { path: "app" })).rejects.toThrow(
      new BuildFailed(
        "kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'nope.yaml': " +
          "open app/nope.yaml: no such file or directory': must build at directory: not a valid directory: " +
          "evalsymlink failure on 'app/nope.yaml' : lstat app/nope.yaml: no such file or directory",
      ),
    );
  });

  it("KS-074: an object without apiVersion is named", async () => {
    const artifact = artifactOf({ "a.yaml": { kind: "Foo", metadata: { name: "x" } } });
    await expect(render(artifact)).rejects.toThrow(
      /^failed to decode Kubernetes apiVersion, kind and name from: kind: Foo/,
    );
  });

  it("KS-074: a panic of kustomize is a failed build", async () => {
    const artifact = artifactOf({
      "kustomization.yaml": {
        resources: ["a.yaml"],
        openapi: { path: "schema.json" },
        patches: [{ patch: JSON.stringify(configMap("a")) }],
      },
      "a.yaml": configMap("a"),
      "schema.json": "{",
    });
    await expect(render(artifact)).rejects.toThrow(/^kustomize build failed: recovered from kustomize build panic: /);
  });

  it.each([
    [
      "a circle",
      { "kustomization.yaml": { resources: ["a"] }, "a/kustomization.yaml": { resources: [".."] } },
      /cycle/,
    ],
    [
      "two files",
      { "kustomization.yaml": { resources: [] }, Kustomization: { resources: [] } },
      /Found multiple kustomization files under: \./,
    ],
    ["a base without one", { "kustomization.yaml": { resources: ["a"] }, "a/": "" }, /unable to find one of/],
    ["a wrong type", { "kustomization.yaml": { resources: "a" } }, /cannot unmarshal string into Go struct field/],
    ["no YAML", { "kustomization.yaml": "a: [" }, /error converting YAML to JSON/],
  ])("KS-075: %s", async (_, files, message) => {
    await expect(render(artifactOf(files))).rejects.toThrow(message);
  });

  it("a path that is a file fails the build", async () => {
    await expect(render(artifactOf({ "a.yaml": configMap("a") }), { path: "a.yaml" })).rejects.toThrow(BuildFailed);
  });
});

describe("how it is built", () => {
  it("SN-03: leaves nothing behind, whether it succeeds, fails or is stopped", async () => {
    const stopped = new AbortController();
    const artifact = artifactOf({ "a.yaml": forKustomize("stopped") });
    const building = build(artifact, {}, { directory: scratch, signal: stopped.signal });
    await vi.waitUntil(async () => (await readdir(scratch)).length > 0, { interval: 1 });
    stopped.abort(new Error("time is over"));
    await expect(building).rejects.toThrow("time is over");
    await render(artifact);
    await expect(render(artifactOf({ "a.yaml": "a: [" }))).rejects.toThrow();
    expect(await readdir(scratch)).toEqual([]);
  });

  it("SN-03: a build that needs no kustomize removes what one that died has left, too", async () => {
    const own = await mkdtemp(join(scratch, "swept-"));
    await mkdir(join(own, "sluice-build-4194303-1700000000000-abcdef"));
    await build(artifactOf({ "a.yaml": configMap("swept") }), {}, { directory: own });
    expect(await readdir(own)).toEqual([]);
    await rm(own, { recursive: true });
  });

  it("renders equal input once", async () => {
    const files = { "a.yaml": forKustomize("once"), "other/readme.md": "1" };
    const first = await build(artifactOf(files), {});
    vi.stubEnv("SLUICE_KUBECTL", "/nonexistent/kubectl");
    try {
      const again = await build(artifactOf({ ...files, "other/readme.md": "2" }), {});
      expect(again).toEqual(first);
      expect(again.objects[0]).not.toBe(first.objects[0]);
      await expect(build(artifactOf(files), {}, { cache: false })).rejects.toThrow(/could not be started/);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("KS-226: the digest is that of the rendered text", async () => {
    const { digest } = await build(artifactOf({ "a.yaml": configMap("a", { b: "c" }) }), {});
    const text = "apiVersion: v1\ndata:\n  b: c\nkind: ConfigMap\nmetadata:\n  name: a\n";
    expect(digest).toBe(`sha256:${createHash("sha256").update(text).digest("hex")}`);
  });
});
