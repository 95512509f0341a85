import type { KubernetesObject } from "../api/object.ts";
import { textsAt } from "./unstructured.ts";

/** Whether a label or an annotation has this value, in any case (KS-145, KS-146, KS-173). */
export function isMarked(object: KubernetesObject | undefined, key: string, value: string): boolean {
  if (object === undefined) return false;
  const wanted = value.toLowerCase();
  return (
    textsAt(object, "metadata", "labels")[key]?.toLowerCase() === wanted ||
    textsAt(object, "metadata", "annotations")[key]?.toLowerCase() === wanted
  );
}

/** Whether an object carries all of these labels. */
export function carriesLabels(object: KubernetesObject, labels: Readonly<Record<string, string>>): boolean {
  const carried = textsAt(object, "metadata", "labels");
  return Object.entries(labels).every(([key, value]) => carried[key] === value);
}

/** Whether an object, as it is wanted or as it is, asks to be left as it is (KS-145, KS-146). */
export function isFrozen(object: KubernetesObject | undefined, group: string): boolean {
  return isMarked(object, `${group}/reconcile`, "disabled") || isMarked(object, `${group}/ssa`, "Ignore");
}
