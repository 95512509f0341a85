import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../api/object.ts";
import { mayRecreate } from "./recreate.ts";

const options = { fieldManager: "m", group: "example.org", ownerLabels: {} };
const object = (kind: string, annotations: Record<string, string> = {}): KubernetesObject => ({
  apiVersion: "v1",
  kind,
  metadata: { name: "x", annotations },
});
const mark = { "example.org/force": "Enabled" };

describe("mayRecreate", () => {
  it("KS-148: where the set is forced, or the object is marked, here or there", () => {
    expect(mayRecreate(object("Secret"), object("Secret"), options)).toBe(false);
    expect(mayRecreate(object("Secret"), object("Secret"), { ...options, force: true })).toBe(true);
    expect(mayRecreate(object("Secret", mark), object("Secret"), options)).toBe(true);
    expect(mayRecreate(object("Secret"), object("Secret", mark), options)).toBe(true);
  });

  it("SN-18: a definition or a namespace only where it is marked itself", () => {
    for (const kind of ["CustomResourceDefinition", "Namespace"]) {
      expect(mayRecreate(object(kind), object(kind), { ...options, force: true })).toBe(false);
      expect(mayRecreate(object(kind, mark), object(kind), options)).toBe(true);
    }
  });
});
