import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { ApiError, isNotFound } from "./api-error.ts";
import type { ClusterClient } from "./client.ts";
import { concurrently } from "./concurrently.ts";
import { DiscoveryFailed, NoKindMatch } from "./discovery.ts";
import { formatInventoryId } from "./inventory.ts";
import { findMetadata, findObject, listMetadata, listObjects } from "./objects.ts";

/** How objects of one kind are read. */
export type LiveReading = {
  /** Whole objects, or their metadata alone. */
  content: "whole" | "metadata";
  /** Read by LIST only what carries these labels. */
  labels?: Readonly<Record<string, string>>;
  /** From how many objects on one LIST is sent instead of a GET for each; default 2. */
  listFrom?: number;
  /** What may not or cannot be read counts as absent instead of throwing: whoever acts on it meets the refusal itself. */
  forbiddenIsAbsent?: boolean;
  concurrency: number;
  signal?: AbortSignal | undefined;
};

/**
 * Reads objects that are all of one kind, by inventory id; what is absent, or lacks the labels in a LIST, is not in the map.
 * One LIST of their namespace, or of all where they have several; who may not list gets each object by itself.
 * A kind that is not served has no objects. Throws ApiError.
 */
export async function readKind(
  client: ClusterClient,
  references: readonly ObjectReference[],
  reading: LiveReading,
): Promise<Map<string, KubernetesObject>> {
  const [first] = references;
  if (first === undefined) return new Map();
  try {
    if (references.length >= (reading.listFrom ?? 2)) {
      try {
        return await listKind(client, first, references, reading);
      } catch (error) {
        if (!isForbidden(error)) throw error;
      }
    }
    const { content, concurrency, signal } = reading;
    const find = content === "whole" ? findObject<KubernetesObject> : findMetadata;
    const found = await concurrently(references, concurrency, (reference) => find(client, reference, signal));
    return byId(found.filter((object) => object !== undefined));
  } catch (error) {
    const isAbsent = error instanceof NoKindMatch || isNotFound(error);
    const isUnreadable = isForbidden(error) || error instanceof DiscoveryFailed;
    if (isAbsent || (reading.forbiddenIsAbsent === true && isUnreadable)) return new Map();
    throw error;
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.statusCode === 403;
}

async function listKind(
  client: ClusterClient,
  { apiVersion, kind, namespace }: ObjectReference,
  references: readonly ObjectReference[],
  { content, labels, signal }: LiveReading,
): Promise<Map<string, KubernetesObject>> {
  const shared = namespace !== undefined && references.every((reference) => reference.namespace === namespace);
  const listing = {
    apiVersion,
    kind,
    ...(shared ? { namespace } : {}),
    ...(labels === undefined ? {} : { labelSelector: formatSelector(labels) }),
  };
  const objects =
    content === "whole" ? await listObjects(client, listing, signal) : await listMetadata(client, listing, signal);
  // The items of a list do not repeat what the list says of all of them.
  const all = byId(objects.map((object) => ({ ...object, apiVersion, kind })));
  return new Map(
    references.flatMap((reference) => {
      const id = formatInventoryId(reference);
      const object = all.get(id);
      return object === undefined ? [] : [[id, object] as const];
    }),
  );
}

/** References by kind and version, each kind in the order of its first. */
export function groupByKind<T extends { reference: ObjectReference }>(items: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = `${item.reference.apiVersion} ${item.reference.kind}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

function byId(objects: readonly KubernetesObject[]): Map<string, KubernetesObject> {
  return new Map(
    objects.map((object) => {
      const { apiVersion, kind, metadata } = object;
      const { name, namespace } = metadata;
      return [formatInventoryId({ apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) }), object];
    }),
  );
}

/** Labels in the syntax of a label selector. */
export function formatSelector(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
