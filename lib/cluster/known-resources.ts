import type { Resource } from "./discovery.ts";

/** Kinds by apiVersion that every supported API server serves alike: `Kind` lives in namespaces, `+Kind` in the cluster. */
const kinds: { [apiVersion: string]: string } = {
  v1: "ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount +Namespace +Node +PersistentVolume",
  "admissionregistration.k8s.io/v1":
    "+MutatingWebhookConfiguration +ValidatingWebhookConfiguration +ValidatingAdmissionPolicy +ValidatingAdmissionPolicyBinding",
  "apiextensions.k8s.io/v1": "+CustomResourceDefinition",
  "apiregistration.k8s.io/v1": "+APIService",
  "apps/v1": "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet",
  "autoscaling/v1": "HorizontalPodAutoscaler",
  "autoscaling/v2": "HorizontalPodAutoscaler",
  "batch/v1": "CronJob Job",
  "coordination.k8s.io/v1": "Lease",
  "discovery.k8s.io/v1": "EndpointSlice",
  "networking.k8s.io/v1": "Ingress NetworkPolicy +IngressClass",
  "node.k8s.io/v1": "+RuntimeClass",
  "policy/v1": "PodDisruptionBudget",
  "rbac.authorization.k8s.io/v1": "Role RoleBinding +ClusterRole +ClusterRoleBinding",
  "scheduling.k8s.io/v1": "+PriorityClass",
  "storage.k8s.io/v1": "CSIStorageCapacity +CSIDriver +CSINode +StorageClass +VolumeAttachment",
};

const known = new Map(
  Object.entries(kinds).flatMap(([apiVersion, names]) =>
    names.split(" ").map((name): [string, Resource] => {
      const kind = name.replace("+", "");
      return [`${apiVersion} ${kind}`, { apiVersion, kind, plural: pluralOf(kind), namespaced: !name.startsWith("+") }];
    }),
  ),
);

/** How a kind of Kubernetes itself is served, without asking: the names in paths are part of its stable API. */
export function knownResource(apiVersion: string, kind: string): Resource | undefined {
  return known.get(`${apiVersion} ${kind}`);
}

/** All kinds that are known without asking. */
export function knownResources(): Resource[] {
  return [...known.values()];
}

function pluralOf(kind: string): string {
  const singular = kind.toLowerCase();
  if (singular === "endpoints") return singular;
  if (/(s|x|ch)$/.test(singular)) return `${singular}es`;
  return singular.endsWith("y") ? `${singular.slice(0, -1)}ies` : `${singular}s`;
}
