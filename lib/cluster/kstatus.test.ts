import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../api/object.ts";
import { computeStatus } from "./kstatus.ts";

type Fields = Record<string, unknown>;

function object(
  apiVersion: string,
  kind: string,
  fields: { metadata?: Fields; spec?: Fields; status?: Fields } = {},
): KubernetesObject {
  const { metadata, spec, status } = fields;
  return {
    apiVersion,
    kind,
    metadata: { name: "x", namespace: "y", generation: 1, ...metadata },
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
  };
}

const condition = (type: string, status: string, reason = "Because", message = "said so") => ({
  type,
  status,
  reason,
  message,
});
const conditions = (...all: ReturnType<typeof condition>[]) => ({ status: { conditions: all } });

type Row = [what: string, object: KubernetesObject, status: string, message: string];

function check(rows: Row[]): void {
  for (const [what, subject, status, message] of rows) {
    expect(computeStatus(subject, new Date("2026-01-01T00:01:00Z")), what).toEqual({ status, message });
  }
}

describe("computeStatus", () => {
  it("KS-196: what holds for every kind", () => {
    const custom = (fields: Parameters<typeof object>[2]) => object("example.org/v1", "Widget", fields);
    const deploying = object("apps/v1", "Deployment", {
      metadata: { generation: 2 },
      status: { observedGeneration: 1 },
    });
    check([
      [
        "going",
        custom({ metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }),
        "Terminating",
        "Resource scheduled for deletion",
      ],
      [
        "not observed",
        custom({ metadata: { generation: 2 }, status: { observedGeneration: 1 } }),
        "InProgress",
        "Widget generation is 2, but latest observed generation is 1",
      ],
      [
        "not observed, with rules of its own",
        deploying,
        "InProgress",
        "Deployment generation is 2, but latest observed generation is 1",
      ],
      [
        "reconciling",
        custom(conditions(condition("Ready", "True"), condition("Reconciling", "True"))),
        "InProgress",
        "said so",
      ],
      [
        "no longer reconciling",
        custom(conditions(condition("Reconciling", "False"))),
        "Current",
        "Resource is current",
      ],
      ["stalled", custom(conditions(condition("Stalled", "True"))), "Failed", "said so"],
      ["ready", custom(conditions(condition("Ready", "True"))), "Current", "Resource is Ready"],
      ["not ready", custom(conditions(condition("Ready", "False"))), "InProgress", "said so"],
      ["not known to be ready", custom(conditions(condition("Ready", "Unknown"))), "InProgress", "said so"],
      ["nothing said", custom({}), "Current", "Resource is current"],
      ["status of another shape", custom({ status: { conditions: "none" } }), "Current", "Resource is current"],
    ]);
  });

  it("KS-197: Deployment", () => {
    const available = condition("Available", "True");
    const progressed = condition("Progressing", "True", "NewReplicaSetAvailable");
    const full = { replicas: 2, updatedReplicas: 2, availableReplicas: 2, readyReplicas: 2 };
    const deployment = (status: Fields, spec: Fields = {}) =>
      object("apps/v1", "Deployment", { spec: { replicas: 2, progressDeadlineSeconds: 600, ...spec }, status });
    check([
      ["new", deployment({}), "InProgress", "Replicas: 0/2"],
      ["updating", deployment({ ...full, updatedReplicas: 1 }), "InProgress", "Updated: 1/2"],
      ["surplus", deployment({ ...full, replicas: 3 }), "InProgress", "Pending termination: 1"],
      ["unavailable", deployment({ ...full, availableReplicas: 1 }), "InProgress", "Available: 1/2"],
      ["unready", deployment({ ...full, readyReplicas: 1 }), "InProgress", "Ready: 1/2"],
      ["not progressed", deployment({ ...full, conditions: [available] }), "InProgress", "ReplicaSet not Available"],
      ["not available", deployment({ ...full, conditions: [progressed] }), "InProgress", "Deployment not Available"],
      [
        "available",
        deployment({ ...full, conditions: [progressed, available] }),
        "Current",
        "Deployment is available. Replicas: 2",
      ],
      [
        "without deadline",
        deployment({ ...full, conditions: [available] }, { progressDeadlineSeconds: 2147483647 }),
        "Current",
        "Deployment is available. Replicas: 2",
      ],
      [
        "too late",
        deployment({ conditions: [condition("Progressing", "False", "ProgressDeadlineExceeded")] }),
        "Failed",
        "Progress deadline exceeded",
      ],
      ["one by default", object("apps/v1", "Deployment", { status: {} }), "InProgress", "Replicas: 0/1"],
    ]);
  });

  it("KS-198: StatefulSet, ReplicaSet, DaemonSet", () => {
    const set = (status: Fields, strategy: Fields = {}) =>
      object("apps/v1", "StatefulSet", { spec: { replicas: 2, updateStrategy: strategy }, status });
    const full = { replicas: 2, readyReplicas: 2, currentReplicas: 2, currentRevision: "a", updateRevision: "a" };
    const replicaSet = (status: Fields) => object("apps/v1", "ReplicaSet", { spec: { replicas: 2 }, status });
    const labelled = { replicas: 2, fullyLabeledReplicas: 2, availableReplicas: 2, readyReplicas: 2 };
    const daemonSet = (status: Fields) =>
      object("apps/v1", "DaemonSet", { status: { observedGeneration: 1, ...status } });
    const scheduled = {
      desiredNumberScheduled: 2,
      currentNumberScheduled: 2,
      updatedNumberScheduled: 2,
      numberAvailable: 2,
      numberReady: 2,
    };
    check([
      ["by hand", set({}, { type: "OnDelete" }), "Current", "StatefulSet is using the ondelete update strategy"],
      ["new", set({}), "InProgress", "Replicas: 0/2"],
      ["unready", set({ ...full, readyReplicas: 1 }), "InProgress", "Ready: 1/2"],
      ["surplus", set({ ...full, replicas: 3 }), "InProgress", "Pending termination: 1"],
      [
        "partition",
        set({ ...full, updatedReplicas: 0 }, { rollingUpdate: { partition: 1 } }),
        "InProgress",
        "updated: 0/1",
      ],
      [
        "partition done",
        set({ ...full, updatedReplicas: 1 }, { rollingUpdate: { partition: 1 } }),
        "Current",
        "Partition rollout complete. updated: 1",
      ],
      ["current", set({ ...full, currentReplicas: 1 }), "InProgress", "current: 1/2"],
      [
        "revision",
        set({ ...full, updateRevision: "b" }),
        "InProgress",
        "Waiting for updated revision to match current",
      ],
      ["done", set(full), "Current", "All replicas scheduled as expected. Replicas: 2"],
      [
        "replica set failing",
        replicaSet({ conditions: [condition("ReplicaFailure", "True")] }),
        "InProgress",
        "Replica Failure condition. Check Pods",
      ],
      ["replica set labelled", replicaSet({ ...labelled, fullyLabeledReplicas: 1 }), "InProgress", "Labelled: 1/2"],
      ["replica set available", replicaSet({ ...labelled, availableReplicas: 1 }), "InProgress", "Available: 1/2"],
      ["replica set ready", replicaSet({ ...labelled, readyReplicas: 1 }), "InProgress", "Ready: 1/2"],
      ["replica set surplus", replicaSet({ ...labelled, replicas: 3 }), "InProgress", "Pending termination: 1"],
      ["replica set done", replicaSet(labelled), "Current", "ReplicaSet is available. Replicas: 2"],
      [
        "daemon set not observed",
        object("apps/v1", "DaemonSet", { status: scheduled }),
        "InProgress",
        "DaemonSet status.observedGeneration not found",
      ],
      [
        "daemon set without generation",
        object("apps/v1", "DaemonSet", { metadata: { generation: undefined } }),
        "InProgress",
        "DaemonSet metadata.generation not found",
      ],
      ["daemon set new", daemonSet({}), "InProgress", "Missing .status.desiredNumberScheduled"],
      ["daemon set current", daemonSet({ ...scheduled, currentNumberScheduled: 1 }), "InProgress", "Current: 1/2"],
      ["daemon set updated", daemonSet({ ...scheduled, updatedNumberScheduled: 1 }), "InProgress", "Updated: 1/2"],
      ["daemon set available", daemonSet({ ...scheduled, numberAvailable: 1 }), "InProgress", "Available: 1/2"],
      ["daemon set ready", daemonSet({ ...scheduled, numberReady: 1 }), "InProgress", "Ready: 1/2"],
      ["daemon set done", daemonSet(scheduled), "Current", "All replicas scheduled as expected. Replicas: 2"],
    ]);
  });

  it("KS-199: Job", () => {
    const job = (status: Fields, spec: Fields = {}) =>
      object("batch/v1", "Job", { spec: { completions: 2, ...spec }, status });
    check([
      ["suspended", job({}, { suspend: true }), "Current", "Job is suspended"],
      ["new", job({}), "InProgress", "Job not started. active: 0/1"],
      ["running", job({ startTime: "t", active: 1 }), "InProgress", "Job in progress. success:0, active: 1, failed: 0"],
      [
        "complete",
        job({ succeeded: 2, conditions: [condition("Complete", "True")] }),
        "Current",
        "Job Completed. succeeded: 2/2",
      ],
      ["failed", job({ failed: 1, conditions: [condition("Failed", "True")] }), "Failed", "Job Failed. failed: 1/2"],
    ]);
  });

  it("KS-200: Pod, PersistentVolumeClaim, Service, definitions and what is always ready", () => {
    const pod = (status: Fields, created = "2026-01-01T00:00:00Z") =>
      object("v1", "Pod", { metadata: { creationTimestamp: created }, status });
    const looping = { name: "app", state: { waiting: { reason: "CrashLoopBackOff" } } };
    const unschedulable = { phase: "Pending", conditions: [condition("PodScheduled", "False", "Unschedulable")] };
    const definition = (...all: ReturnType<typeof condition>[]) =>
      object("apiextensions.k8s.io/v1", "CustomResourceDefinition", conditions(...all));
    check([
      ["succeeded", pod({ phase: "Succeeded" }), "Current", "Pod has completed successfully"],
      ["failed", pod({ phase: "Failed" }), "Current", "Pod has completed, but not successfully"],
      ["ready", pod({ phase: "Running", conditions: [condition("Ready", "True")] }), "Current", "Pod is Ready"],
      ["unready", pod({ phase: "Running" }), "InProgress", "Pod is running but is not Ready"],
      [
        "looping",
        pod({ phase: "Running", containerStatuses: [looping] }),
        "Failed",
        "Containers in CrashLoop state: app",
      ],
      ["pending", pod({ phase: "Pending" }), "InProgress", "Pod is in the Pending phase"],
      [
        "unschedulable for a moment",
        pod(unschedulable, "2026-01-01T00:00:50Z"),
        "InProgress",
        "Pod has not been scheduled",
      ],
      ["unschedulable", pod(unschedulable), "Failed", "Pod could not be scheduled"],
      ["unseen", pod({}), "InProgress", "Pod phase not available"],
      [
        "claim pending",
        object("v1", "PersistentVolumeClaim", { status: { phase: "Pending" } }),
        "InProgress",
        "PVC is not Bound. phase: Pending",
      ],
      ["claim unseen", object("v1", "PersistentVolumeClaim"), "InProgress", "PVC is not Bound. phase: unknown"],
      ["claim bound", object("v1", "PersistentVolumeClaim", { status: { phase: "Bound" } }), "Current", "PVC is Bound"],
      ["service", object("v1", "Service", { spec: {} }), "Current", "Service is ready"],
      [
        "balancer without address",
        object("v1", "Service", { spec: { type: "LoadBalancer" } }),
        "InProgress",
        "ClusterIP not set. Service type: LoadBalancer",
      ],
      [
        "balancer",
        object("v1", "Service", { spec: { type: "LoadBalancer", clusterIP: "10.0.0.1" } }),
        "Current",
        "Service is ready",
      ],
      ["budget", object("policy/v1", "PodDisruptionBudget"), "Current", "AllowedDisruptions has been computed."],
      ["secret", object("v1", "Secret"), "Current", "Resource is always ready"],
      ["config map", object("v1", "ConfigMap"), "Current", "Resource is always ready"],
      ["cron job", object("batch/v1", "CronJob"), "Current", "Resource is always ready"],
      ["definition new", definition(), "InProgress", "Install in progress"],
      [
        "definition installing",
        definition(condition("Established", "False", "Installing")),
        "InProgress",
        "Install in progress",
      ],
      ["definition refused", definition(condition("Established", "False", "NotAccepted")), "Failed", "said so"],
      [
        "definition's names taken",
        definition(condition("NamesAccepted", "False", "ListKindConflict")),
        "Failed",
        "said so",
      ],
      [
        "definition",
        definition(condition("NamesAccepted", "True"), condition("Established", "True")),
        "Current",
        "CRD is established",
      ],
    ]);
    expect(() => computeStatus(pod({ phase: "Dreaming" }))).toThrow("unknown phase Dreaming");
  });
});
