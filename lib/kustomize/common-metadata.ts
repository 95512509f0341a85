import type { KustomizationSpec } from "../api/kustomization.ts";
import type { KubernetesObject } from "../api/object.ts";

/**
 * Sets `spec.commonMetadata` on the metadata of every object, over what is there (KS-079). Flux does this after it has set
 * the owner labels, so the caller does too. Changes the objects in place.
 */
export function setCommonMetadata(
  objects: readonly KubernetesObject[],
  common: KustomizationSpec["commonMetadata"],
): void {
  const { labels, annotations } = common ?? {};
  for (const { metadata } of objects) {
    if (labels !== undefined && Object.keys(labels).length > 0) metadata.labels = { ...metadata.labels, ...labels };
    if (annotations !== undefined && Object.keys(annotations).length > 0)
      metadata.annotations = { ...metadata.annotations, ...annotations };
  }
}
