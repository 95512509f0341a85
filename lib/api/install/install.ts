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
  return [namespace(), ...definitions.map(customResourceDefinition), ...accessRules(), ...placeholders()];
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
