import type { TSchema } from "@sinclair/typebox";

/** A column of `kubectl get`. Priority 1 shows with `-o wide` only. */
export type PrinterColumn = {
  name: string;
  type: "string" | "integer" | "boolean" | "date";
  jsonPath: string;
  priority?: number;
};

/** All that a CustomResourceDefinition is rendered from. */
export type KindDefinition = {
  kind: string;
  group: string;
  plural: string;
  shortNames: string[];
  /** Besides `all` and `fluxcd`, which every kind has. */
  category: string;
  /** The Flux controller that the kind belongs to. */
  component: string;
  description: string;
  /** Served versions, the one that is stored first. All have the same schema, since nothing converts them (KS-240). */
  versions: [string, ...string[]];
  spec: TSchema;
  /** An object may have no spec at all. */
  specIsOptional?: true;
  /** A kind without status has no status subresource either. */
  status?: TSchema;
  /** The status is written by others than Sluice, and tells of new artifacts (EA-002): the cluster calls at its writes too. */
  publishes?: true;
  /** As Flux has them, in its order: the words of `kubectl get` (SRC-003). */
  columns: PrinterColumn[];
  /** Fields that a LIST can select by (KEP-4358). */
  selectableFields: string[];
};
