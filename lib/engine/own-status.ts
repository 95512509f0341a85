import type { Condition } from "../api/condition.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { FreshObject } from "./fresh.ts";
import type { Status } from "./reconciler.ts";

/** The condition types that Sluice writes; all others belong to somebody else. */
const ownTypes = new Set([
  "Ready",
  "Reconciling",
  "Stalled",
  "Healthy",
  "ArtifactInStorage",
  "ArtifactOutdated",
  "FetchFailed",
  "IncludeUnavailable",
  "StorageOperationFailed",
  "SourceVerified",
  "BuildFailed",
]);

/** A wanted status with the conditions that other owners have set on the object (KS-224, SRC-031). */
export function mergedStatus(latest: KubernetesObject, wanted: Status): Status {
  const own = conditionsOf(wanted).filter(({ type }) => ownTypes.has(type));
  const foreign = conditionsOf(latest.status).filter(({ type }) => !ownTypes.has(type));
  const conditions = [...own, ...foreign];
  return conditions.length === 0 ? wanted : { ...wanted, conditions };
}

/** Whether the condition Ready is True. */
export function isReady(object: FreshObject): boolean {
  return conditionsOf(object.status).some(({ type, status }) => type === "Ready" && status === "True");
}

function conditionsOf(status: unknown): Pick<Condition, "type" | "status">[] {
  const has = typeof status === "object" && status !== null && "conditions" in status;
  return has && Array.isArray(status.conditions) ? status.conditions : [];
}
