import { describe, expect, it } from "vitest";
import { checkPathNames } from "./path-segment.ts";

describe("the names in a path", () => {
  it.each<[string, string, string]>([
    ["a", "", "resource name may not be empty"],
    ["a", "..", `invalid resource name "..": [may not be '..']`],
    ["a", "../../b/secrets/c", `invalid resource name "../../b/secrets/c": [may not contain '/']`],
    ["a", "..%2f..", `invalid resource name "..%2f..": [may not contain '%']`],
    ["a", "b/%", `invalid resource name "b/%": [may not contain '/' may not contain '%']`],
    [".", "b", `invalid namespace ".": [may not be '.']`],
    ["a/configmaps", "b", `invalid namespace "a/configmaps": [may not contain '/']`],
  ])("KS-210: %j, %j are refused as client-go refuses them", (namespace, name, message) => {
    expect(() => checkPathNames({ namespace, name })).toThrow(message);
  });

  it("KS-210: names that Kubernetes gives are let through", () => {
    for (const name of ["a", "system:node:b", "a.b-c", "..a"]) expect(() => checkPathNames({ name })).not.toThrow();
  });
});
