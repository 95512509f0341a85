import { describe, expect, it } from "vitest";
import { build } from "./build.ts";
import { readObjects } from "./rendered-objects.ts";
import type { BuildSpec } from "./spec.ts";
import { artifactOf, configMap, deployment } from "./testdata/artifact-of.ts";
import { renderWith, renderWithout } from "./testdata/both-renders.ts";
import { certain, named, uncertain } from "./testdata/odd-manifests.ts";

describe("manifests without kustomize", () => {
  it.each(certain)("KS-051, SN-04: the same as from kustomize: %s", async (_, text) => {
    const artifact = artifactOf({ "a.yaml": text });
    const ours = renderWithout(artifact, {});
    expect({ output: "yaml" in ours ? ours.yaml : ours.doubt }).toEqual(await renderWith(artifact, {}));
    // The objects are those in the text, their keys in the same order.
    if ("yaml" in ours) expect(JSON.stringify(ours.objects)).toBe(JSON.stringify(readObjects(ours.yaml)));
  });

  it.each(uncertain)("SN-04: left to kustomize: %s (%#)", (reason, text) => {
    expect(renderWithout(artifactOf({ "a.yaml": text }), {})).toEqual({ doubt: reason });
  });

  it("SN-04: bytes that are not UTF-8 are left to kustomize", () => {
    const artifact = artifactOf({ "a.yaml": named("a", "") });
    const files = new Map([["a.yaml", { content: Buffer.from([0x61, 0xff]), executable: false }]]);
    expect(renderWithout({ ...artifact, files }, {})).toEqual({ doubt: "not UTF-8" });
  });
});

const base = { "base/kustomization.yaml": { resources: ["a.yaml"] }, "base/a.yaml": configMap("a") };
const builds: [string, Record<string, string | object>, BuildSpec, string?][] = [
  [
    "a tree without a kustomization",
    { "z.yaml": configMap("z"), "b/c.yml": configMap("c"), "b-a/d.yaml": configMap("d") },
    {},
  ],
  [
    "images",
    { "a.yaml": deployment("a", "nginx:1"), "b.yaml": deployment("b", "example.com/nginx@sha256:abc") },
    {
      images: [
        { name: "nginx", newTag: "2" },
        { name: "example.com/nginx", newName: "example.org/nginx" },
      ],
    },
  ],
  [
    "an image that is no text",
    { "a.yaml": { ...configMap("a"), containers: [{ image: 1 }] } },
    { images: [{ name: "nginx", newTag: "2" }] },
    "an image that is no text",
  ],
  [
    "containers that are nothing",
    { "a.yaml": { ...configMap("a"), spec: { containers: null } } },
    { images: [{ name: "nginx", newTag: "2" }] },
    "an image in an unusual place",
  ],
  [
    "a template that is a text",
    { "a.yaml": { ...configMap("a"), spec: { template: "x" } } },
    { images: [{ name: "nginx", newTag: "2" }] },
    "an image in an unusual place",
  ],
  ["files that hold nothing", { "a.yaml": "", "b.yaml": "# none\n", "c.yaml": configMap("c") }, {}],
  ["nothing but files that hold nothing", { "a.yaml": "", "b.yaml": "# none\n", "c.yaml": "---\n" }, {}],
  [
    "more than is rendered here",
    Object.fromEntries(["a", "b", "c"].map((name) => [`${name}.yaml`, configMap(name, { k: "x".repeat(1_500_000) })])),
    {},
    "more than is rendered at once",
  ],
  ["a directory with its own", { ...base, "x.yaml": configMap("x") }, { namePrefix: "p-" }],
  [
    "bases in bases",
    {
      ...base,
      "mid/kustomization.yaml": { resources: ["../base"], namePrefix: "m-" },
      "top/kustomization.yaml": { resources: ["../mid"], nameSuffix: "-t", namespace: "there" },
    },
    { path: "top" },
  ],
  [
    "a file of another directory",
    { ...base, "top/kustomization.yaml": { resources: ["../base/a.yaml"] } },
    { path: "top" },
  ],
  [
    "what the spec says wins",
    { "kustomization.yaml": { resources: ["a.yaml"], namespace: "a", namePrefix: "a-" }, "a.yaml": configMap("a") },
    { targetNamespace: "b", namePrefix: "b-", nameSuffix: "-c" },
  ],
  [
    "the namespace itself",
    { "a.yaml": { apiVersion: "v1", kind: "Namespace", metadata: { name: "n" } } },
    { targetNamespace: "n", namePrefix: "p-" },
  ],
  [
    "another namespace",
    { "a.yaml": { apiVersion: "v1", kind: "Namespace", metadata: { name: "m" } } },
    { targetNamespace: "n" },
    "another namespace, which would be renamed",
  ],
  ["a name that would be a number", { "a.yaml": configMap("e5") }, { namePrefix: "1" }, "a text that needs quotes"],
  [
    "a base around its user",
    { "kustomization.yaml": { resources: ["sub"] }, "sub/kustomization.yaml": { resources: ["../"] } },
    {},
    "a directory around the one that names it",
  ],
  ["the same base twice", { ...base, "kustomization.yaml": { resources: ["base", "base"] } }, {}, "an id twice"],
  ["a file that is not there", { "kustomization.yaml": { resources: ["none.yaml"] } }, {}, "no kustomization"],
  ["nothing", { "a.txt": "" }, {}, "no resources"],
  ["a patch", { "a.yaml": configMap("a") }, { patches: [{ patch: "[]" }] }, "the field patches"],
  [
    "a component",
    {
      "kustomization.yaml": {
        resources: ["a.yaml"],
        kind: "Component",
        apiVersion: "kustomize.config.k8s.io/v1alpha1",
      },
      "a.yaml": configMap("a"),
    },
    {},
    "a kustomization of another kind",
  ],
  [
    "a generator in a base",
    {
      ...base,
      "base/kustomization.yaml": { resources: ["a.yaml"], configMapGenerator: [{ name: "g" }] },
      "kustomization.yaml": { resources: ["base"] },
    },
    {},
    "the field configMapGenerator",
  ],
];

describe("kustomizations without kustomize", () => {
  it.each(builds)("KS-050, KS-055, KS-057: %s", async (_, files, spec, doubt) => {
    const artifact = artifactOf(files);
    const ours = renderWithout(artifact, spec);
    if (doubt !== undefined) expect(ours).toEqual({ doubt });
    else expect({ output: "yaml" in ours ? ours.yaml : ours.doubt }).toEqual(await renderWith(artifact, spec));
  });

  it("KS-061: what one build makes of an artifact is nothing to another", async () => {
    const artifact = artifactOf(base);
    const once = await build(artifact, { path: "base", namePrefix: "one-", targetNamespace: "one" });
    const again = await build(artifact, { path: "base" });
    expect([once, again].map(({ objects }) => objects.map(({ metadata }) => metadata))).toEqual([
      [{ name: "one-a", namespace: "one" }],
      [{ name: "a" }],
    ]);
  });
});
