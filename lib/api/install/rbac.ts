import type { KubernetesObject } from "../object.ts";
import { installLabels, runtimeNamespace } from "./labels.ts";

/** API groups of Flux's kinds. */
const groups = [
  "helm.toolkit.fluxcd.io",
  "image.toolkit.fluxcd.io",
  "kustomize.toolkit.fluxcd.io",
  "notification.toolkit.fluxcd.io",
  "source.extensions.fluxcd.io",
  "source.toolkit.fluxcd.io",
];

/** The controllers of a Flux install. Flux's own bindings name all of them, whether they are installed or not. */
const controllers = [
  "kustomize-controller",
  "helm-controller",
  "source-controller",
  "notification-controller",
  "image-reflector-controller",
  "image-automation-controller",
  "source-watcher",
];

/**
 * The Kubernetes groups that Sluice's roles are mapped to (BS-045, TM-001). Functions that fetch, notify and schedule are
 * `controllers`: they see Flux's kinds and what those refer to. Only those that apply are `reconcilers`, and as Flux's
 * own appliers are cluster-admin: they apply whatever a repository may contain, and impersonate tenants.
 */
export const sluiceGroups = { controllers: "sluice:controllers", reconcilers: "sluice:reconcilers" } as const;

/**
 * The RBAC of a Flux install (BS-003), under its names, and Sluice's own bindings beside it: a repository that holds Flux's
 * manifests re-applies Flux's bindings without Sluice's groups, but `flux uninstall` removes both by their label (BS-045).
 */
export function accessRules(): KubernetesObject[] {
  const controller = `crd-controller-${runtimeNamespace}`;
  return [
    clusterRole(controller, {}, controllerRules),
    binding(controller, controller, controllers.map(serviceAccount)),
    binding(
      `cluster-reconciler-${runtimeNamespace}`,
      "cluster-admin",
      ["kustomize-controller", "helm-controller"].map(serviceAccount),
    ),
    clusterRole(`flux-edit-${runtimeNamespace}`, aggregateTo("edit", "admin"), [
      { apiGroups: groups, resources: ["*"], verbs: ["create", "delete", "deletecollection", "patch", "update"] },
    ]),
    clusterRole(`flux-view-${runtimeNamespace}`, aggregateTo("view", "edit", "admin"), [
      { apiGroups: groups, resources: ["*"], verbs: ["get", "list", "watch"] },
    ]),
    clusterRole(`sluice-controllers-${runtimeNamespace}`, {}, sluiceRules),
    binding(`sluice-controllers-${runtimeNamespace}`, `sluice-controllers-${runtimeNamespace}`, [
      group(sluiceGroups.controllers),
    ]),
    binding(`sluice-reconcilers-${runtimeNamespace}`, "cluster-admin", [group(sluiceGroups.reconcilers)]),
    {
      ...rbac("Role", "sluice-placeholders", runtimeNamespace),
      rules: [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list"] }],
    },
    {
      ...rbac("RoleBinding", "sluice-placeholders", runtimeNamespace),
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "sluice-placeholders" },
      subjects: [group(sluiceGroups.controllers)],
    },
  ];
}

type PolicyRule = { apiGroups?: string[]; resources?: string[]; nonResourceURLs?: string[]; verbs: string[] };

/** What every Flux controller may do: its kinds, what they refer to, events, leader election, tokens of ServiceAccounts. */
const controllerRules: PolicyRule[] = [
  { apiGroups: groups, resources: ["*"], verbs: ["*"] },
  {
    apiGroups: [""],
    resources: ["namespaces", "secrets", "configmaps", "serviceaccounts"],
    verbs: ["get", "list", "watch"],
  },
  { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  { apiGroups: [""], resources: ["configmaps"], verbs: ["create", "update", "patch", "delete"] },
  { apiGroups: [""], resources: ["configmaps/status"], verbs: ["get", "update", "patch"] },
  {
    apiGroups: ["coordination.k8s.io"],
    resources: ["leases"],
    verbs: ["get", "list", "watch", "create", "update", "patch", "delete"],
  },
  { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
  { nonResourceURLs: ["/livez/ping"], verbs: ["head"] },
];

/** What Sluice does without applying anything: reads kinds and what they refer to, writes finalizers, status, requests, events and ExternalArtifacts. */
const sluiceRules: PolicyRule[] = [
  { apiGroups: groups, resources: ["*"], verbs: ["get", "list", "watch", "patch"] },
  // What ArtifactGenerators make.
  { apiGroups: ["source.toolkit.fluxcd.io"], resources: ["externalartifacts"], verbs: ["create", "delete"] },
  {
    apiGroups: [""],
    resources: ["namespaces", "secrets", "configmaps", "serviceaccounts"],
    verbs: ["get", "list", "watch"],
  },
  { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
];

type Subject = { kind: "ServiceAccount" | "Group"; name: string; namespace?: string; apiGroup?: string };

function serviceAccount(name: string): Subject {
  return { kind: "ServiceAccount", name, namespace: runtimeNamespace };
}

function group(name: string): Subject {
  return { apiGroup: "rbac.authorization.k8s.io", kind: "Group", name };
}

function aggregateTo(...roles: string[]): Record<string, string> {
  return Object.fromEntries(roles.map((role) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, "true"]));
}

function clusterRole(name: string, labels: Record<string, string>, rules: PolicyRule[]): KubernetesObject {
  const role = rbac("ClusterRole", name);
  return { ...role, metadata: { ...role.metadata, labels: { ...role.metadata.labels, ...labels } }, rules };
}

function binding(name: string, role: string, subjects: Subject[]): KubernetesObject {
  return {
    ...rbac("ClusterRoleBinding", name),
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects,
  };
}

function rbac(kind: string, name: string, namespace?: string): KubernetesObject {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind,
    metadata: { name, labels: installLabels(), ...(namespace === undefined ? {} : { namespace }) },
  };
}
