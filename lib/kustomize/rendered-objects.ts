import type { KubernetesObject } from "../api/object.ts";
import { isFields } from "../text/fields.ts";
import { formatYaml, parseYamlDocuments } from "../text/yaml.ts";
import { BuildFailed } from "./build-failed.ts";

/**
 * The objects of rendered YAML: lists are taken apart, kustomizations dropped (KS-076). Throws BuildFailed for a document that is
 * no Kubernetes object (KS-074).
 */
export function readObjects(yaml: string): KubernetesObject[] {
  return parseYamlDocuments(yaml)
    .filter((document) => document !== null)
    .flatMap((document) => takeApart(requireObject(document)));
}

/** A document of rendered YAML: what it says, and its text as kustomize printed it, or would print it. */
export type RenderedDocument = { object: KubernetesObject; text: string };

/**
 * The documents of rendered YAML, each with its own text. kustomize puts nothing but `---` on a line between them, and indents
 * whatever else could look so. Throws BuildFailed for a document that is no Kubernetes object (KS-074).
 */
export function readDocuments(yaml: string): RenderedDocument[] {
  return yaml.split(/^---\n/m).flatMap((text) => {
    const [value = null, ...more] = parseYamlDocuments(text);
    if (more.length > 0) throw new BuildFailed("kustomize build failed: a rendered document holds another one");
    return value === null ? [] : [{ object: requireObject(value), text }];
  });
}

/** The objects of documents, as `readObjects` gives them. What is no object is not shown: documents may hold secrets by now. */
export function objectsOf(documents: readonly RenderedDocument[]): KubernetesObject[] {
  return documents.flatMap(({ object }) => takeApart(object, () => notAnItem(object)));
}

function requireObject(value: unknown, refusal: (value: unknown) => BuildFailed = notAnObject): KubernetesObject {
  if (!isObject(value)) throw refusal(value);
  return value;
}

function takeApart(document: KubernetesObject, refusal?: (value: unknown) => BuildFailed): KubernetesObject[] {
  if (Array.isArray(document.items)) return document.items.map((item) => requireObject(item, refusal));
  return isKustomization(document) ? [] : [document];
}

/** Whether a parsed document has what every Kubernetes object has: an API version, a kind and a name. */
export function isObject(value: unknown): value is KubernetesObject {
  if (!isFields(value)) return false;
  const { apiVersion, kind, metadata } = value;
  return isName(apiVersion) && isName(kind) && isFields(metadata) && isName(metadata.name);
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

function notAnItem({ kind, metadata }: KubernetesObject): BuildFailed {
  return new BuildFailed(
    `failed to decode Kubernetes apiVersion, kind and name from an item of ${kind} '${metadata.name}'`,
  );
}
