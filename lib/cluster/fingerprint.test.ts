import { describe, expect, it } from "vitest";
import type { ManagedFieldsEntry, ObjectMeta } from "../api/object.ts";
import { digestOf, fingerprintOf } from "./fingerprint.ts";

const own = "kustomize-controller";

const applied: ManagedFieldsEntry = {
  manager: own,
  operation: "Apply",
  time: "2026-01-01T00:00:00Z",
  fieldsV1: { "f:data": { "f:a": {} } },
};
const status: ManagedFieldsEntry = {
  manager: "kube-controller-manager",
  operation: "Update",
  subresource: "status",
  time: "2026-01-01T00:00:01Z",
  fieldsV1: { "f:metadata": { "f:annotations": { "f:revision": {} } }, "f:status": { "f:replicas": {} } },
};
const other: ManagedFieldsEntry = { manager: "other", operation: "Update", fieldsV1: { "f:data": { "f:b": {} } } };

const before: ObjectMeta = {
  name: "x",
  uid: "u",
  generation: 1,
  resourceVersion: "1",
  labels: { app: "x" },
  annotations: { note: "n" },
  managedFields: [applied, other],
};

const isSame = (change: Partial<ObjectMeta>) =>
  fingerprintOf({ ...before, ...change }, own) === fingerprintOf(before, own);

describe("fingerprintOf", () => {
  it("SN-10: does not tell what the writers of a status do", () => {
    expect(isSame({ resourceVersion: "2" })).toBe(true);
    expect(isSame({ managedFields: [applied, other, status], annotations: { note: "n", revision: "1" } })).toBe(true);
    expect(isSame({ managedFields: [applied, other, { ...other, manager: "m", fieldsV1: { "f:status": {} } }] })).toBe(
      true,
    );
    expect(isSame({ managedFields: [applied, { ...other, time: "2026-02-02T00:00:00Z" }] })).toBe(true);
    expect(isSame({ managedFields: [other, applied] })).toBe(true);
    expect(isSame({ annotations: { note: "n", "deprecated.daemonset.template.generation": "1" } })).toBe(true);
  });

  it("SN-10, KS-141: tells every other change", () => {
    expect(isSame({ uid: "v" })).toBe(false);
    expect(isSame({ generation: 2 })).toBe(false);
    expect(isSame({ deletionTimestamp: "2026-01-01T00:00:00Z" })).toBe(false);
    expect(isSame({ labels: {} })).toBe(false);
    expect(isSame({ annotations: { note: "m" } })).toBe(false);
    expect(isSame({ annotations: { note: "n", revision: "1" } })).toBe(false);
    expect(isSame({ managedFields: [applied] })).toBe(false);
    expect(isSame({ managedFields: [{ ...applied, fieldsV1: {} }, other] })).toBe(false);
    expect(isSame({ managedFields: [{ ...applied, time: "2026-02-02T00:00:00Z" }, other] })).toBe(false);
    expect(isSame({ managedFields: [applied, { ...other, subresource: "scale" }] })).toBe(false);
  });
});

describe("digestOf", () => {
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" }, data: { a: "1", b: "2" } };
  const secret = { ...object, kind: "Secret" };

  it("does not depend on the order of fields", () => {
    const { data: _data, ...rest } = object;
    expect(digestOf({ ...rest, data: { b: "2", a: "1" } }, {})).toBe(digestOf(object, {}));
    expect(digestOf({ ...rest, data: { a: "1" } }, {})).not.toBe(digestOf(object, {}));
    expect(digestOf(object, { overrideManagers: ["m"] })).not.toBe(digestOf(object, {}));
  });

  it("KS-105: a Secret's is keyed, and there is none without a key", () => {
    expect(digestOf(secret, {})).toBeUndefined();
    expect(digestOf(secret, { digestKey: "k" })).not.toBe(digestOf(secret, { digestKey: "l" }));
    expect(digestOf(secret, { digestKey: "k" })).toBe(digestOf(secret, { digestKey: "k" }));
  });
});
