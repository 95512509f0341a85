import type { ObjectReference } from "../api/object.ts";
import { groupOf } from "./order.ts";

const statusless = new Set(
  [
    "ConfigMap Secret ServiceAccount LimitRange PodTemplate",
    "apps/ControllerRevision batch/CronJob coordination.k8s.io/Lease networking.k8s.io/NetworkPolicy",
    "rbac.authorization.k8s.io/Role rbac.authorization.k8s.io/RoleBinding",
    "rbac.authorization.k8s.io/ClusterRole rbac.authorization.k8s.io/ClusterRoleBinding storage.k8s.io/StorageClass",
  ].flatMap((kinds) => kinds.split(" ")),
);

/** Whether existence is all that there is to know of an object's health: its metadata is enough. */
export function isStatusless(reference: ObjectReference): boolean {
  return statusless.has(groupKindOf(reference));
}

/** Whether nothing but an edit of the object moves its resourceVersion, apart from rare exceptions. */
export function isQuiet(reference: ObjectReference): boolean {
  const kind = groupKindOf(reference);
  return (
    (statusless.has(kind) && kind !== "batch/CronJob" && kind !== "coordination.k8s.io/Lease") || kind === "Service"
  );
}

function groupKindOf({ apiVersion, kind }: ObjectReference): string {
  const group = groupOf(apiVersion);
  return group === "" ? kind : `${group}/${kind}`;
}
