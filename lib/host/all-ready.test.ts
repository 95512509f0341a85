import { describe, expect, it } from "vitest";
import { readinessOf } from "./all-ready.ts";

function state(conditions: Record<string, string>, options: { observed?: number; suspend?: boolean } = {}): string {
  return readinessOf({
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace: "apps", generation: 2 },
    spec: { suspend: options.suspend ?? false },
    status: {
      observedGeneration: options.observed ?? 2,
      conditions: Object.entries(conditions).map(([type, status]) => ({ type, status, message: "why" })),
    },
  }).state;
}

describe("readiness of an object", () => {
  it.each([
    ["Ready", { Ready: "True" }, {}],
    ["Reconciling", { Ready: "True" }, { observed: 1 }],
    ["Reconciling", {}, {}],
    ["Reconciling", { Ready: "Unknown", Reconciling: "True" }, {}],
    ["Failed", { Ready: "False", Reconciling: "True" }, {}],
    ["Stalled", { Ready: "False", Stalled: "True" }, {}],
    ["Failed", { Ready: "False", Stalled: "True" }, { observed: 1 }],
    ["Suspended", { Ready: "False" }, { suspend: true }],
  ] as const)("kstatus: %s of %j %j", (expected, conditions, options) => {
    expect(state(conditions, options)).toBe(expected);
  });
});
