import { describe, expect, it } from "vitest";
import type { KubernetesObject, ManagedFieldsEntry } from "../api/object.ts";
import { takeOverFields } from "./field-managers.ts";

const own = "kustomize-controller";

function live(managedFields: ManagedFieldsEntry[], more: Partial<KubernetesObject["metadata"]> = {}): KubernetesObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x", managedFields, ...more } };
}

const entry = (
  manager: string,
  operation: "Apply" | "Update",
  fieldsV1: Record<string, unknown>,
  more: Partial<ManagedFieldsEntry> = {},
): ManagedFieldsEntry => ({ manager, operation, apiVersion: "v1", fieldsType: "FieldsV1", fieldsV1, ...more });

describe("takeOverFields", () => {
  it("KS-143: merges what clients manage into the own entry, which comes last", () => {
    const other = entry("controller", "Update", { "f:data": { "f:c": {} } });
    const operations = takeOverFields(
      live([
        entry(own, "Apply", { "f:data": { "f:a": {} }, "f:spec": {} }),
        entry("kubectl-edit", "Update", { "f:data": { ".": {}, "f:b": {} } }),
        other,
        entry("kubectl", "Apply", { "f:spec": { "f:x": {} }, "f:data": { "f:a": {} } }),
      ]),
      own,
      [],
    );
    const merged = { "f:data": { ".": {}, "f:a": {}, "f:b": {} }, "f:spec": { ".": {}, "f:x": {} } };
    expect(operations).toEqual([
      { op: "replace", path: "/metadata/managedFields", value: [other, entry(own, "Apply", merged)] },
    ]);
  });

  it("KS-143: without an own entry the first one that is taken becomes it", () => {
    const operations = takeOverFields(
      live([entry("before-first-apply", "Update", { "f:data": { "f:a": {} } })]),
      own,
      [],
    );
    expect(operations).toEqual([
      { op: "replace", path: "/metadata/managedFields", value: [entry(own, "Apply", { "f:data": { "f:a": {} } })] },
    ]);
  });

  it("KS-143: takes the own client-side updates, and managers that are named", () => {
    const taken = (manager: string, operation: "Apply" | "Update", override: string[] = []) =>
      takeOverFields(live([entry(manager, operation, { "f:data": {} })]), own, override).length > 0;
    expect(taken(own, "Update")).toBe(true);
    expect(taken(own, "Apply")).toBe(false);
    expect(taken("before-first-apply", "Apply")).toBe(false);
    expect(taken("terraform", "Apply")).toBe(false);
    expect(taken("terraform", "Apply", ["terraform"])).toBe(true);
    expect(taken("terraform", "Update", ["terraform"])).toBe(true);
    expect(taken("flux-client-side-apply", "Update")).toBe(false);
  });

  it("KS-143: leaves subresources to who wrote them", () => {
    expect(
      takeOverFields(live([entry("kubectl-scale", "Update", { "f:spec": {} }, { subresource: "scale" })]), own, []),
    ).toEqual([]);
  });

  it("KS-143: removes the annotations and the label of former clients", () => {
    const annotations = {
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
      "kustomize.toolkit.fluxcd.io/checksum": "c",
      "fluxcd.io/sync-checksum": "c",
      "example.org/kept": "k",
    };
    const operations = takeOverFields(
      live([], { annotations, labels: { "fluxcd.io/sync-gc-mark": "m", app: "x" } }),
      own,
      [],
    );
    expect(operations).toEqual([
      { op: "remove", path: "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration" },
      { op: "remove", path: "/metadata/annotations/kustomize.toolkit.fluxcd.io~1checksum" },
      { op: "remove", path: "/metadata/annotations/fluxcd.io~1sync-checksum" },
      { op: "remove", path: "/metadata/labels/fluxcd.io~1sync-gc-mark" },
    ]);
  });
});
