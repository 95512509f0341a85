import type { ObjectReference } from "../api/object.ts";

/** The group of an apiVersion: `apps` of `apps/v1`, empty for Kubernetes' core. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash === -1 ? "" : apiVersion.slice(0, slash);
}

/** The version of an apiVersion: `v1` of `apps/v1`. */
export function versionOf(apiVersion: string): string {
  return apiVersion.slice(apiVersion.indexOf("/") + 1);
}

const first = [
  "CustomResourceDefinition",
  "Namespace",
  "ClusterRole",
  "ClusterClass",
  "RuntimeClass",
  "PriorityClass",
  "StorageClass",
  "VolumeSnapshotClass",
  "IngressClass",
  "GatewayClass",
  "ClusterRoleBinding",
  "ResourceQuota",
  "ServiceAccount",
  "Role",
  "RoleBinding",
  "ConfigMap",
  "Secret",
  "Service",
  "LimitRange",
  "Deployment",
  "StatefulSet",
  "CronJob",
  "PodDisruptionBudget",
];
const last = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

const ranks = new Map([
  ...first.map((kind, index): [string, number] => [kind, index - first.length]),
  ...last.map((kind, index): [string, number] => [kind, index + 1]),
]);

/**
 * The order in which objects are applied, and in reverse deleted (kustomization.md, section 8): by the rank of the kind's
 * name, whatever its group; then by group, kind, namespace and name in byte order. Negative where `a` comes first.
 */
export function compareForApply(a: ObjectReference, b: ObjectReference): number {
  return (
    (ranks.get(a.kind) ?? 0) - (ranks.get(b.kind) ?? 0) ||
    compareText(groupOf(a.apiVersion), groupOf(b.apiVersion)) ||
    compareText(a.kind, b.kind) ||
    compareText(a.namespace ?? "", b.namespace ?? "") ||
    compareText(a.name, b.name)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The stages of an apply in their order. What is in the first two must be ready before the next one starts. */
export const stages = ["definitions", "classes", "custom", "others"] as const;
export type Stage = (typeof stages)[number];

/** The stage in which an object is applied. `customKinds` holds `group/Kind`, or `Kind` for the core (KS-133). */
export function stageOf({ apiVersion, kind }: ObjectReference, customKinds: ReadonlySet<string>): Stage {
  const group = groupOf(apiVersion);
  const name = kind.toLowerCase();
  if (
    (name === "customresourcedefinition" && group === "apiextensions.k8s.io") ||
    (name === "namespace" && apiVersion === "v1") ||
    (name === "clusterrole" && group === "rbac.authorization.k8s.io")
  )
    return "definitions";
  if (kind.endsWith("Class")) return "classes";
  return customKinds.has(group === "" ? kind : `${group}/${kind}`) ? "custom" : "others";
}
