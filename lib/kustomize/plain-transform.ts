import { Doubtful } from "../text/certain-yaml.ts";
import { isFields } from "../text/fields.ts";
import { currentId, isClusterScoped, originalId, type Resource, refuseEqualIds, setText } from "./plain-resource.ts";

/** What the field `namespace` of a kustomization does to its resources, those of its bases included. Throws Doubtful. */
export function setNamespace(resources: readonly Resource[], namespace: string): void {
  for (const resource of resources) {
    const { object } = resource;
    resource.previous.push(currentId(resource));
    const { group } = currentId(resource);
    if (object.kind === "Namespace" && object.apiVersion === "v1" && object.metadata.name !== namespace)
      throw new Doubtful("another namespace, which would be renamed");
    if (object.kind === "APIService" && group === "apiregistration.k8s.io") throw new Doubtful("an APIService");
    if (object.kind === "CustomResourceDefinition" && convertsByWebhook(object.spec))
      throw new Doubtful("a conversion webhook");
    if (!isClusterScoped(object)) setText(object.metadata, "namespace", namespace);
    if (object.kind === "RoleBinding" || object.kind === "ClusterRoleBinding")
      setDefaultSubjects(object.subjects, namespace);
  }
  refuseEqualIds(resources);
}

function convertsByWebhook(spec: unknown): boolean {
  const conversion = isFields(spec) ? spec.conversion : undefined;
  return conversion !== undefined && (!isFields(conversion) || "webhook" in conversion);
}

/** Of the subjects of a binding, those named `default` are taken to be in the same namespace. */
function setDefaultSubjects(subjects: unknown, namespace: string): void {
  if (subjects === undefined || subjects === null) return;
  if (!Array.isArray(subjects)) throw new Doubtful("subjects that are no list");
  for (const subject of subjects) {
    if (!isFields(subject) || typeof subject.name !== "string") throw new Doubtful("a subject without a name");
    if (subject.name === "default") setText(subject, "namespace", namespace);
  }
}

/** What the fields `namePrefix` and `nameSuffix` of a kustomization do to its resources. Throws Doubtful. */
export function addToNames(resources: readonly Resource[], prefix: string, suffix: string): void {
  for (const resource of resources) {
    const { kind, group } = originalId(resource);
    const keepsName = kind === "CustomResourceDefinition" || kind === "Namespace";
    if (keepsName || (kind === "APIService" && group === "apiregistration.k8s.io")) continue;
    if (prefix !== "") {
      resource.previous.push(currentId(resource));
      resource.prefixes.push(prefix);
      setText(resource.object.metadata, "name", prefix + resource.object.metadata.name);
    }
    if (suffix !== "") {
      resource.previous.push(currentId(resource));
      resource.suffixes.push(suffix);
      setText(resource.object.metadata, "name", resource.object.metadata.name + suffix);
    }
  }
  refuseEqualIds(resources);
}
