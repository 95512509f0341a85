import { age, readiness, retry, schedule } from "./column.ts";
import { conditions } from "./condition.ts";
import type { KindDefinition } from "./definition.ts";
import {
  integer,
  lastHandledReconcileAt,
  list,
  object,
  observedGeneration,
  optional,
  status,
  text,
  textMap,
  time,
} from "./field.ts";
import { kustomizationSpec } from "./kustomization-spec.ts";

const inventoryEntry = object("An object that was applied.", {
  id: text("`<namespace>_<name>_<group>_<kind>`."),
  v: text("API version that it was applied with."),
});

const snapshot = object("What several passes with one result have in common.", {
  digest: text("Digest of the objects, `<algorithm>:<hex>`."),
  firstReconciled: time("When the first of them ended."),
  lastReconciled: time("When the last of them ended."),
  lastReconciledDuration: text("How long the last of them took, as a Go duration."),
  lastReconciledStatus: text("The reason of Ready that they ended with."),
  totalReconciliations: integer("How many they were."),
  metadata: optional(textMap("What else is known of them, such as the revision.")),
});

/** `Kustomization.status`: kustomization.md section 13. */
export const kustomizationStatus = status("What is known of the Kustomization.", {
  observedGeneration: optional(observedGeneration),
  conditions: optional(conditions),
  lastAppliedRevision: optional(text("Revision of the source that was applied last.")),
  lastAppliedOriginRevision: optional(text("What the revision applied last was made from, where the source says so.")),
  lastAttemptedRevision: optional(text("Revision of the source that was tried last.")),
  lastHandledReconcileAt: optional(lastHandledReconcileAt),
  inventory: optional(object("Which objects are applied.", { entries: list("One entry an object.", inventoryEntry) })),
  history: optional(list("The last results, newest first.", snapshot)),
});

/** Kustomization: KS-001 to KS-003, KS-240 to KS-242. */
export const kustomization: KindDefinition = {
  kind: "Kustomization",
  group: "kustomize.toolkit.fluxcd.io",
  plural: "kustomizations",
  shortNames: ["ks"],
  category: "fluxcd-appliers",
  component: "kustomize-controller",
  description: "Objects that are built from a source with kustomize, applied, and kept as they are there.",
  versions: ["v1", "v1beta2", "v1beta1"],
  spec: kustomizationSpec,
  status: kustomizationStatus,
  columns: [age, ...readiness, ...schedule, retry],
  selectableFields: [".spec.sourceRef.kind", ".spec.sourceRef.name"],
};
