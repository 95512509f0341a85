import { describe, expect, it } from "vitest";
import type { Kustomization } from "../../api/kustomization.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { Json, RecordStore } from "../../platform/ports.ts";
import { type KustomizationRecord, readRecord, writeRecord } from "./record.ts";

/** Records of one process, without the compare-and-set that one writer does not need. */
function memory(): RecordStore {
  const kept = new Map<string, Json>();
  return {
    get: async (key) => {
      const value = kept.get(key);
      return value === undefined ? undefined : { value, version: "1" };
    },
    put: async (key, value) => {
      kept.set(key, value);
      return "1";
    },
    remove: async (key) => {
      kept.delete(key);
    },
  };
}

const object = { metadata: { name: "app", namespace: "team", uid: "1" } } as Kustomization;
const known: KustomizationRecord = {
  format: 1,
  uid: "1",
  generation: 1,
  artifact: "sha256:a",
  input: "i",
  rendered: "sha256:r",
  inventory: [],
  applied: { lookedAt: 0, fieldManager: "kustomize-controller", objects: {} },
};

describe("the record of a Kustomization", () => {
  it("KS-211: is believed of the cluster that it was made of, and of no other", async () => {
    const context = { clusterId: "home", records: memory() } as Context;
    const remote = { server: "https://remote:6443" };
    await writeRecord(context, object, known);
    expect(await readRecord(context, object, {})).toEqual(known);
    expect(await readRecord(context, object, remote)).toBeUndefined();
    await writeRecord(context, object, { ...known, ...remote });
    expect(await readRecord(context, object, remote)).toMatchObject(remote);
    expect(await readRecord(context, object, {})).toBeUndefined();
    expect(await readRecord(context, object, { server: "https://other:6443" })).toBeUndefined();
    // What may have been applied somewhere is deleted with the object.
    expect(await readRecord(context, object, "any")).toMatchObject(remote);
  });

  it("is not believed of an object that was made anew", async () => {
    const context = { clusterId: "home", records: memory() } as Context;
    await writeRecord(context, object, known);
    const anew = { ...object, metadata: { ...object.metadata, uid: "2" } };
    expect(await readRecord(context, anew, "any")).toBeUndefined();
  });
});
