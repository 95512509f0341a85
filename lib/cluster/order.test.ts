import { describe, expect, it } from "vitest";
import { compareForApply, stageOf } from "./order.ts";

const reference = (apiVersion: string, kind: string, name = "x", namespace?: string) => ({
  apiVersion,
  kind,
  name,
  ...(namespace === undefined ? {} : { namespace }),
});

describe("order", () => {
  it("KS-130: by rank of the kind, then group, kind, namespace, name", () => {
    const ordered = [
      reference("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
      reference("v1", "Namespace"),
      reference("rbac.authorization.k8s.io/v1", "ClusterRole"),
      reference("storage.k8s.io/v1", "StorageClass"),
      reference("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
      reference("v1", "ServiceAccount"),
      reference("v1", "ConfigMap", "a", "a"),
      reference("v1", "ConfigMap", "b", "a"),
      reference("v1", "ConfigMap", "a", "b"),
      reference("v1", "Secret"),
      reference("v1", "Service"),
      reference("serving.knative.dev/v1", "Service"),
      reference("apps/v1", "Deployment"),
      reference("policy/v1", "PodDisruptionBudget"),
      reference("v1", "PersistentVolumeClaim"),
      reference("apps/v1", "DaemonSet"),
      reference("batch/v1", "Job"),
      reference("networking.k8s.io/v1", "Ingress"),
      reference("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
      reference("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ];
    expect([...ordered].reverse().sort(compareForApply)).toEqual(ordered);
  });

  it("KS-130, KS-133: stages", () => {
    const custom = new Set(["rbac.authorization.k8s.io/Role", "Secret"]);
    const stages = [
      [reference("apiextensions.k8s.io/v1", "CustomResourceDefinition"), "definitions"],
      [reference("example.org/v1", "CustomResourceDefinition"), "others"],
      [reference("v1", "Namespace"), "definitions"],
      [reference("example.org/v1", "Namespace"), "others"],
      [reference("rbac.authorization.k8s.io/v1", "ClusterRole"), "definitions"],
      [reference("example.org/v1", "PaperClass"), "classes"],
      [reference("rbac.authorization.k8s.io/v1", "Role"), "custom"],
      [reference("v1", "Secret"), "custom"],
      [reference("v1", "ConfigMap"), "others"],
    ] as const;
    for (const [object, stage] of stages) expect(stageOf(object, custom), object.kind).toBe(stage);
  });
});
