import { describe, expect, it } from "vitest";
import { build } from "./build.ts";
import { artifactOf, configMap, deployment } from "./testdata/artifact-of.ts";

const foo = (items: object[]) => ({
  apiVersion: "example.com/v1",
  kind: "Foo",
  metadata: { name: "foo" },
  spec: { items },
});

/** A schema that says nothing of Kubernetes' kinds, and that Foo's items are merged by name. */
const schema = {
  definitions: {
    "com.example.v1.Foo": {
      type: "object",
      properties: {
        spec: {
          type: "object",
          properties: {
            items: {
              type: "array",
              items: { type: "object" },
              "x-kubernetes-patch-merge-key": "name",
              "x-kubernetes-patch-strategy": "merge",
            },
          },
        },
      },
      "x-kubernetes-group-version-kind": [{ group: "example.com", kind: "Foo", version: "v1" }],
    },
  },
};

const environment = {
  ...deployment("app", ""),
  spec: { template: { spec: { containers: [{ name: "main", env: [{ name: "A", value: "b" }] }] } } },
};

const files = {
  "kustomization.yaml": {
    openapi: { path: "schema.json" },
    resources: ["d.yaml", "foo.yaml"],
    patches: [{ patch: JSON.stringify(environment) }, { patch: JSON.stringify(foo([{ name: "b", y: 2 }])) }],
  },
  "schema.json": schema,
  "d.yaml": deployment("app", "nginx"),
  "foo.yaml": foo([{ name: "a", x: 1 }, { name: "b" }]),
};

describe("KS-073: a custom schema adds to those of Kubernetes", () => {
  it("in the kustomization that is built", async () => {
    const { objects } = await build(artifactOf(files), {});
    expect(objects.map(({ kind }) => kind)).toEqual(["Deployment", "Foo"]);
    expect(objects[0]?.spec).toMatchObject({
      template: { spec: { containers: [{ name: "main", image: "nginx", env: [{ name: "A", value: "b" }] }] } },
    });
    const merged = [
      { name: "a", x: 1 },
      { name: "b", y: 2 },
    ];
    expect(objects[1]?.spec).toEqual({ items: expect.arrayContaining(merged) });
  });

  it("in a base, with the order and the errors of the user's own files", async () => {
    const base = Object.fromEntries(Object.entries(files).map(([path, content]) => [`base/${path}`, content]));
    const order = { order: "legacy", legacySortOptions: { orderFirst: ["Foo"], orderLast: [] } };
    const top = { "app/kustomization.yaml": { resources: ["../base"], sortOptions: order } };
    const { objects } = await build(artifactOf({ ...base, ...top }), { path: "app" });
    expect(objects.map(({ kind }) => kind)).toEqual(["Foo", "Deployment"]);
    const broken = { "app/kustomization.yaml": { resources: ["../base", "none.yaml"] } };
    await expect(build(artifactOf({ ...base, ...broken }), { path: "app" })).rejects.toThrow(
      /^kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'none.yaml': open app\/none.yaml/,
    );
  });

  it("and is unknown to the next build", async () => {
    await build(artifactOf(files), {});
    const patch = foo([{ name: "b", y: 2 }]);
    const { objects } = await build(artifactOf({ "foo.yaml": foo([{ name: "a", x: 1 }]), "a.yaml": configMap("a") }), {
      patches: [{ patch: JSON.stringify(patch) }],
    });
    expect(objects.at(-1)?.spec).toEqual(patch.spec);
  });
});
