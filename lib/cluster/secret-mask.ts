import type { KubernetesObject, ObjectMeta } from "../api/object.ts";
import { isFields } from "../text/fields.ts";

/** Where kubectl keeps the whole Secret once more. */
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * Two states of an object with a Secret's values told apart but not told, as Flux's diff shows them: `***` where they are the same or
 * there on one side alone, `*** (before)` and `*** (after)` where they differ. Other objects are as they were given.
 */
export function maskSecrets(
  live: KubernetesObject,
  wanted: KubernetesObject,
): { live: KubernetesObject; wanted: KubernetesObject } {
  if (live.apiVersion !== "v1" || live.kind !== "Secret") return { live, wanted };
  const mask = (object: KubernetesObject, other: KubernetesObject, differing: string): KubernetesObject => ({
    ...object,
    metadata: withoutLastApplied(object.metadata),
    ...(isFields(object.data) ? { data: masked(object.data, other.data, differing) } : {}),
    ...(isFields(object.stringData) ? { stringData: masked(object.stringData, other.stringData, differing) } : {}),
  });
  return { live: mask(live, wanted, "*** (before)"), wanted: mask(wanted, live, "*** (after)") };
}

function withoutLastApplied(metadata: ObjectMeta): ObjectMeta {
  const { annotations } = metadata;
  if (annotations?.[lastApplied] === undefined) return metadata;
  return { ...metadata, annotations: { ...annotations, [lastApplied]: "***" } };
}

function masked(values: Record<string, unknown>, others: unknown, differing: string): Record<string, string> {
  const present = isFields(others) ? others : {};
  const isChanged = (key: string) => Object.hasOwn(present, key) && present[key] !== values[key];
  return Object.fromEntries(Object.keys(values).map((key) => [key, isChanged(key) ? differing : "***"]));
}
