import { describe, expect, it } from "vitest";
import type { ArtifactGenerator, ArtifactGeneratorSpec, OutputArtifact } from "../../api/artifact-generator.ts";
import { expandOutputs } from "./expand.ts";
import { type ReadySource, sourcesDigest } from "./sources.ts";
import { emptyTree, makeDirectory, type Tree } from "./tree.ts";
import { specProblem } from "./validate.ts";

const copy = [{ from: "@a/{app}/**", to: "@artifact/{app}/" }];

function directories(...paths: string[]): Tree {
  const root = emptyTree();
  for (const path of paths) makeDirectory(root, path);
  return root;
}

function spec(pathPattern: string, ...artifacts: OutputArtifact[]): ArtifactGeneratorSpec {
  return { sources: [{ alias: "a", kind: "GitRepository", name: "a" }], pathPattern, artifacts };
}

const expanded = (given: ArtifactGeneratorSpec, tree: Tree) => expandOutputs(given, new Map([["a", tree]]));

describe("path patterns", () => {
  it("AG-021, AG-023: make one artifact of each directory that matches, named in lower case", async () => {
    const tree = directories(
      "apps/Web/envs/prod",
      "apps/Web/envs/test/deep",
      "apps/api/envs/prod",
      "apps/none",
      "other/x",
    );
    const given = spec("@a/apps/{app}/envs/{env}", {
      name: "{app}-{env}",
      copy: [{ from: "@a/apps/{app}/envs/{env}/**", to: "@artifact/{app}/", exclude: ["{x}"] }],
    });
    expect(await expanded(given, tree)).toEqual(
      [
        ["Web", "prod"],
        ["Web", "test"],
        ["api", "prod"],
      ].map(([app = "", env]) => ({
        name: `${app.toLowerCase()}-${env}`,
        labels: { app: app.toLowerCase(), env },
        copy: [{ from: `@a/apps/${app}/envs/${env}/**`, to: `@artifact/${app}/`, exclude: ["{x}"] }],
      })),
    );
    expect(await expanded(given, directories("apps"))).toEqual([]);
    const inOne = spec("@a/{app}-{env}.d", { name: "x-{app}-{env}", copy });
    expect((await expanded(inOne, directories("a-b-c.d", "a-bxd"))).map(({ name }) => name)).toEqual(["x-a-b-c"]);
  });

  it.each([
    ["@a/{}", "n", 'pathPattern "@a/{}": empty capture variable'],
    ["@a/{app}/{app}", "n", 'pathPattern "@a/{app}/{app}": duplicate capture variable "app"'],
    ["@a/{app", "n", 'pathPattern "@a/{app": invalid capture starting at offset 0: missing closing brace'],
    ["@a/x/app}", "n", 'pathPattern "@a/x/app}": invalid capture ending at offset 5: missing opening brace'],
    ["@a/{1app}", "n", 'capture variable "1app" must be a valid capture name matching [A-Za-z_][A-Za-z0-9_]*'],
    [
      "@a/{_app}",
      "n",
      'capture variable "_app" is not a valid Kubernetes label key: name part must consist of alphanumeric characters',
    ],
    ["@b/{app}", "n", 'pathPattern "@b/{app}": source alias b not found in local sources'],
    [
      "@a/{app}",
      "{env}",
      'failed to render artifact {env} for match .hidden: invalid template "{env}": capture variable "env" is not defined by pathPattern',
    ],
    ["@a/{app}", "{app", 'invalid template "{app": capture starting at offset 0 is missing closing brace'],
    ["@a/{app}", "app}", 'invalid template "app}": capture ending at offset 3 is missing opening brace'],
    [
      "@a/{app}",
      "",
      'rendered artifact name "" is not a valid Kubernetes object name: a lowercase RFC 1123 subdomain must consist',
    ],
  ])("AG-022: %s with the name %s cannot be expanded", async (pattern, name, message) => {
    // A name that begins with a dot is no label, which is seen first: these are about the pattern and the template.
    const tree = name === "n" ? directories("x") : directories(name === "{env}" ? "x" : "app");
    const words = message.replace("match .hidden", "match x");
    await expect(expanded(spec(pattern, { name, copy }), tree)).rejects.toThrow(words);
  });

  it.each([
    [
      ".hidden",
      ".hidden",
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ],
    ["x".repeat(64), "x".repeat(64), "must be no more than 63 bytes"],
    ["with space", "with space", "a valid label must be"],
  ])("AG-022: the directory %s is no value of a label", async (directory, value, words) => {
    const message = `captured value "${value}" for variable "app" is not a valid Kubernetes label value: ${words}`;
    await expect(expanded(spec("@a/{app}", { name: "{app}", copy }), directories(directory))).rejects.toThrow(message);
  });

  it("AG-022: two directories do not make artifacts of one name, and a label's value need not be a name", async () => {
    const given = spec("@a/{app}", { name: "{app}", copy });
    await expect(expanded(given, directories("Web", "web"))).rejects.toThrow(
      'pathPattern "@a/{app}": directories "Web" and "web" both resolve to artifact name "web"',
    );
    await expect(expanded(given, directories("a_b"))).rejects.toThrow(
      'rendered artifact name "a_b" is not a valid Kubernetes object name: a lowercase RFC 1123 subdomain must consist',
    );
  });

  it("AG-029: are held against paths in bounded time", async () => {
    const names = Array.from({ length: 40 }, (_, index) => `v${index}`);
    const pattern = `@a/${names.map((name) => `{${name}}`).join("")}!`;
    const start = performance.now();
    expect(await expanded(spec(pattern, { name: "x", copy }), directories("a".repeat(250)))).toEqual([]);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe("a generator's spec", () => {
  const source = (alias: string, namespace?: string) => ({
    alias,
    kind: "Bucket" as const,
    name: "b",
    ...(namespace === undefined ? {} : { namespace }),
  });
  const output = (name: string, more: Partial<OutputArtifact> = {}): OutputArtifact => ({ name, copy, ...more });
  const problem = (
    sources: ArtifactGeneratorSpec["sources"],
    artifacts: OutputArtifact[],
    more: { pathPattern?: string; noCrossNamespaceRefs?: boolean } = {},
  ) => {
    const { noCrossNamespaceRefs = false, ...rest } = more;
    const object: ArtifactGenerator = {
      apiVersion: "source.extensions.fluxcd.io/v1beta1",
      kind: "ArtifactGenerator",
      metadata: { name: "g", namespace: "own" },
      spec: { sources, artifacts, ...rest },
    };
    return specProblem(object, { noCrossNamespaceRefs });
  };

  it("AG-003: names each source and artifact once, and revisions of sources alone", () => {
    expect(problem([source("a"), source("b")], [output("x"), output("y", { revision: "@b" })])).toBeUndefined();
    expect(problem([source("a"), source("a")], [output("x")])).toEqual({
      reason: "ValidationFailed",
      message: "duplicate source alias 'a' found",
    });
    expect(problem([source("a")], [output("x"), output("x")])?.message).toBe("duplicate artifact name 'x' found");
    expect(problem([source("a")], [output("x", { revision: "@b" })])?.message).toBe(
      "artifact x revision source alias 'b' not found",
    );
    expect(problem([source("a")], [output("x", { originRevision: "@b" })])).toBeUndefined();
    expect(problem([source("a")], [output("{app}")])?.message).toContain(
      'artifact name "{app}" is not a valid Kubernetes object name: ',
    );
    expect(problem([source("a")], [output("{app}")], { pathPattern: "@a/{app}" })).toBeUndefined();
  });

  it("AG-004: reaches into other namespaces unless that is forbidden", () => {
    expect(problem([source("a", "other")], [output("x")])).toBeUndefined();
    expect(problem([source("a", "own")], [output("x")], { noCrossNamespaceRefs: true })).toBeUndefined();
    expect(problem([source("a", "other")], [output("x")], { noCrossNamespaceRefs: true })).toEqual({
      reason: "AccessDenied",
      message: "cross-namespace reference to source Bucket/other/b is not allowed",
    });
  });
});

it("AG-007: the digest of what the sources offer is the one of the original, in any order, and another address changes it", () => {
  const offered = (alias: string, digest: string, url: string): ReadySource => ({
    alias,
    reference: { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository", namespace: "x", name: alias },
    artifact: { digest, revision: "main@sha1:1", url, path: "", lastUpdateTime: "2026-01-01T00:00:00Z" },
  });
  const [git, oci] = [offered("git", "sha256:a", "http://x/a"), offered("an-oci", "sha256:b", "http://x/b")];
  const golden = "sha256:2434850cc74718d307ad5309ba4b416256fc1c7137e8039280985b1791901536";
  expect(sourcesDigest([git, oci])).toBe(golden);
  expect(sourcesDigest([oci, git])).toBe(golden);
  expect(sourcesDigest([oci, offered("git", "sha256:a", "http://y/a")])).not.toBe(golden);
});
