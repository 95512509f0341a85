import type { ObjectMeta } from "./object.ts";
import type { TypeOf } from "./schema/field.ts";
import type { kustomizationStatus } from "./schema/kustomization.ts";
import type { kustomizationSpec } from "./schema/kustomization-spec.ts";

/** `Kustomization.spec`. */
export type KustomizationSpec = TypeOf<typeof kustomizationSpec>;

/** `Kustomization.status`. */
export type KustomizationStatus = TypeOf<typeof kustomizationStatus>;

/** An object that was applied (KS-170): `<namespace>_<name>_<group>_<kind>` and the API version it was applied with. */
export type InventoryEntry = NonNullable<KustomizationStatus["inventory"]>["entries"][number];

/** Objects that are built from a source, applied, and kept as they are there (kustomization.md). */
export type Kustomization = {
  apiVersion: string;
  kind: "Kustomization";
  metadata: ObjectMeta;
  spec: KustomizationSpec;
  status?: KustomizationStatus;
};
