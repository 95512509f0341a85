import { beforeAll, describe, expect, it } from "vitest";
import { build } from "./build.ts";
import { artifactOf, configMap } from "./testdata/artifact-of.ts";
import { kustomizeItself } from "./testdata/kustomize-itself.ts";
import { around, builtin, resources } from "./testdata/transformer-data.ts";

const cases: [string, object][] = [
  ["namespace, with subjects of bindings", { namespace: "other" }],
  ["namePrefix and nameSuffix, with every reference", { namePrefix: "p-", nameSuffix: "-s" }],
  ["commonLabels, with selectors", { commonLabels: { team: "a", "app.kubernetes.io/part-of": "x" } }],
  [
    "labels",
    {
      labels: [
        { pairs: { a: "b" } },
        { pairs: { c: "d" }, includeSelectors: true },
        { pairs: { e: "f" }, includeTemplates: true },
      ],
    },
  ],
  [
    "labels with fields of their own",
    { labels: [{ pairs: { a: "b" }, fields: [{ path: "spec/labels", create: true, kind: "Foo" }] }] },
  ],
  ["commonAnnotations", { commonAnnotations: { note: "all", other: "x" } }],
  [
    "replicas",
    {
      replicas: [
        { name: "app", count: 3 },
        { name: "db", count: 0 },
      ],
    },
  ],
  [
    "images by tag, digest and name",
    {
      images: [
        { name: "example.com/app", newName: "other.test/app", newTag: "2" },
        { name: "db", digest: `sha256:${"a".repeat(64)}` },
      ],
    },
  ],
  ["images with a suffix of the tag", { images: [{ name: "example.com/app", tagSuffix: "-debug" }] }],
  ["imageTags, which images were once", { imageTags: [{ name: "db", newTag: "9" }] }],
  [
    "configMapGenerator",
    {
      configMapGenerator: [
        {
          name: "generated",
          files: ["text.txt", "key=binary.bin"],
          envs: ["some.env"],
          literals: ["x=y", "quoted='z'"],
        },
      ],
    },
  ],
  [
    "generatorOptions",
    {
      configMapGenerator: [{ name: "generated", literals: ["a=b"] }],
      generatorOptions: { disableNameSuffixHash: true, immutable: true, labels: { g: "1" }, annotations: { h: "2" } },
    },
  ],
  [
    "options of one generator",
    {
      configMapGenerator: [{ name: "generated", literals: ["a=b"], options: { labels: { g: "1" } } }],
      generatorOptions: { disableNameSuffixHash: true },
    },
  ],
  [
    "secretGenerator",
    {
      secretGenerator: [
        { name: "s", type: "kubernetes.io/tls", files: ["tls.crt=text.txt", "tls.key=binary.bin"] },
        { name: "e", env: "some.env" },
      ],
    },
  ],
  [
    "a generator that merges and one that replaces",
    { configMapGenerator: [{ name: "config", behavior: "merge", literals: ["HOST=new.test"] }] },
  ],
  [
    "patches with every selector",
    {
      patches: [
        { path: "patch.yaml" },
        {
          patch: '[{"op":"add","path":"/metadata/labels/x","value":"y"}]',
          target: { group: "apps", version: "v1", kind: "StatefulSet", name: "d.*", labelSelector: "tier=data" },
        },
        {
          patch: '[{"op":"add","path":"/spec/type","value":"NodePort"}]',
          target: { annotationSelector: "note in (service)" },
        },
        { patch: '[{"op":"add","path":"/spec/x","value":1}]', target: { kind: "Fo+", namespace: "" } },
      ],
    },
  ],
  [
    "patches that rename and change the kind",
    {
      patches: [
        {
          patch: JSON.stringify(configMap("renamed")),
          target: { kind: "ConfigMap" },
          options: { allowNameChange: true },
        },
      ],
    },
  ],
  [
    "a patch that deletes",
    { patches: [{ patch: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"config"},"$patch":"delete"}' }] },
  ],
  [
    "patchesStrategicMerge by path and in place",
    { patchesStrategicMerge: ["patch.yaml", JSON.stringify(configMap("config", { inline: "yes" }))] },
  ],
  [
    "patchesJson6902",
    {
      patchesJson6902: [
        { path: "patch.json", target: { version: "v1", kind: "ConfigMap", name: "config" } },
        { patch: "- {op: remove, path: /data/HOST}", target: { version: "v1", kind: "ConfigMap", name: "config" } },
      ],
    },
  ],
  [
    "replacements by path and in place",
    {
      replacements: [
        { path: "replacement.yaml" },
        {
          source: {
            kind: "Deployment",
            name: "app",
            fieldPath: "spec.template.spec.containers.0.image",
            options: { delimiter: ":", index: 1 },
          },
          targets: [
            {
              select: { kind: "StatefulSet" },
              reject: [{ name: "none" }],
              fieldPaths: ["metadata.labels.[app.kubernetes.io/version]"],
              options: { create: true },
            },
          ],
        },
      ],
    },
  ],
  [
    "a replacement with a value of its own",
    {
      replacements: [{ sourceValue: "given", targets: [{ select: { kind: "ConfigMap" }, fieldPaths: ["data.HOST"] }] }],
    },
  ],
  [
    "vars",
    {
      vars: [
        {
          name: "SERVICE",
          objref: { apiVersion: "v1", kind: "Service", name: "app" },
          fieldref: { fieldPath: "metadata.name" },
        },
      ],
      namePrefix: "v-",
    },
  ],
  [
    "configurations",
    { configurations: ["nameref.yaml"], namePrefix: "p-", images: [{ name: "example.com/app", newTag: "7" }] },
  ],
  ["crds", { crds: ["crd.json"], namePrefix: "p-" }],
  ["openapi of a release", { openapi: { version: "v1.21.2" }, namePrefix: "p-" }],
  ["sortOptions", { sortOptions: { order: "legacy" } }],
  [
    "sortOptions of one's own",
    { sortOptions: { order: "legacy", legacySortOptions: { orderFirst: ["Foo"], orderLast: ["Deployment"] } } },
  ],
  [
    "buildMetadata",
    { buildMetadata: ["originAnnotations", "transformerAnnotations", "managedByLabel"], namePrefix: "p-" },
  ],
  ["transformers by path", { transformers: ["labels.yaml"] }],
  [
    "transformers by directory and in place",
    {
      transformers: [
        "more",
        JSON.stringify(builtin("PrefixTransformer", { prefix: "x-", fieldSpecs: [{ path: "metadata/name" }] })),
      ],
    },
  ],
  [
    "generators in place",
    { generators: [JSON.stringify(builtin("SecretGenerator", { name: "made", files: ["text.txt"] }))] },
  ],
];

let plain: string;

beforeAll(async () => {
  const printed = await kustomizeItself({ ...around, "kustomization.yaml": { resources } });
  plain = "yaml" in printed ? printed.yaml : "";
});

describe("KS-073: every field of a kustomization does what kustomize 5.8.1 does with it", () => {
  it.each(cases)("KS-073: %s", async (_, fields) => {
    const files = { ...around, "kustomization.yaml": { resources, ...fields } };
    const printed = await kustomizeItself(files);
    if ("error" in printed) throw new Error(printed.error);
    expect(printed.yaml).not.toBe(plain);
    const { objects } = await build(artifactOf(files), {});
    expect(JSON.stringify(objects, null, 1)).toBe(JSON.stringify(printed.objects, null, 1));
  });

  it.each(cases)("KS-073: %s, in a base", async (_, fields) => {
    const files: Record<string, string | object> = {
      "kustomization.yaml": { resources: ["base"], nameSuffix: "-top" },
    };
    for (const [path, content] of Object.entries(around)) files[`base/${path}`] = content;
    files["base/kustomization.yaml"] = { resources, ...fields };
    const printed = await kustomizeItself(files);
    if ("error" in printed) throw new Error(printed.error);
    const { objects } = await build(artifactOf(files), {});
    expect(JSON.stringify(objects, null, 1)).toBe(JSON.stringify(printed.objects, null, 1));
  });

  it("KS-073: a schema of one build is unknown to the next, as if it had never been", async () => {
    const patch = {
      apiVersion: "example.com/v1",
      kind: "Foo",
      metadata: { name: "foo" },
      spec: { items: [{ name: "b", x: 1 }] },
    };
    const patches = [{ patch: JSON.stringify(patch) }];
    const second = { ...around, "kustomization.yaml": { resources, patches } };
    const cold = await build(artifactOf(second), {}, { cache: false });
    const first = { ...around, "kustomization.yaml": { resources, patches, openapi: { path: "schema.json" } } };
    const polluting = await build(artifactOf(first), {}, { cache: false });
    const warm = await build(artifactOf(second), {}, { cache: false });
    expect(warm).toEqual(cold);
    expect(polluting.digest).not.toBe(cold.digest);
  });
});
