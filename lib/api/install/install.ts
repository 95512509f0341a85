import type { KubernetesObject } from "../object.ts";
import { definitions } from "../schema/kinds.ts";
import { customResourceDefinition } from "./crd.ts";
import { installLabels, runtimeNamespace } from "./labels.ts";
import { placeholders } from "./placeholder.ts";
import { accessRules } from "./rbac.ts";

/**
 * Everything that a cluster needs before Sluice can work for it, in the order in which it can be applied (BS-001, BS-050).
 * The admission webhook is apart: it names a deployment, and its token.
 */
export function installObjects(): KubernetesObject[] {
  return [namespace(), ...definitions.map(customResourceDefinition).map(marked), ...accessRules(), ...placeholders()];
}

function namespace(): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: runtimeNamespace,
      labels: {
        ...installLabels(),
        "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/warn-version": "latest",
      },
    },
  };
}

/** The labels and annotations that say in the cluster, and never in Git, that a definition is Sluice's. */
export const marks = {
  /** The flux CLI asks before it replaces what somebody else manages (BS-044). */
  labels: { "app.kubernetes.io/managed-by": "sluice" },
  /** A repository that holds Flux's manifests leaves the definition alone (SN-01). */
  annotations: { "kustomize.toolkit.fluxcd.io/reconcile": "disabled" },
};

function marked(definition: KubernetesObject): KubernetesObject {
  const { labels, annotations, ...metadata } = definition.metadata;
  return {
    ...definition,
    metadata: {
      ...metadata,
      labels: { ...labels, ...marks.labels },
      annotations: { ...annotations, ...marks.annotations },
    },
  };
}
