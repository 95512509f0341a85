import type { PrinterColumn } from "./definition.ts";

/** How old the object is. */
export const age: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

/** What the condition Ready says (SRC-003). */
export const readiness: PrinterColumn[] = [
  { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: "Status", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message' },
];

/**
 * What the schedule reads of every object each minute, as a Table without the objects (design, "State"). The names are
 * those that `lib/engine/schedule.ts` looks for; with Flux's own CRDs it finds none and reads whole objects.
 */
export const schedule: PrinterColumn[] = [
  wide("Namespace", ".metadata.namespace"),
  wide("UID", ".metadata.uid"),
  wide("Generation", ".metadata.generation", "integer"),
  wide("Observed", ".status.observedGeneration", "integer"),
  wide("Tried", '.status.conditions[?(@.type=="Ready")].observedGeneration', "integer"),
  wide("Progress", '.status.conditions[?(@.type=="Reconciling")].reason'),
  wide("Interval", ".spec.interval"),
  wide("Suspend", ".spec.suspend", "boolean"),
  wide("Stalled", '.status.conditions[?(@.type=="Stalled")].status'),
  wide("Requested", ".metadata.annotations.reconcile\\.fluxcd\\.io/requestedAt"),
  wide("Handled", ".status.lastHandledReconcileAt"),
  wide("Deleted", ".metadata.deletionTimestamp"),
];

/** What tells a HelmRepository that is only read from one that is reconciled (HR-013). */
export const passivity: PrinterColumn[] = [wide("Type", ".spec.type"), wide("Finalizer", ".metadata.finalizers[0]")];

/** When a Kustomization that is not ready is tried again (KS-011). */
export const retry: PrinterColumn = wide("Retry", ".spec.retryInterval");

function wide(name: string, jsonPath: string, type: PrinterColumn["type"] = "string"): PrinterColumn {
  return { name, type, jsonPath, priority: 1 };
}
