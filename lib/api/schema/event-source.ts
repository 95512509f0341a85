import { optional, text, textMap, word } from "./field.ts";

/** The kinds that Alerts listen to and Receivers wake (AL-002, RC-011). */
export const sourceKinds = [
  "Bucket",
  "GitRepository",
  "Kustomization",
  "HelmRelease",
  "HelmChart",
  "HelmRepository",
  "ImageRepository",
  "ImagePolicy",
  "ImageUpdateAutomation",
  "OCIRepository",
  "ArtifactGenerator",
  "ExternalArtifact",
] as const;

/** Names one object of any namespace, or with `*` those that have certain labels. */
export const objectSelection = {
  apiVersion: optional(text("API version of the objects.")),
  kind: word("Kind of the objects.", sourceKinds),
  name: text("Name of the object, or `*`.", { minLength: 1, maxLength: 253 }),
  namespace: optional(
    text("Namespace of the objects, by default this object's own.", { minLength: 1, maxLength: 253 }),
  ),
  matchLabels: optional(textMap("Labels that the objects must have, where the name is `*`.")),
};
