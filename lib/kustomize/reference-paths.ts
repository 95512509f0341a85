/** Which objects a field of kustomize's configuration speaks of; what is absent may be anything. */
export type Selector = { kind: string; group?: string; version?: string };

/** Fields that hold the name of an object of one kind. */
export type NameReference = { target: Selector; referrers: readonly { referrer: Selector; path: readonly string[] }[] };

/** Where the kinds that run pods have the specification of their pods. */
const podSpecs: Readonly<Record<string, string>> = {
  Pod: "spec",
  PodTemplate: "template/spec",
  Deployment: "spec/template/spec",
  ReplicaSet: "spec/template/spec",
  ReplicationController: "spec/template/spec",
  DaemonSet: "spec/template/spec",
  StatefulSet: "spec/template/spec",
  Job: "spec/template/spec",
  CronJob: "spec/jobTemplate/spec/template/spec",
};

type Referrer = { referrer: Selector; path: readonly string[] };

function inPods(paths: readonly string[], kinds: readonly string[], podVersion?: string): Referrer[] {
  return kinds.flatMap((kind) =>
    paths.map((path) => ({
      referrer: { kind, ...(kind === "Pod" && podVersion !== undefined ? { version: podVersion } : {}) },
      path: `${podSpecs[kind]}/${path}`.split("/"),
    })),
  );
}

function at(kind: string, path: string, selector: Omit<Selector, "kind"> = {}): Referrer {
  return { referrer: { kind, ...selector }, path: path.split("/") };
}

/** An annotation, whose name has slashes of its own. */
function annotation(kind: string, name: string): Referrer {
  return { referrer: { kind }, path: ["metadata", "annotations", name] };
}

const configured = ["Pod", "PodTemplate", "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "CronJob"];
const controlled = ["Pod", "StatefulSet", "Deployment", "ReplicationController", "CronJob", "Job", "DaemonSet"];
const scaled = [at("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")];
const rbac = { group: "rbac.authorization.k8s.io" };
const webhooks = { group: "admissionregistration.k8s.io" };

/**
 * The references that kustomize 5.8.1 follows (`nameReferenceFieldSpecs`), in the order in which it does so. Paths pass through lists
 * unseen. One for IngressClass is left out: it asks for an API group that no object has.
 */
export const nameReferences: readonly NameReference[] = [
  {
    target: { kind: "StorageClass", group: "storage.k8s.io", version: "v1" },
    referrers: [
      at("PersistentVolume", "spec/storageClassName"),
      at("PersistentVolumeClaim", "spec/storageClassName"),
      at("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
    ],
  },
  {
    target: { kind: "ServiceAccount", version: "v1" },
    referrers: [
      at("RoleBinding", "subjects", rbac),
      at("ClusterRoleBinding", "subjects", rbac),
      ...inPods(["serviceAccountName"], controlled),
    ],
  },
  { target: { kind: "Role", ...rbac }, referrers: [at("RoleBinding", "roleRef/name", rbac)] },
  {
    target: { kind: "ClusterRole", ...rbac },
    referrers: [at("RoleBinding", "roleRef/name", rbac), at("ClusterRoleBinding", "roleRef/name", rbac)],
  },
  {
    target: { kind: "ConfigMap", version: "v1" },
    referrers: [
      ...inPods(
        [
          "volumes/configMap/name",
          "containers/env/valueFrom/configMapKeyRef/name",
          "initContainers/env/valueFrom/configMapKeyRef/name",
          "containers/envFrom/configMapRef/name",
          "initContainers/envFrom/configMapRef/name",
          "volumes/projected/sources/configMap/name",
        ],
        configured,
        "v1",
      ),
      at("Node", "spec/configSource/configMap"),
      at("Role", "rules/resourceNames"),
      at("ClusterRole", "rules/resourceNames"),
      annotation("Ingress", "nginx.ingress.kubernetes.io/fastcgi-params-configmap"),
    ],
  },
  {
    target: { kind: "Secret", version: "v1" },
    referrers: [
      ...inPods(
        [
          "volumes/secret/secretName",
          "containers/env/valueFrom/secretKeyRef/name",
          "initContainers/env/valueFrom/secretKeyRef/name",
          "containers/envFrom/secretRef/name",
          "initContainers/envFrom/secretRef/name",
          "imagePullSecrets/name",
          "volumes/projected/sources/secret/name",
        ],
        configured,
        "v1",
      ),
      at("Ingress", "spec/tls/secretName"),
      annotation("Ingress", "ingress.kubernetes.io/auth-secret"),
      annotation("Ingress", "nginx.ingress.kubernetes.io/auth-secret"),
      annotation("Ingress", "nginx.ingress.kubernetes.io/auth-tls-secret"),
      at("ServiceAccount", "imagePullSecrets/name"),
      at("StorageClass", "parameters/secretName"),
      at("StorageClass", "parameters/adminSecretName"),
      at("StorageClass", "parameters/userSecretName"),
      at("StorageClass", "parameters/secretRef"),
      at("Role", "rules/resourceNames"),
      at("ClusterRole", "rules/resourceNames"),
      at("Service", "spec/template/spec/containers/env/valueFrom/secretKeyRef/name", {
        group: "serving.knative.dev",
        version: "v1",
      }),
      at("PersistentVolume", "spec/azureFile/secretName"),
    ],
  },
  {
    target: { kind: "Service", version: "v1" },
    referrers: [
      at("StatefulSet", "spec/serviceName", { group: "apps" }),
      at("Ingress", "spec/rules/http/paths/backend/serviceName"),
      at("Ingress", "spec/backend/serviceName"),
      at("Ingress", "spec/rules/http/paths/backend/service/name"),
      at("Ingress", "spec/defaultBackend/service/name"),
      at("APIService", "spec/service/name", { group: "apiregistration.k8s.io" }),
      at("ValidatingWebhookConfiguration", "webhooks/clientConfig/service", webhooks),
      at("MutatingWebhookConfiguration", "webhooks/clientConfig/service", webhooks),
    ],
  },
  {
    target: { kind: "PriorityClass", group: "scheduling.k8s.io", version: "v1" },
    referrers: inPods(["priorityClassName"], controlled),
  },
  {
    target: { kind: "PersistentVolume", version: "v1" },
    referrers: [at("PersistentVolumeClaim", "spec/volumeName"), at("ClusterRole", "rules/resourceNames")],
  },
  {
    target: { kind: "PersistentVolumeClaim", version: "v1" },
    referrers: inPods(["volumes/persistentVolumeClaim/claimName"], controlled),
  },
  { target: { kind: "Deployment" }, referrers: scaled },
  { target: { kind: "StatefulSet" }, referrers: scaled },
  { target: { kind: "ReplicaSet" }, referrers: scaled },
  { target: { kind: "ReplicationController" }, referrers: scaled },
  {
    target: { kind: "ValidatingAdmissionPolicy", ...webhooks },
    referrers: [at("ValidatingAdmissionPolicyBinding", "spec/policyName", webhooks)],
  },
];

/** The references that objects of one kind may hold, in order. */
export function referencesOf(kind: string): readonly (Referrer & { target: Selector })[] {
  return byKind.get(kind) ?? [];
}

const byKind = new Map<string, (Referrer & { target: Selector })[]>();
for (const { target, referrers } of nameReferences)
  for (const each of referrers) {
    const known = byKind.get(each.referrer.kind) ?? [];
    known.push({ ...each, target });
    byKind.set(each.referrer.kind, known);
  }

/** Whether what is selected is of the selector's group and version, where it has one, and of its kind. */
export function isSelected(id: { group: string; version: string; kind: string }, selector: Selector): boolean {
  return (
    id.kind === selector.kind &&
    (selector.group === undefined || selector.group === id.group) &&
    (selector.version === undefined || selector.version === id.version)
  );
}
