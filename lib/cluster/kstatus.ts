import type { KubernetesObject } from "../api/object.ts";
import { isFields } from "../text/fields.ts";
import type { HealthStatus } from "./health.ts";
import { groupOf } from "./order.ts";
import { numberAt, recordsAt, textAt, valueAt } from "./unstructured.ts";

/** What the rules of kstatus make of one object. */
export type ObjectStatus = { status: HealthStatus; message: string };

type Condition = { type: string; status: string; reason: string; message: string };

/** How long a pod may be without a node before that counts as a failure, in milliseconds. */
const scheduleMilliseconds = 15_000;

/**
 * Says how an object is by the rules of kstatus (KS-196 to KS-200), from its content alone. What holds for every object
 * comes first: deletion, the observed generation, Reconciling, Stalled; then the rules of its kind, or its Ready condition.
 * Throws an Error where the object has a value that its rules do not know.
 */
export function computeStatus(object: KubernetesObject, now: Date = new Date()): ObjectStatus {
  const generic = checkAnyKind(object);
  if (generic !== undefined) return generic;
  const group = groupOf(object.apiVersion);
  const rule = rules[group === "" ? object.kind : `${group}/${object.kind}`];
  return rule === undefined ? checkReady(object) : rule(object, now);
}

function checkAnyKind(object: KubernetesObject): ObjectStatus | undefined {
  const { deletionTimestamp, generation } = object.metadata;
  if (deletionTimestamp !== undefined && deletionTimestamp !== "") {
    return { status: "Terminating", message: "Resource scheduled for deletion" };
  }
  const observed = valueAt(object, "status", "observedGeneration");
  if (generation !== undefined && typeof observed === "number" && observed !== generation) {
    return inProgress(`${object.kind} generation is ${generation}, but latest observed generation is ${observed}`);
  }
  for (const { type, status, message } of conditionsOf(object)) {
    if (type === "Reconciling" && status === "True") return inProgress(message);
    if (type === "Stalled" && status === "True") return failed(message);
  }
  return undefined;
}

function checkReady(object: KubernetesObject): ObjectStatus {
  const ready = conditionsOf(object).find(
    ({ type, status }) => type === "Ready" && (status === "True" || status === "False" || status === "Unknown"),
  );
  if (ready === undefined) return current("Resource is current");
  return ready.status === "True" ? current("Resource is Ready") : inProgress(ready.message);
}

type Rule = (object: KubernetesObject, now: Date) => ObjectStatus;

const alwaysReady: Rule = () => current("Resource is always ready");

const rules: { [kind: string]: Rule } = {
  Service: checkService,
  Pod: checkPod,
  Secret: alwaysReady,
  ConfigMap: alwaysReady,
  PersistentVolumeClaim: checkPersistentVolumeClaim,
  "apps/StatefulSet": checkStatefulSet,
  "apps/DaemonSet": checkDaemonSet,
  "extensions/DaemonSet": checkDaemonSet,
  "apps/Deployment": checkDeployment,
  "extensions/Deployment": checkDeployment,
  "apps/ReplicaSet": checkReplicaSet,
  "extensions/ReplicaSet": checkReplicaSet,
  "policy/PodDisruptionBudget": () => current("AllowedDisruptions has been computed."),
  "batch/CronJob": alwaysReady,
  "batch/Job": checkJob,
  "apiextensions.k8s.io/CustomResourceDefinition": checkDefinition,
};

function checkDeployment(object: KubernetesObject): ObjectStatus {
  // Without a deadline (or with the largest, which the controller reads as none) there is no Progressing condition.
  let progressing = numberAt(object, 2 ** 31 - 1, "spec", "progressDeadlineSeconds") === 2 ** 31 - 1;
  let available = false;
  for (const { type, status, reason } of conditionsOf(object)) {
    if (type === "Progressing" && reason === "ProgressDeadlineExceeded") return failed("Progress deadline exceeded");
    if (type === "Progressing" && status === "True" && reason === "NewReplicaSetAvailable") progressing = true;
    if (type === "Available" && status === "True") available = true;
  }
  const desired = numberAt(object, 1, "spec", "replicas");
  const replicas = numberAt(object, 0, "status", "replicas");
  const updated = numberAt(object, 0, "status", "updatedReplicas");
  const ready = numberAt(object, 0, "status", "readyReplicas");
  const availableReplicas = numberAt(object, 0, "status", "availableReplicas");
  if (desired > replicas) return inProgress(`Replicas: ${replicas}/${desired}`);
  if (desired > updated) return inProgress(`Updated: ${updated}/${desired}`);
  if (replicas > desired) return inProgress(`Pending termination: ${replicas - desired}`);
  if (updated > availableReplicas) return inProgress(`Available: ${availableReplicas}/${updated}`);
  if (desired > ready) return inProgress(`Ready: ${ready}/${desired}`);
  if (!progressing) return inProgress("ReplicaSet not Available");
  if (!available) return inProgress("Deployment not Available");
  return current(`Deployment is available. Replicas: ${replicas}`);
}

function checkStatefulSet(object: KubernetesObject): ObjectStatus {
  if (textAt(object, "spec", "updateStrategy", "type") === "OnDelete") {
    return current("StatefulSet is using the ondelete update strategy");
  }
  const desired = numberAt(object, 1, "spec", "replicas");
  const replicas = numberAt(object, 0, "status", "replicas");
  const ready = numberAt(object, 0, "status", "readyReplicas");
  const currentReplicas = numberAt(object, 0, "status", "currentReplicas");
  const updated = numberAt(object, 0, "status", "updatedReplicas");
  const partition = numberAt(object, -1, "spec", "updateStrategy", "rollingUpdate", "partition");
  if (desired > replicas) return inProgress(`Replicas: ${replicas}/${desired}`);
  if (desired > ready) return inProgress(`Ready: ${ready}/${desired}`);
  if (replicas > desired) return inProgress(`Pending termination: ${replicas - desired}`);
  if (partition !== -1) {
    if (updated < desired - partition) return inProgress(`updated: ${updated}/${desired - partition}`);
    return current(`Partition rollout complete. updated: ${updated}`);
  }
  if (desired > currentReplicas) return inProgress(`current: ${currentReplicas}/${desired}`);
  if (textAt(object, "status", "currentRevision") !== textAt(object, "status", "updateRevision")) {
    return inProgress("Waiting for updated revision to match current");
  }
  return current(`All replicas scheduled as expected. Replicas: ${replicas}`);
}

function checkReplicaSet(object: KubernetesObject): ObjectStatus {
  if (conditionsOf(object).some(({ type, status }) => type === "ReplicaFailure" && status === "True")) {
    return inProgress("Replica Failure condition. Check Pods");
  }
  const desired = numberAt(object, 1, "spec", "replicas");
  const replicas = numberAt(object, 0, "status", "replicas");
  const ready = numberAt(object, 0, "status", "readyReplicas");
  const available = numberAt(object, 0, "status", "availableReplicas");
  const labelled = numberAt(object, 0, "status", "fullyLabeledReplicas");
  if (desired > labelled) return inProgress(`Labelled: ${labelled}/${desired}`);
  if (desired > available) return inProgress(`Available: ${available}/${desired}`);
  if (desired > ready) return inProgress(`Ready: ${ready}/${desired}`);
  if (replicas > desired) return inProgress(`Pending termination: ${replicas - desired}`);
  return current(`ReplicaSet is available. Replicas: ${replicas}`);
}

function checkDaemonSet(object: KubernetesObject): ObjectStatus {
  if (object.metadata.generation === undefined) return inProgress(`${object.kind} metadata.generation not found`);
  if (valueAt(object, "status", "observedGeneration") === undefined) {
    return inProgress(`${object.kind} status.observedGeneration not found`);
  }
  const desired = numberAt(object, -1, "status", "desiredNumberScheduled");
  const scheduled = numberAt(object, 0, "status", "currentNumberScheduled");
  const updated = numberAt(object, 0, "status", "updatedNumberScheduled");
  const available = numberAt(object, 0, "status", "numberAvailable");
  const ready = numberAt(object, 0, "status", "numberReady");
  if (desired === -1) return inProgress("Missing .status.desiredNumberScheduled");
  if (desired > scheduled) return inProgress(`Current: ${scheduled}/${desired}`);
  if (desired > updated) return inProgress(`Updated: ${updated}/${desired}`);
  if (desired > available) return inProgress(`Available: ${available}/${desired}`);
  if (desired > ready) return inProgress(`Ready: ${ready}/${desired}`);
  return current(`All replicas scheduled as expected. Replicas: ${desired}`);
}

/** KS-199: unlike kstatus itself, a Job is not current before it is complete; one that is suspended is. */
function checkJob(object: KubernetesObject): ObjectStatus {
  if (valueAt(object, "spec", "suspend") === true) return current("Job is suspended");
  const parallelism = numberAt(object, 1, "spec", "parallelism");
  const completions = numberAt(object, parallelism, "spec", "completions");
  const active = numberAt(object, 0, "status", "active");
  const succeeded = numberAt(object, 0, "status", "succeeded");
  const unsuccessful = numberAt(object, 0, "status", "failed");
  for (const { type, status } of conditionsOf(object)) {
    if (type === "Complete" && status === "True") {
      return current(`Job Completed. succeeded: ${succeeded}/${completions}`);
    }
    if (type === "Failed" && status === "True") return failed(`Job Failed. failed: ${unsuccessful}/${completions}`);
  }
  if (textAt(object, "status", "startTime") === "") return inProgress(`Job not started. active: 0/${parallelism}`);
  return inProgress(`Job in progress. success:${succeeded}, active: ${active}, failed: ${unsuccessful}`);
}

function checkPod(object: KubernetesObject, now: Date): ObjectStatus {
  const phase = textAt(object, "status", "phase");
  const conditions = conditionsOf(object);
  if (phase === "Succeeded") return current("Pod has completed successfully");
  if (phase === "Failed") return current("Pod has completed, but not successfully");
  if (phase === "Running") {
    if (conditions.some(({ type, status }) => type === "Ready" && status === "True")) return current("Pod is Ready");
    const looping = recordsAt(object, "status", "containerStatuses")
      .filter((container) => textAt(container, "state", "waiting", "reason") === "CrashLoopBackOff")
      .map((container) => textAt(container, "name"));
    if (looping.length > 0) return failed(`Containers in CrashLoop state: ${looping.join(",")}`);
    return inProgress("Pod is running but is not Ready");
  }
  if (phase === "Pending") {
    if (!isUnschedulable(object)) return inProgress("Pod is in the Pending phase");
    const age = now.getTime() - Date.parse(object.metadata.creationTimestamp ?? "");
    return age < scheduleMilliseconds ? inProgress("Pod has not been scheduled") : failed("Pod could not be scheduled");
  }
  if (phase === "") return inProgress("Pod phase not available");
  throw new Error(`unknown phase ${phase}`);
}

/** Whether the scheduler found no node for a pod: an autoscaler may yet bring one. */
export function isUnschedulable(pod: KubernetesObject): boolean {
  return conditionsOf(pod).some(
    ({ type, status, reason }) => type === "PodScheduled" && status === "False" && reason === "Unschedulable",
  );
}

function checkPersistentVolumeClaim(object: KubernetesObject): ObjectStatus {
  const phase = textAt(object, "status", "phase") || "unknown";
  return phase === "Bound" ? current("PVC is Bound") : inProgress(`PVC is not Bound. phase: ${phase}`);
}

function checkService(object: KubernetesObject): ObjectStatus {
  if (textAt(object, "spec", "type") === "LoadBalancer" && textAt(object, "spec", "clusterIP") === "") {
    return inProgress("ClusterIP not set. Service type: LoadBalancer");
  }
  return current("Service is ready");
}

/** KS-131. */
function checkDefinition(object: KubernetesObject): ObjectStatus {
  for (const { type, status, reason, message } of conditionsOf(object)) {
    if (type === "NamesAccepted" && status === "False") return failed(message);
    if (type === "Established" && status === "False" && reason !== "Installing") return failed(message);
    if (type === "Established" && status === "True") return current("CRD is established");
  }
  return inProgress("Install in progress");
}

function conditionsOf(object: KubernetesObject): Condition[] {
  const status = object.status;
  if (!isFields(status)) return [];
  return recordsAt(status, "conditions").map((condition) => ({
    type: textAt(condition, "type"),
    status: textAt(condition, "status"),
    reason: textAt(condition, "reason"),
    message: textAt(condition, "message"),
  }));
}

function current(message: string): ObjectStatus {
  return { status: "Current", message };
}

function inProgress(message: string): ObjectStatus {
  return { status: "InProgress", message };
}

function failed(message: string): ObjectStatus {
  return { status: "Failed", message };
}
