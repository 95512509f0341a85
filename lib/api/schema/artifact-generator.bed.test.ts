import { beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../../test/bed/bed.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import { verdictOn } from "../../../test/bed/verdict.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import type { KubernetesObject } from "../object.ts";

const source = { alias: "a", kind: "GitRepository", name: "a" };
const copy = [{ from: "@a/**", to: "@artifact/" }];
const output = { name: "out", copy };
const names = "artifact names must be valid Kubernetes object names when pathPattern is not set";

describe("the schema of an ArtifactGenerator", () => {
  let client: ClusterClient;
  let namespace: string;

  beforeAll(async () => {
    client = (await installedCluster()).client;
    namespace = await uniqueNamespace("generator-schema");
  });

  const generator = (spec: Record<string, unknown>): KubernetesObject => ({
    apiVersion: "source.extensions.fluxcd.io/v1beta1",
    kind: "ArtifactGenerator",
    metadata: { name: "app", namespace },
    spec: { sources: [source], artifacts: [output], ...spec },
  });

  it.each([
    ["what is usual", {}, ""],
    ["no source", { sources: [] }, "spec.sources in body should have at least 1 items"],
    ["1001 sources", { sources: Array.from({ length: 1001 }, () => source) }, "must have at most 1000 items"],
    ["an alias with underscores", { sources: [{ ...source, alias: "a_b-1" }] }, ""],
    [
      "an alias that ends with one",
      { sources: [{ ...source, alias: "a_" }] },
      "spec.sources[0].alias in body should match",
    ],
    ["an alias in upper case", { sources: [{ ...source, alias: "A" }] }, "spec.sources[0].alias in body should match"],
    ["a long alias", { sources: [{ ...source, alias: "a".repeat(64) }] }, "may not be more than 63 bytes"],
    ["a HelmChart", { sources: [{ ...source, kind: "HelmChart" }] }, ""],
    [
      "an ExternalArtifact of another namespace",
      { sources: [{ ...source, kind: "ExternalArtifact", namespace: "x" }] },
      "",
    ],
    [
      "a HelmRepository",
      { sources: [{ ...source, kind: "HelmRepository" }] },
      "spec.sources[0].kind: Unsupported value",
    ],
    [
      "a source's name with dots",
      { sources: [{ ...source, name: "a.b" }] },
      "spec.sources[0].name in body should match",
    ],
    ["no artifact", { artifacts: [] }, "spec.artifacts in body should have at least 1 items"],
    ["1001 artifacts", { artifacts: Array.from({ length: 1001 }, () => output) }, "must have at most 1000 items"],
    [
      "no copy",
      { artifacts: [{ name: "out", copy: [] }] },
      "spec.artifacts[0].copy in body should have at least 1 items",
    ],
    ["a revision", { artifacts: [{ ...output, revision: "@a", originRevision: "@a" }] }, ""],
    [
      "a revision without an alias",
      { artifacts: [{ ...output, revision: "a" }] },
      "spec.artifacts[0].revision in body should match",
    ],
    ["a name with dots", { artifacts: [{ ...output, name: "a.b-c" }] }, ""],
    ["a name that is none", { artifacts: [{ ...output, name: "A" }] }, names],
    ["a capture without a pattern", { artifacts: [{ ...output, name: "{app}" }] }, names],
    ["a capture with a pattern", { pathPattern: "@a/{app}", artifacts: [{ ...output, name: "{app}" }] }, ""],
    ["a pattern without an alias", { pathPattern: "apps/{app}" }, "spec.pathPattern in body should match"],
    [
      "a copy from nowhere",
      { artifacts: [{ name: "out", copy: [{ from: "a/**", to: "@artifact/" }] }] },
      "copy[0].from in body should match",
    ],
    [
      "a copy to elsewhere",
      { artifacts: [{ name: "out", copy: [{ from: "@a/**", to: "@other/" }] }] },
      "copy[0].to in body should match",
    ],
    [
      "101 patterns to exclude",
      { artifacts: [{ name: "out", copy: [{ ...copy[0], exclude: Array.from({ length: 101 }, () => "*.md") }] }] },
      "must have at most 100 items",
    ],
    ["a strategy", { artifacts: [{ name: "out", copy: [{ ...copy[0], strategy: "Extract" }] }] }, ""],
    [
      "an unknown strategy",
      { artifacts: [{ name: "out", copy: [{ ...copy[0], strategy: "Move" }] }] },
      "copy[0].strategy: Unsupported value",
    ],
  ])("AG-001, AG-002, AG-011, AG-012: %s", async (_what, spec, words) => {
    const verdict = await verdictOn(client, generator(spec));
    if (words === "") expect(verdict).toBe("accepted");
    else expect(verdict).toContain(words);
  });
});
