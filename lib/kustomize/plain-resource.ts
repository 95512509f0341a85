import type { KubernetesObject } from "../api/object.ts";
import { Doubtful } from "../text/certain-yaml.ts";
import { isFields } from "../text/fields.ts";
import { compareKeys } from "../text/go-yaml-keys.ts";
import { isPlainText } from "../text/go-yaml-plain.ts";

/** What an object is known by, as kustomize compares it: `namespace` is the effective one. */
export type Id = { group: string; version: string; kind: string; name: string; namespace: string };

/**
 * An object on its way through kustomizations, with what kustomize notes in annotations of its own meanwhile: the ids it had before
 * each change, and the prefixes and suffixes it was given.
 */
export type Resource = { object: KubernetesObject; previous: Id[]; prefixes: string[]; suffixes: string[] };

/**
 * Takes a document as the resource that kustomize makes of it. Throws Doubtful for one that it would refuse, leave out, take apart,
 * or that carries annotations which mean something to it.
 */
export function toResource(document: unknown): Resource {
  if (!isObject(document)) throw new Doubtful("no object with apiVersion, kind and name");
  const { apiVersion, kind, metadata } = document;
  if (kind.endsWith("List") || Array.isArray(document.items)) throw new Doubtful("a list");
  if (kind === "Kustomization" && apiVersion.startsWith("kustomize.config.k8s.io/"))
    throw new Doubtful("a kustomization");
  const given: Record<string, unknown> = metadata;
  if ("namespace" in given && !isName(given.namespace)) throw new Doubtful("a namespace that is no name");
  if ("labels" in given) requireTexts(given.labels);
  if ("annotations" in given) {
    for (const name of Object.keys(requireTexts(given.annotations)))
      if (/config\.kubernetes\.io\/|config\.k8s\.io\//.test(name)) throw new Doubtful("an annotation of kustomize");
    // What kustomize takes away from annotations leaves no empty mapping behind.
    if (Object.keys(requireTexts(given.annotations)).length === 0) delete given.annotations;
  }
  return { object: document, previous: [], prefixes: [], suffixes: [] };
}

function isObject(value: unknown): value is KubernetesObject {
  if (!isFields(value)) return false;
  const { apiVersion, kind, metadata } = value;
  return isName(apiVersion) && isName(kind) && isFields(metadata) && isName(metadata.name);
}

/** A name that stays text whatever is put around it, and that kustomize's own lists of names can hold. */
function isName(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/.test(value) && !value.includes(",");
}

function requireTexts(value: unknown): Record<string, unknown> {
  if (!isFields(value) || !Object.values(value).every((text) => typeof text === "string"))
    throw new Doubtful("labels or annotations that are no texts");
  return value;
}

/** The id that a resource has now. */
export function currentId({ object }: Resource): Id {
  const { apiVersion, kind, metadata } = object;
  const slash = apiVersion.indexOf("/");
  const namespace = isClusterScoped(object) ? notNamespaced : metadata.namespace || "default";
  return {
    group: apiVersion.slice(0, Math.max(slash, 0)),
    version: apiVersion.slice(slash + 1),
    kind,
    name: metadata.name,
    namespace,
  };
}

/** The id that a resource was read with. */
export function originalId(resource: Resource): Id {
  return resource.previous[0] ?? currentId(resource);
}

const notNamespaced = "_non_namespaceable_";

/**
 * The kinds that kustomize 5.8.1 knows to be cluster-scoped, by API version as it knows them (`precomputedIsNamespaceScoped`). Any
 * other is namespaced to it, whatever the cluster says.
 */
const clusterScoped = new Set([
  ...["v1", "v1beta1"].flatMap((version) => [
    `admissionregistration.k8s.io/${version} MutatingWebhookConfiguration`,
    `admissionregistration.k8s.io/${version} ValidatingWebhookConfiguration`,
    `apiextensions.k8s.io/${version} CustomResourceDefinition`,
    `apiregistration.k8s.io/${version} APIService`,
    `certificates.k8s.io/${version} CertificateSigningRequest`,
    `networking.k8s.io/${version} IngressClass`,
    `node.k8s.io/${version} RuntimeClass`,
    `rbac.authorization.k8s.io/${version} ClusterRole`,
    `rbac.authorization.k8s.io/${version} ClusterRoleBinding`,
    `scheduling.k8s.io/${version} PriorityClass`,
    `storage.k8s.io/${version} CSIDriver`,
    `storage.k8s.io/${version} StorageClass`,
    `storage.k8s.io/${version} VolumeAttachment`,
  ]),
  "flowcontrol.apiserver.k8s.io/v1beta1 FlowSchema",
  "flowcontrol.apiserver.k8s.io/v1beta1 PriorityLevelConfiguration",
  "policy/v1beta1 PodSecurityPolicy",
  "storage.k8s.io/v1 CSINode",
  "v1 ComponentStatus",
  "v1 Namespace",
  "v1 Node",
  "v1 NodeProxyOptions",
  "v1 PersistentVolume",
]);

/** Whether kustomize is certain that an object has no namespace. */
export function isClusterScoped({ apiVersion, kind }: KubernetesObject): boolean {
  return clusterScoped.has(`${apiVersion} ${kind}`);
}

/** Throws Doubtful if two resources have the same id, or ids that differ by their version alone. */
export function refuseEqualIds(resources: readonly Resource[]): void {
  const known = new Set<string>();
  for (const resource of resources) {
    const { group, kind, name, namespace } = currentId(resource);
    known.add(`${group} ${kind} ${namespace} ${name}`);
  }
  if (known.size !== resources.length) throw new Doubtful("an id twice");
}

/** Sets a text, where the keys of the mapping stay in go-yaml's order. Throws Doubtful for a text that needs quotes. */
export function setText(mapping: Record<string, unknown>, field: string, text: string): void {
  if (!/^[A-Za-z0-9._:/-]+$/.test(text) || !isPlainText(text)) throw new Doubtful("a text that needs quotes");
  const known = field in mapping;
  mapping[field] = text;
  if (known) return;
  const entries = Object.entries(mapping).sort(([a], [b]) => compareKeys(a, b));
  for (const [name] of entries) delete mapping[name];
  Object.assign(mapping, Object.fromEntries(entries));
}
