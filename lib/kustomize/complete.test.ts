import { describe, expect, it } from "vitest";
import { build } from "./build.ts";
import { BuildFailed } from "./build-failed.ts";
import type { BuildSpec } from "./spec.ts";
import { artifactOf, configMap, deployment } from "./testdata/artifact-of.ts";

async function rendered(files: Record<string, string | object>, spec: BuildSpec) {
  return (await build(artifactOf(files), spec)).objects;
}

describe("KS-055: names and namespaces", () => {
  const files = {
    "kustomization.yaml": { resources: ["a.yaml"], namespace: "a", namePrefix: "own-", nameSuffix: "-own" },
    "a.yaml": configMap("x"),
  };

  it("of the spec take the place of the file's", async () => {
    const objects = await rendered(files, { targetNamespace: "b", namePrefix: "p-", nameSuffix: "-s" });
    expect(objects.map(({ kind, metadata }) => [kind, metadata])).toEqual([
      ["ConfigMap", { name: "p-x-s", namespace: "b" }],
    ]);
  });

  it("of the file stay where the spec has none", async () => {
    const [object] = await rendered(files, {});
    expect(object?.metadata).toEqual({ name: "own-x-own", namespace: "a" });
  });

  it("reach manifests without a kustomization", async () => {
    const [object] = await rendered({ "a.yaml": configMap("x") }, { targetNamespace: "b" });
    expect(object?.metadata).toEqual({ name: "x", namespace: "b" });
  });
});

describe("KS-056: patches", () => {
  const files = { "a.yaml": configMap("a", { x: "1" }), "b.yaml": configMap("b"), "c.yaml": configMap("c") };
  const remove = (name: string) => `$patch: delete\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n`;
  const names = async (patches: BuildSpec["patches"]) =>
    (await rendered(files, { patches: patches ?? [] })).map(({ metadata }) => metadata.name);

  it("two deletions in one patch", async () =>
    expect(await names([{ patch: `${remove("a")}---\n${remove("b")}` }])).toEqual(["c"]));

  it("two deletions in two patches", async () =>
    expect(await names([{ patch: remove("a") }, { patch: remove("b") }])).toEqual(["c"]));

  it("a deletion with a target", async () =>
    expect(await names([{ patch: remove("a"), target: { kind: "ConfigMap", name: "b|c" } }])).toEqual(["a"]));

  it("a JSON patch on whatever a selector matches", async () => {
    const labelled = (name: string, tier: string) => ({ ...configMap(name), metadata: { name, labels: { tier } } });
    const objects = await rendered(
      { "a.yaml": labelled("a", "front"), "b.yaml": labelled("b", "back") },
      {
        patches: [
          {
            patch: '- op: add\n  path: /data/x\n  value: "2"\n',
            target: { version: "v1", kind: "ConfigMap", labelSelector: "tier in (front)" },
          },
        ],
      },
    );
    expect(objects.map(({ data }) => data)).toEqual([{ x: "2" }, {}]);
  });

  it.each([
    [{ annotationSelector: "note=yes" }, ["b"]],
    [{ labelSelector: "app in (c)" }, ["c"]],
    [{ name: "[ab]" }, ["a", "b"]],
    // A pattern is of the whole name.
    [{ name: "" }, ["a", "b", "c"]],
    [{ name: "x" }, []],
    [{ group: "apps", version: "v1" }, ["c"]],
    [{ kind: "Config.*", namespace: "n" }, ["a"]],
  ])("a target of %o", async (target, expected) => {
    const manifests = [
      { ...configMap("a"), metadata: { name: "a", namespace: "n" } },
      { ...configMap("b"), metadata: { name: "b", annotations: { note: "yes" } } },
      { ...deployment("c", "c"), metadata: { name: "c", labels: { app: "c" } } },
    ];
    const patch = '[{"op":"add","path":"/metadata/generateName","value":"hit"}]';
    const objects = await rendered(
      { "a.yaml": manifests.map((each) => JSON.stringify(each)).join("\n---\n") },
      {
        patches: [{ patch, target }],
      },
    );
    const hit = objects.filter(({ metadata }) => "generateName" in metadata);
    expect(hit.map(({ metadata }) => metadata.name)).toEqual(expected);
  });

  it("come after the file's own, in their order", async () => {
    const set = (value: string) => ({ patch: JSON.stringify(configMap("a", { x: value })) });
    const own = { "kustomization.yaml": { resources: ["a.yaml"], patches: [set("file")] }, "a.yaml": configMap("a") };
    const [first] = await rendered(own, {});
    expect(first?.data).toEqual({ x: "file" });
    const [object] = await rendered(own, { patches: [set("first"), set("second")] });
    expect(object?.data).toEqual({ x: "second" });
  });

  it("KS-241: those of older API versions are objects and operations", async () => {
    const [object] = await rendered(
      { "a.yaml": configMap("a", { x: "1" }) },
      {
        patchesStrategicMerge: [configMap("a", { y: "2" })],
        patchesJson6902: [
          {
            patch: [{ op: "replace", path: "/data/x", value: "3" }],
            target: { version: "v1", kind: "ConfigMap", name: "a" },
          },
        ],
      },
    );
    expect(object?.data).toEqual({ x: "3", y: "2" });
  });
});

describe("KS-057: images", () => {
  const name = "example.com/app";
  const other = "registry.example.com/app";
  const digest = `sha256:${"a".repeat(64)}`;

  it.each([
    ["a tag stays with a new name", [{ name, newTag: "1" }], { newName: other }, `${other}:1`],
    ["a name stays with a new tag", [{ name, newName: other }], { newTag: "2" }, `${other}:2`],
    ["a digest stays with a new name", [{ name, digest }], { newName: other }, `${other}@${digest}`],
    ["a new tag replaces a digest", [{ name, digest }], { newTag: "2" }, `${name}:2`],
    ["a new digest replaces a tag", [{ name, newTag: "1" }], { digest }, `${name}@${digest}`],
    ["a name stays when a tag replaces a digest", [{ name, newName: other, digest }], { newTag: "2" }, `${other}:2`],
    ["a tag and a digest together", [{ name, newTag: "1" }], { newTag: "2", digest }, `${name}:2@${digest}`],
    ["only a name changes nothing", [{ name, newName: other, newTag: "1" }], {}, `${other}:1`],
    ["all that is set wins", [{ name, newName: "old", newTag: "1" }], { newName: other, newTag: "2" }, `${other}:2`],
    ["an unknown name is added", [], { newName: other, newTag: "2" }, `${other}:2`],
  ])("%s", async (_, images, added, expected) => {
    const files = { "kustomization.yaml": { resources: ["d.yaml"], images }, "d.yaml": deployment("app", name) };
    const [object] = await rendered(files, { images: [{ name, ...added }] });
    expect(object?.spec).toMatchObject({ template: { spec: { containers: [{ image: expected }] } } });
  });
});

describe("KS-058: components", () => {
  const component = (prefix: string) => ({
    apiVersion: "kustomize.config.k8s.io/v1alpha1",
    kind: "Component",
    namePrefix: prefix,
  });
  const files = {
    "app/kustomization.yaml": { resources: ["a.yaml"], components: ["own"] },
    "app/a.yaml": configMap("a"),
    "app/own/kustomization.yaml": component("own-"),
    "parts/x/kustomization.yaml": component("x-"),
  };

  it("are added to the file's, and may lie anywhere in the artifact", async () => {
    const [object] = await rendered(files, { path: "app", components: ["../parts/x"] });
    expect(object?.metadata.name).toBe("x-own-a");
  });

  it("are left out where they are missing and that is allowed", async () => {
    const spec = { path: "app", components: ["../parts/none", "../../outside", "../parts/x"] };
    const [object] = await rendered(files, { ...spec, ignoreMissingComponents: true });
    expect(object?.metadata.name).toBe("x-own-a");
    await expect(rendered(files, { ...spec, components: ["none"] })).rejects.toThrow(/accumulating components/);
    await expect(rendered(files, spec)).rejects.toThrow(/security; path '..\/..\/outside' in components/);
  });

  it.each([
    "/x",
    "file:///x",
    "http://h/x",
    "https://h/x",
    "ssh://h/x",
    "git@h:x",
    "git::https://h/x",
    "gh:o/r",
    "github.com/o/r",
    "github.com:o/r",
    "HTTPS://h/x",
  ])("%s is refused", async (path) => {
    await expect(rendered(files, { path: "app", components: [path] })).rejects.toThrow(
      new BuildFailed(`component path '${path}' must be local and relative`),
    );
  });
});

describe("KS-060: the first file is read as leniently as Flux reads it", () => {
  it("numbers and booleans become text, and names match in any case", async () => {
    const text =
      "Resources: [a.yaml]\ncommonLabels: {version: 12, enabled: true}\nimages: [{name: x, newTag: 1.5}]\nunknown: 1\n";
    const [object] = await rendered({ "kustomization.yaml": text, "a.yaml": deployment("a", "x") }, {});
    expect(object?.metadata.labels).toEqual({ version: "12", enabled: "true" });
    expect(object?.spec).toMatchObject({ template: { spec: { containers: [{ image: "x:1.5" }] } } });
  });
});
