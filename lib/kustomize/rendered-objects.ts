import type { KubernetesObject } from "../api/object.ts";
import { formatYaml, parseYamlDocuments } from "../text/yaml.ts";
import { BuildFailed } from "./build-failed.ts";
import { isMapping } from "./shape.ts";

/**
 * The objects of rendered YAML: lists are taken apart, kustomizations dropped (KS-076). Throws BuildFailed for a document that is
 * no Kubernetes object (KS-074).
 */
export function readObjects(yaml: string): KubernetesObject[] {
  return parseYamlDocuments(yaml)
    .filter((document) => document !== null)
    .flatMap((document) => {
      if (!isObject(document)) throw notAnObject(document);
      if (Array.isArray(document.items)) return document.items.map(requireObject);
      return isKustomization(document) ? [] : [document];
    });
}

function requireObject(value: unknown): KubernetesObject {
  if (!isObject(value)) throw notAnObject(value);
  return value;
}

function isObject(value: unknown): value is KubernetesObject {
  if (!isMapping(value)) return false;
  const { apiVersion, kind, metadata } = value;
  return isName(apiVersion) && isName(kind) && isMapping(metadata) && isName(metadata.name);
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isKustomization(object: KubernetesObject): boolean {
  return object.kind === "Kustomization" && object.apiVersion.startsWith("kustomize.config.k8s.io/");
}

function notAnObject(value: unknown): BuildFailed {
  return new BuildFailed(`failed to decode Kubernetes apiVersion, kind and name from: ${formatYaml(value).trimEnd()}`);
}
