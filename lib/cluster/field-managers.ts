import type { KubernetesObject, ManagedFieldsEntry } from "../api/object.ts";
import { isFields } from "../text/fields.ts";
import type { JsonPatchOperation } from "./objects.ts";

const annotations = [
  "kubectl.kubernetes.io/last-applied-configuration",
  "kustomize.toolkit.fluxcd.io/checksum",
  "fluxcd.io/sync-checksum",
];
const labels = ["fluxcd.io/sync-gc-mark"];

/**
 * What has to be done to a live object so that the next apply owns all that clients wrote (KS-143): the fields of `kubectl`
 * and of the other managers named become those of `fieldManager`, and their annotations go. Empty where nothing is to do.
 * Fields of subresources stay with who wrote them.
 */
export function takeOverFields(
  live: KubernetesObject,
  fieldManager: string,
  overrideManagers: readonly string[],
): JsonPatchOperation[] {
  const { metadata } = live;
  const remove = (field: string, keys: string[], present: Record<string, string> | undefined) =>
    keys
      .filter((key) => present?.[key] !== undefined)
      .map((key): JsonPatchOperation => ({ op: "remove", path: `/metadata/${field}/${key.replaceAll("/", "~1")}` }));
  const managedFields = takeOver(metadata.managedFields ?? [], fieldManager, overrideManagers);
  return [
    ...remove("annotations", annotations, metadata.annotations),
    ...remove("labels", labels, metadata.labels),
    ...(managedFields === undefined
      ? []
      : [{ op: "replace", path: "/metadata/managedFields", value: managedFields } as const]),
  ];
}

/**
 * What has to be done to a live object so that all its managed fields are told in one version (KS-152), those of subresources
 * too. Empty where they are.
 */
export function migrateFields({ metadata }: KubernetesObject, apiVersion: string): JsonPatchOperation[] {
  const { managedFields = [] } = metadata;
  if (managedFields.every((entry) => entry.apiVersion === apiVersion)) return [];
  const migrated = managedFields.map((entry) => ({ ...entry, apiVersion }));
  return [{ op: "replace", path: "/metadata/managedFields", value: migrated }];
}

/** Whether nobody but `fieldManager` has written an object, so that there is nothing to take over, whatever is asked for. */
export function isOwnAlone(live: KubernetesObject, fieldManager: string): boolean {
  const { managedFields = [] } = live.metadata;
  const isAlone = managedFields.every(({ manager, operation }) => manager === fieldManager && operation === "Apply");
  return isAlone && takeOverFields(live, fieldManager, []).length === 0;
}

function takeOver(
  entries: readonly ManagedFieldsEntry[],
  fieldManager: string,
  overrideManagers: readonly string[],
): ManagedFieldsEntry[] | undefined {
  const isTaken = ({ manager, operation, subresource }: ManagedFieldsEntry) => {
    if (subresource !== undefined && subresource !== "") return false;
    const both = ["kubectl", ...overrideManagers].some((prefix) => manager.startsWith(prefix));
    const updates = ["before-first-apply", fieldManager].some((prefix) => manager.startsWith(prefix));
    return both || (operation === "Update" && updates);
  };
  const isOwn = ({ manager, operation, subresource }: ManagedFieldsEntry) =>
    manager === fieldManager && operation === "Apply" && (subresource === undefined || subresource === "");
  const taken = entries.filter((entry) => isTaken(entry) && !isOwn(entry));
  const [first] = taken;
  if (first === undefined) return undefined;
  const own = entries.find(isOwn) ?? { ...first, manager: fieldManager, operation: "Apply" };
  const fieldsV1 = taken.reduce((fields, entry) => mergeFields(fields, entry.fieldsV1 ?? {}), own.fieldsV1 ?? {});
  return [...entries.filter((entry) => !isTaken(entry) && !isOwn(entry)), { ...own, fieldsV1 }];
}

/** The union of two sets of fields (FieldsV1): an empty set is the field itself, which `.` says where there are fields below it. */
function mergeFields(a: Record<string, unknown>, b: Record<string, unknown>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...a };
  for (const [field, below] of Object.entries(b)) {
    const present = merged[field];
    if (!isFields(present) || !isFields(below)) merged[field] = below;
    else if (isEmpty(present) === isEmpty(below)) merged[field] = mergeFields(present, below);
    else merged[field] = { ".": {}, ...present, ...below };
  }
  return merged;
}

function isEmpty(fields: Record<string, unknown>): boolean {
  return Object.keys(fields).length === 0;
}
