import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { OpenArtifact } from "./artifact.ts";
import { build } from "./build.ts";
import { BuildFailed } from "./build-failed.ts";
import { keyOf, type RemoteContent } from "./remote-content.ts";
import { artifactOf, configMap } from "./testdata/artifact-of.ts";

/** One kustomization for each way to name a path. What it names is read by kustomize 5.8.1 where nothing keeps it from doing so. */
const fields: Record<string, (path: string) => object> = {
  resources: (path) => ({ resources: [path] }),
  bases: (path) => ({ bases: [path] }),
  components: (path) => ({ components: [path] }),
  crds: (path) => ({ crds: [path] }),
  configurations: (path) => ({ configurations: [path] }),
  openapi: (path) => ({ openapi: { path } }),
  patches: (path) => ({ patches: [{ path, target: { kind: "ConfigMap" } }] }),
  patchesJson6902: (path) => ({ patchesJson6902: [{ path, target: { version: "v1", kind: "ConfigMap", name: "x" } }] }),
  patchesStrategicMerge: (path) => ({ patchesStrategicMerge: [path] }),
  replacements: (path) => ({ replacements: [{ path }] }),
  "configMapGenerator files": (path) => ({ configMapGenerator: [{ name: "x", files: [path] }] }),
  "configMapGenerator files with a key": (path) => ({ configMapGenerator: [{ name: "x", files: [`key=${path}`] }] }),
  "configMapGenerator envs": (path) => ({ configMapGenerator: [{ name: "x", envs: [path] }] }),
  "configMapGenerator env": (path) => ({ configMapGenerator: [{ name: "x", env: path }] }),
  "secretGenerator files": (path) => ({ secretGenerator: [{ name: "x", files: [path] }] }),
  "secretGenerator envs": (path) => ({ secretGenerator: [{ name: "x", envs: [path] }] }),
  generators: (path) => ({ generators: [path] }),
  transformers: (path) => ({ transformers: [path] }),
  validators: (path) => ({ validators: [path] }),
  "an inline generator": (path) => ({ generators: [JSON.stringify(plugin("ConfigMapGenerator", { files: [path] }))] }),
  "an inline patch": (path) => ({ transformers: [JSON.stringify(plugin("PatchTransformer", { path }))] }),
  "an inline JSON patch": (path) => ({ transformers: [JSON.stringify(plugin("PatchJson6902Transformer", { path }))] }),
  "an inline list of patches": (path) => ({
    transformers: [JSON.stringify(plugin("PatchStrategicMergeTransformer", { paths: [path] }))],
  }),
  "an inline replacement": (path) => ({
    transformers: [JSON.stringify(plugin("ReplacementTransformer", { replacements: [{ path }] }))],
  }),
  "an inline value": (path) => ({
    transformers: [JSON.stringify(plugin("ValueAddTransformer", { targetFilePath: path }))],
  }),
  "another case": (path) => ({ ConfigMapGENERATOR: [{ Name: "x", FILES: [path] }] }),
  "letters that fold": (path) => ({ configMapGenerator: [{ name: "x", "file\u017f": [path] }] }),
};

function plugin(kind: string, more: object): object {
  return { apiVersion: "builtin", kind, metadata: { name: "x" }, name: "x", ...more };
}

const base = "https://git.test/org/repo.git//base";

/** An artifact whose kustomization has a remote base, which was fetched and holds this kustomization. */
function withBase(kustomization: object): OpenArtifact {
  const repository = { url: "https://git.test/org/repo.git", ref: "HEAD", submodules: true, milliseconds: 27_000 };
  const tree = artifactOf({ "base/kustomization.yaml": kustomization });
  const remotes = new Map<string, RemoteContent>([
    [keyOf({ type: "file", url: base }), { type: "status", status: 404 }],
    [keyOf({ type: "repository", ...repository }), { type: "repository", tree, bytes: 1, revision: "sha1:1" }],
  ]);
  return { ...artifactOf({ "app/kustomization.yaml": { resources: [base] } }), remotes };
}

const outside = [
  "/proc/self/environ",
  "/proc/1/environ",
  "/etc/passwd",
  "../../../outside",
  "../../../../../../../../../../etc/passwd",
  "a/../../../../etc/passwd",
  "./..//../../etc/passwd",
];

const remote = ["https://example.com/base.yaml", "HTTPS://user:secret@example.com/x", "http://169.254.169.254/latest"];

describe("the fence around the artifact", () => {
  // Whatever passes the fence would be started, and that fails with another error: no case can pass by kustomize's own refusal.
  beforeEach(() => vi.stubEnv("SLUICE_KUBECTL", "/nonexistent/kubectl"));
  afterEach(() => vi.unstubAllEnvs());

  const places: [string, (kustomization: object) => Record<string, object | string>][] = [
    ["the kustomization at spec.path", (kustomization) => ({ "app/kustomization.yaml": kustomization })],
    [
      "a base",
      (kustomization) => ({
        "app/kustomization.yaml": { resources: ["../base"] },
        "base/kustomization.yml": kustomization,
      }),
    ],
    [
      "a base of a generated kustomization",
      (kustomization) => ({ "app/a.yaml": configMap("a"), "app/sub/Kustomization": kustomization }),
    ],
    [
      "a component",
      (kustomization) => ({
        "app/kustomization.yaml": { components: ["../part"] },
        "part/kustomization.yaml": {
          apiVersion: "kustomize.config.k8s.io/v1alpha1",
          kind: "Component",
          ...kustomization,
        },
      }),
    ],
    [
      "a base of a component of a base",
      (kustomization) => ({
        "app/kustomization.yaml": { resources: ["base"] },
        "app/base/kustomization.yaml": { components: ["part"] },
        "app/base/part/kustomization.yaml": { kind: "Component", resources: ["../../../far"] },
        "far/kustomization.yaml": kustomization,
      }),
    ],
  ];

  describe.each(places)("SN-02, KS-070: in %s", (_, place) => {
    it.each(Object.keys(fields))("refuses what lies outside in %s", async (field) => {
      for (const path of outside) {
        const artifact = artifactOf(place(fields[field]?.(path) ?? {}));
        const failure = await build(artifact, { path: "app" }).catch((error: unknown) => error);
        expect(failure, path).toBeInstanceOf(BuildFailed);
        expect(String(failure)).toMatch(
          /kustomize build failed: security; path '.*' is not in or below the root of the artifact/,
        );
      }
    });

    it.each(Object.keys(fields))("KS-071: refuses what is remote in %s", async (field) => {
      for (const path of remote) {
        const artifact = artifactOf(place(fields[field]?.(path) ?? {}));
        const failure = await build(artifact, { path: "app" }).catch((error: unknown) => error);
        expect(String(failure), path).toMatch(
          /fs-security-constraint abs .* remote bases are disabled|no address of a repo/,
        );
        expect(String(failure)).not.toContain("secret@");
      }
    });
  });

  describe("SN-02, KS-070: in a remote base", () => {
    it.each(Object.keys(fields))("SN-02, KS-070: refuses what lies outside of its repository in %s", async (field) => {
      for (const path of [...outside, "../../x", "../../app/kustomization.yaml"]) {
        const artifact = withBase({ kind: "Kustomization", ...fields[field]?.(path) });
        const failure = await build(artifact, { path: "app" }).catch((error: unknown) => error);
        expect(String(failure), path).toMatch(
          /kustomize build failed: security; path '.*' in .* is not in or below the repository that names it/,
        );
      }
    });

    it.each(Object.keys(fields))("SN-02, KS-071: refuses what was not fetched in %s", async (field) => {
      for (const path of remote) {
        const failure = await build(withBase({ ...fields[field]?.(path) }), { path: "app" }).catch(String);
        expect(String(failure), path).toMatch(/remote bases are disabled|no address of a repo/);
      }
    });
  });

  it.each([
    "git@github.com:o/r.git",
    "github.com/o/r",
    "ssh://h/o/r",
    "file:///etc",
    "git::https://h/o/r",
    "me@host:o/r",
  ])("KS-071: refuses to clone %s", async (path) => {
    for (const field of ["resources", "bases", "components", "generators", "transformers"]) {
      const artifact = artifactOf({ "kustomization.yaml": { [field]: [path] } });
      await expect(build(artifact, {}), field).rejects.toThrow(/remote bases are disabled|is not of the artifact/);
    }
  });

  it("follows the configuration of a plugin in a file, whose paths are those of who names it", async () => {
    const files = { "app/x/generator.yaml": plugin("ConfigMapGenerator", { files: ["../../outside"] }) };
    for (const generators of [["x/generator.yaml"], ["x"]]) {
      const artifact = artifactOf({
        ...files,
        "app/kustomization.yaml": { generators },
        "app/x/kustomization.yaml": { resources: ["generator.yaml"] },
      });
      await expect(build(artifact, { path: "app" })).rejects.toThrow(/security; path '..\/..\/outside'/);
    }
  });

  it("refuses a directory of plugins that changes them after the check", async () => {
    const artifact = artifactOf({
      "kustomization.yaml": { generators: ["x"] },
      "x/kustomization.yaml": {
        resources: ["generator.yaml"],
        patches: [
          {
            patch: '[{"op":"add","path":"/files","value":["/proc/self/environ"]}]',
            target: { kind: "ConfigMapGenerator" },
          },
        ],
      },
      "x/generator.yaml": plugin("ConfigMapGenerator", {}),
    });
    await expect(build(artifact, {})).rejects.toThrow(/may hold resources alone, not patches/);
  });

  it("refuses a patch that becomes a path where it is no object", async () => {
    for (const text of [
      "x: [null]\n/../../../../etc/passwd",
      "https://example.com/x: {}",
      "a: b\n#/../../../proc/self/environ",
    ]) {
      const artifact = artifactOf({ "kustomization.yaml": { patchesStrategicMerge: [text] } });
      await expect(build(artifact, {})).rejects.toThrow(/security;|is neither an object nor an address/);
    }
  });

  it("refuses a field that is given twice in different case", async () => {
    const text = 'resources: []\nResources: ["/proc/self/environ"]\n';
    await expect(build(artifactOf({ "kustomization.yaml": text }), {})).rejects.toThrow(/more than once/);
  });

  it.each([
    ["helmCharts", { helmCharts: [{ name: "x", valuesFile: "/proc/self/environ" }] }, /must specify --enable-helm/],
    ["the old Helm field", { helmChartInflationGenerator: [{ chartName: "x" }] }, /must specify --enable-helm/],
    [
      "Helm as a plugin",
      { generators: [JSON.stringify(plugin("HelmChartInflationGenerator", {}))] },
      /must specify --enable-helm/,
    ],
    [
      "a program",
      {
        transformers: [
          "apiVersion: x/v1\nkind: Run\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: ./run.sh}\n",
        ],
      },
      /external plugins disabled; unable to load external plugin 'Run'/,
    ],
  ])("KS-072: refuses %s", async (_, kustomization, message) => {
    await expect(build(artifactOf({ "kustomization.yaml": kustomization }), {})).rejects.toThrow(message);
    const base = { "kustomization.yaml": { resources: ["base"] }, "base/kustomization.yaml": kustomization };
    await expect(build(artifactOf(base), {})).rejects.toThrow(message);
  });

  it("refuses aliases that multiply, wherever kustomize would copy what they name", async () => {
    const levels = Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`);
    const bomb = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\na0: &a0 [x]\n${levels.join("\n")}\n`;
    const patch = { patches: [{ patch: bomb, target: { kind: "ConfigMap" } }] };
    const transformers = [JSON.stringify(plugin("PatchTransformer", { patch: bomb, target: { kind: "ConfigMap" } }))];
    for (const files of [
      { "a.yaml": bomb },
      { "kustomization.yaml": { resources: ["a.yaml"] }, "a.yaml": bomb },
      { "kustomization.yaml": { resources: ["b"] }, "b/kustomization.yaml": patch },
      { "kustomization.yaml": { patchesStrategicMerge: [bomb] } },
      { "kustomization.yaml": { patchesStrategicMerge: [`${bomb}more: [${"*a0, ".repeat(2000)}]\n`] } },
      { "kustomization.yaml": { transformers } },
      { "a.yaml": `${bomb}`, "b.yaml": configMap("b") },
    ])
      await expect(build(artifactOf(files), {})).rejects.toThrow(/document contains excessive aliasing/);
    await expect(build(artifactOf({ "a.yaml": configMap("a") }), { patches: patch.patches })).rejects.toThrow(
      /excessive aliasing/,
    );
    const few = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: &l {a: b}, annotations: *l}\n";
    await expect(build(artifactOf({ "a.yaml": few }), {})).rejects.toThrow(/could not be started/);
  });
});
