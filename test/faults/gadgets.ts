import type { KubernetesObject } from "../../lib/api/object.ts";

/** A definition in a group of its own for each `part`; `name` is its own, and its kind is the same for all of a group. */
export function definition(namespace: string, part: string, name = "gadgets"): KubernetesObject {
  const group = `${part}.${namespace}.example.org`;
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${name}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind: "Gadget", plural: name, singular: name.slice(0, -1), listKind: "GadgetList" },
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  };
}

/** An object of it. */
export function gadget(namespace: string, part: string, name: string, size = 1): KubernetesObject {
  const apiVersion = `${part}.${namespace}.example.org/v1`;
  return { apiVersion, kind: "Gadget", metadata: { name, namespace }, spec: { size } };
}

/** Objects as a file of a repository. */
export function json(...objects: KubernetesObject[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n`).join("---\n");
}
