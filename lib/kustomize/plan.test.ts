import { describe, expect, it } from "vitest";
import { inputDigest } from "./build.ts";
import type { BuildSpec } from "./spec.ts";
import { artifactOf, configMap } from "./testdata/artifact-of.ts";

describe("the digest of the input", () => {
  const files = {
    "app/kustomization.yaml": {
      resources: ["a.yaml", "../base"],
      configMapGenerator: [{ name: "g", files: ["../f.txt"] }],
    },
    "app/a.yaml": configMap("a"),
    "base/kustomization.yaml": { resources: ["b.yaml"] },
    "base/b.yaml": configMap("b"),
    "f.txt": "1",
    "docs/readme.md": "1",
    "app/unused.yaml": "1",
  };
  const digest = inputDigest(artifactOf(files), { path: "app" });

  it.each([
    ["docs/readme.md", "2"],
    ["app/unused.yaml", "2"],
    ["app/more.txt", "2"],
    ["base/c.yaml", "2"],
  ])("decision 7: stays when %s changes, which the build does not reach", (path, content) => {
    expect(inputDigest(artifactOf({ ...files, [path]: content }), { path: "./app/" })).toBe(digest);
  });

  it.each([
    ["app/a.yaml", configMap("a", { x: "y" })],
    ["base/b.yaml", configMap("c")],
    ["f.txt", "2"],
    ["base/kustomization.yaml", { resources: ["b.yaml"], namePrefix: "x" }],
    ["app/kustomization.yaml", { resources: ["a.yaml"] }],
  ])("moves when %s changes, which it does", (path, content) => {
    expect(inputDigest(artifactOf({ ...files, [path]: content }), { path: "app" })).not.toBe(digest);
  });

  it("moves with the spec, and when a missing file appears", () => {
    const specs: BuildSpec[] = [
      { targetNamespace: "x" },
      { commonMetadata: { labels: { a: "b" } } },
      { images: [{ name: "x" }] },
      { patches: [{ patch: "x" }] },
    ];
    for (const spec of specs) expect(inputDigest(artifactOf(files), { path: "app", ...spec })).not.toBe(digest);
    const { "f.txt": _, ...without } = files;
    expect(inputDigest(artifactOf(without), { path: "app" })).not.toBe(digest);
    const refused = { "kustomization.yaml": { resources: ["/etc"] } };
    expect(inputDigest(artifactOf(refused), {})).toBe(inputDigest(artifactOf({ ...refused, x: "" }), {}));
  });
});
