import type { Kustomization } from "../../api/kustomization.ts";
import { Halt } from "./halt.ts";

/**
 * Refuses what this release cannot do before anything is fetched: leaving a field out silently would apply something else
 * than the user asked for, or to another cluster.
 */
export function refuseUnsupported(object: Kustomization): void {
  const { healthCheckExprs, dependsOn } = object.spec;
  const fields = [
    (healthCheckExprs?.length ?? 0) > 0 && "spec.healthCheckExprs",
    dependsOn?.some(({ readyExpr }) => readyExpr !== undefined) && "spec.dependsOn[].readyExpr",
  ].filter((field) => typeof field === "string");
  if (fields.length === 0) return;
  const message = `Reconciliation failed terminally due to configuration error: ${fields.join(", ")} cannot be used with this release of Sluice`;
  throw new Halt({
    reason: "BuildFailed",
    message,
    event: { type: "Warning", message },
    retry: "terminal",
    started: false,
  });
}
