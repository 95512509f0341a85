import { describe, expect, it } from "vitest";
import { uniqueName } from "../../test/bed/bed.ts";
import { beginSet, linesOf, referenceOf } from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { applyObject, getObject, patchObject } from "./objects.ts";

describe("a definition's new version", () => {
  it("KS-152: whose new field has a default lets an object be applied once its managed fields are migrated", async () => {
    const set = await beginSet();
    const group = `${uniqueName("g")}.example.org`;
    // A list of objects, one of whose fields the new version defaults.
    const versioned = (name: string, isStorage: boolean, more: Record<string, unknown> = {}) => {
      const item = { type: "object", properties: { key: { type: "string" }, ...more } };
      const spec = { type: "object", properties: { from: { type: "array", items: item } } };
      const schema = { openAPIV3Schema: { type: "object", properties: { spec } } };
      return { name, served: true, storage: isStorage, schema };
    };
    const definition = (...versions: object[]): KubernetesObject => ({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: `widgets.${group}` },
      spec: { group, scope: "Namespaced", names: { kind: "Widget", plural: "widgets" }, versions },
    });
    const widget = (version: string): KubernetesObject => ({
      apiVersion: `${group}/${version}`,
      kind: "Widget",
      metadata: { name: "w", namespace: set.namespace },
      spec: { from: [{ key: "a" }] },
    });
    const versionsOf = async () =>
      (await getObject(set.admin, referenceOf(widget("v1")))).metadata.managedFields?.map(
        ({ apiVersion }) => apiVersion,
      );

    await set.apply([definition(versioned("v1beta1", true)), widget("v1beta1")]);
    await set.apply([definition(versioned("v1beta1", false), versioned("v1", true)), widget("v1")]);
    expect(await versionsOf()).toEqual([`${group}/v1beta1`]);
    // Somebody else's write stores it in the new version, as a storage migration would; only then it is read with the default.
    const restored = { merge: { metadata: { annotations: { stored: "anew" } } } };
    await patchObject(set.admin, referenceOf(widget("v1")), restored, { fieldManager: "storage-migrator" });
    const policy = { policy: { type: "string", default: "Ignore" } };
    const moved = [definition(versioned("v1beta1", false), versioned("v1", true, policy)), widget("v1")];
    await set.apply(moved.slice(0, 1));
    const by = { fieldManager: "kustomize-controller", force: true, dryRun: true };
    const answer = () => applyObject(set.admin, widget("v1"), by).then(String, String);
    await expect.poll(answer, { timeout: 20_000 }).toContain("field not declared in schema");

    await expect(set.apply(moved)).rejects.toThrow(
      new RegExp(`^Widget/${set.namespace}/w dry-run failed.*\\.policy: field not declared in schema`, "s"),
    );
    const { result, sent } = await set.requestsOf(() => set.apply(moved, { migrateApiVersion: true }));
    expect(linesOf(result)[1]).toBe(`Widget/${set.namespace}/w configured`);
    const ofWidget = sent.filter((request) => request.includes("/widgets/w"));
    // Read, migration, dry run, apply.
    expect(ofWidget.map((request) => request.split(" ")[0])).toEqual(["GET", "PATCH", "PATCH", "PATCH"]);
    expect(new Set(await versionsOf())).toEqual(new Set([`${group}/v1`]));
    const { spec } = await getObject(set.admin, referenceOf(widget("v1")));
    expect(spec).toEqual({ from: [{ key: "a", policy: "Ignore" }] });
    const again = await set.apply(moved, { migrateApiVersion: true, record: result.record });
    expect(again.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged"]);
  });
});
