import type { KustomizationSpec } from "../api/kustomization.ts";

/** The fields of a Kustomization's spec that a build depends on. */
export type BuildSpec = Partial<
  Pick<
    KustomizationSpec,
    | "path"
    | "targetNamespace"
    | "namePrefix"
    | "nameSuffix"
    | "commonMetadata"
    | "components"
    | "ignoreMissingComponents"
    | "patches"
    | "patchesStrategicMerge"
    | "patchesJson6902"
    | "images"
    | "buildMetadata"
  >
>;
