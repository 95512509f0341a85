import { describe, expect, it } from "vitest";
import {
  differenceOf,
  formatInventory,
  formatInventoryId,
  parseInventoryId,
  referencesOf,
  staleOf,
} from "./inventory.ts";

const rbac = "rbac.authorization.k8s.io";

describe("inventory", () => {
  it("KS-170: ids as cli-utils writes and reads them", () => {
    const rows = [
      [{ apiVersion: "v1", kind: "Namespace", name: "apps" }, "_apps__Namespace"],
      [{ apiVersion: "v1", kind: "ConfigMap", namespace: "a", name: "b.c" }, "a_b.c__ConfigMap"],
      [{ apiVersion: "apps/v1", kind: "Deployment", namespace: "a", name: "b" }, "a_b_apps_Deployment"],
      [{ apiVersion: `${rbac}/v1`, kind: "ClusterRole", name: "system:foo" }, `_system__foo_${rbac}_ClusterRole`],
      [
        { apiVersion: `${rbac}/v1`, kind: "RoleBinding", namespace: "a", name: "x:y:z" },
        `a_x__y__z_${rbac}_RoleBinding`,
      ],
    ] as const;
    for (const [reference, id] of rows) {
      expect(formatInventoryId(reference)).toBe(id);
      expect(referencesOf(formatInventory([reference]))).toEqual([reference]);
    }
    expect(parseInventoryId("a_b_apps_Deployment")).toEqual({
      namespace: "a",
      name: "b",
      group: "apps",
      kind: "Deployment",
    });
  });

  it("KS-170: an id with too few parts is told", () => {
    expect(() => parseInventoryId("a_b_c")).toThrow("unable to parse stored object metadata: a_b_c");
  });

  it("KS-170: keeps the order of the apply, and each object once", () => {
    const reference = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", namespace: "n", name });
    expect(formatInventory([reference("b"), reference("a"), reference("b")])).toEqual([
      { id: "n_b__ConfigMap", v: "v1" },
      { id: "n_a__ConfigMap", v: "v1" },
    ]);
  });

  it("KS-172: another version is not another object", () => {
    const old = [
      { id: "n_a_networking.k8s.io_Ingress", v: "v1beta1" },
      { id: "n_b_networking.k8s.io_Ingress", v: "v1" },
    ];
    expect(differenceOf(old, [{ id: "n_a_networking.k8s.io_Ingress", v: "v1" }])).toEqual([old[1]]);
  });

  it("KS-135, KS-172: an object of the cluster is not stale because it was first noted with a namespace", () => {
    const noted = [
      { id: "apps_a_example.org_Thing", v: "v1" },
      { id: "apps_b_example.org_Thing", v: "v1" },
      { id: "apps_a__ConfigMap", v: "v1" },
    ];
    expect(staleOf(noted, [{ id: "_a_example.org_Thing", v: "v1" }])).toEqual([noted[1], noted[2]]);
    expect(staleOf(noted, [{ id: "other_a_example.org_Thing", v: "v1" }])).toEqual(noted);
  });
});
