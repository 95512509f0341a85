import { describe, expect, it } from "vitest";
import { inDependencyOrder } from "./dependents.ts";

const object = (name: string, ...dependsOn: string[]) => ({
  apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  kind: "Kustomization",
  metadata: { name, namespace: "apps" },
  spec: { dependsOn: dependsOn.map((dependency) => ({ name: dependency })) },
});
const names = (objects: { metadata: { name: string } }[]) => objects.map(({ metadata }) => metadata.name);

describe("users of a source", () => {
  it("KS-008: those that others depend on come first", () => {
    expect(names(inDependencyOrder([object("c", "b"), object("b", "a"), object("a")]))).toEqual(["a", "b", "c"]);
    expect(names(inDependencyOrder([object("b", "elsewhere"), object("a")]))).toEqual(["b", "a"]);
  });

  it("KS-008: the members of a circle come last, and are not lost", () => {
    expect(names(inDependencyOrder([object("b", "a"), object("a", "b"), object("free")]))).toEqual(["free", "b", "a"]);
  });
});
