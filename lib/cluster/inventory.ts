import type { ObjectReference } from "../api/object.ts";
import { groupOf, versionOf } from "./order.ts";

/** An object that was applied (KS-170): `<namespace>_<name>_<group>_<kind>`, and the version it was applied with. */
export type InventoryEntry = { id: string; v: string };

/** What an inventory id names: an object apart from its version. Namespace and group are empty where there is none. */
export type InventoryId = { namespace: string; name: string; group: string; kind: string };

/** Kinds whose names may hold a colon, which an id writes as two underscores. */
const colonKinds = new Set(["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"]);

/** The id under which an inventory keeps an object (KS-170), as cli-utils' ObjMetadata writes it. */
export function formatInventoryId({ apiVersion, kind, namespace, name }: ObjectReference): string {
  const group = groupOf(apiVersion);
  const written = group === "rbac.authorization.k8s.io" && colonKinds.has(kind) ? name.replaceAll(":", "__") : name;
  return `${namespace ?? ""}_${written}_${group}_${kind}`;
}

/** Reads an inventory id. Throws an Error with cli-utils' text where it has fewer than four parts. */
export function parseInventoryId(id: string): InventoryId {
  const match = /^([^_]*)_(.*)_([^_]*)_([^_]*)$/s.exec(id);
  if (match === null) throw new Error(`unable to parse stored object metadata: ${id}`);
  const [, namespace = "", name = "", group = "", kind = ""] = match;
  return { namespace, name: name.replaceAll("__", ":"), group, kind };
}

/** The inventory of these objects, in the order given, which is the order in which they were applied (KS-170). Each id comes once. */
export function formatInventory(objects: readonly ObjectReference[]): InventoryEntry[] {
  const versions = new Map<string, string>();
  for (const object of objects) {
    const id = formatInventoryId(object);
    if (!versions.has(id)) versions.set(id, versionOf(object.apiVersion));
  }
  return [...versions].map(([id, v]) => ({ id, v }));
}

/** What is in the old inventory and no longer in the new one, by id: another version is not another object (KS-172). */
export function differenceOf(old: readonly InventoryEntry[], now: readonly InventoryEntry[]): InventoryEntry[] {
  const kept = new Set(now.map(({ id }) => id));
  return old.filter(({ id }) => !kept.has(id));
}

/**
 * What is to be pruned: it was applied, or begun to be, and is no longer wanted. An entry may have been noted before the scope of
 * its kind was known: a cluster's object that was given a namespace is the same one without it (KS-135).
 */
export function staleOf(old: readonly InventoryEntry[], now: readonly InventoryEntry[]): InventoryEntry[] {
  const ofCluster = new Set(now.map(({ id }) => id).filter((id) => id.startsWith("_")));
  return differenceOf(old, now).filter(({ id }) => !ofCluster.has(id.slice(id.indexOf("_"))));
}

/** The objects that an inventory names. Throws an Error where an id cannot be read. */
export function referencesOf(entries: readonly InventoryEntry[]): ObjectReference[] {
  return entries.map(({ id, v }) => {
    const { namespace, name, group, kind } = parseInventoryId(id);
    const apiVersion = group === "" ? v : `${group}/${v}`;
    return { apiVersion, kind, name, ...(namespace === "" ? {} : { namespace }) };
  });
}

/** The objects that an inventory names, without entries that cannot be read: what is in a status may have been written by others. */
export function readableReferencesOf(entries: readonly InventoryEntry[]): ObjectReference[] {
  return entries.flatMap((entry) => {
    try {
      return referencesOf([entry]);
    } catch {
      return [];
    }
  });
}
