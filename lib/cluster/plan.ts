import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import type { AppliedObject, AppliedRecord } from "./applied-record.ts";
import type { ApplyOptions } from "./apply.ts";
import type { ClusterClient } from "./client.ts";
import { concurrently } from "./concurrently.ts";
import { prepareObject } from "./desired.ts";
import { resourceOf } from "./discovery.ts";
import { isUntouched } from "./drift.ts";
import { digestOf } from "./fingerprint.ts";
import { formatInventoryId } from "./inventory.ts";
import { groupByKind, readKind } from "./live.ts";
import { referenceTo } from "./objects.ts";
import { groupOf } from "./order.ts";
import { textAt } from "./unstructured.ts";

/** One object of a set, and what is known of it before it is looked at. */
export type Planned = {
  /** As it is sent. */
  object: KubernetesObject;
  reference: ObjectReference;
  id: string;
  digest: string | undefined;
  /** Fields that were taken off, as its kind has none of these names (KS-077). */
  dropped?: readonly string[];
  /** Whether the API server's scope of its kind has been taken into account. */
  isScoped: boolean;
  /** How it was when it was applied before, so that it may be expected to be there. */
  recorded?: NonNullable<AppliedObject["live"]>;
  /** Whether something else is wanted of it than when it was applied before. */
  isChanged?: boolean;
  /** Its metadata as far as it is known, where nothing has changed on either side since it was applied: there is nothing to do. */
  untouched?: KubernetesObject;
};

/**
 * Prepares objects, and finds out with one LIST for each kind which of them need no look: wanted as they were when the record
 * was made, and untouched since (SN-10). Without a record nothing is read, nor where the look is for what `changed` alone.
 */
export async function planObjects(
  client: ClusterClient,
  objects: readonly KubernetesObject[],
  record: AppliedRecord | undefined,
  options: ApplyOptions,
): Promise<Planned[]> {
  const definedHere = kindsDefinedBy(objects);
  const planned: Planned[] = [];
  for (const object of objects) {
    const prepared = prepareObject(object, options);
    const isDefinedHere = definedHere.has(`${groupOf(object.apiVersion)} ${object.kind}`);
    // A kind that comes with this set may not be served yet, and asking would be in vain.
    const plan = asWritten(prepared, options);
    if (!isDefinedHere || record !== undefined) await scope(client, plan, options);
    const recorded = record?.objects[plan.id]?.live;
    if (recorded !== undefined) plan.recorded = recorded;
    planned.push(plan);
  }
  if (record === undefined) return planned;
  for (const plan of planned)
    plan.isChanged = plan.digest === undefined || record.objects[plan.id]?.digest !== plan.digest;
  if (options.look === "changed") return planned.map(asRecorded);
  const kinds = groupByKind(planned.filter(({ recorded }) => recorded !== undefined));
  await concurrently(kinds, options.concurrency ?? 4, (kind) => compareKind(client, kind, record, options));
  return planned;
}

/** Takes the namespace off an object whose kind has none (KS-135), once its kind is served. */
export async function scope(client: ClusterClient, plan: Planned, options: ApplyOptions): Promise<Planned> {
  if (plan.isScoped) return plan;
  let isNamespaced: boolean;
  try {
    isNamespaced = (await resourceOf(client, plan.object, options.signal)).namespaced;
  } catch {
    // The object's own request meets the same error, and says whose it is.
    return plan;
  }
  plan.isScoped = true;
  if (isNamespaced || plan.object.metadata.namespace === undefined) return plan;
  const { namespace: _namespace, ...metadata } = plan.object.metadata;
  plan.object = { ...plan.object, metadata };
  plan.reference = referenceTo(plan.object);
  plan.id = formatInventoryId(plan.reference);
  plan.digest = digestOf(plan.object, options);
  return plan;
}

function asWritten(object: KubernetesObject, options: ApplyOptions): Planned {
  const reference = referenceTo(object);
  const id = formatInventoryId(reference);
  return { object, reference, id, digest: digestOf(object, options), isScoped: false };
}

/** Takes an object that is wanted as it was for one that is as it was. */
function asRecorded(plan: Planned): Planned {
  const { recorded, isChanged, object } = plan;
  if (recorded === undefined || isChanged === true) return plan;
  const { uid, resourceVersion } = recorded;
  return { ...plan, untouched: { ...object, metadata: { ...object.metadata, uid, resourceVersion } } };
}

/** Looks at objects of one kind that are in the record, and wanted as they were. */
async function compareKind(
  client: ClusterClient,
  kind: Planned[],
  record: AppliedRecord,
  { ownerLabels, fieldManager, concurrency = 4, signal }: ApplyOptions,
): Promise<void> {
  const same = kind.filter(({ isChanged }) => isChanged === false);
  const references = same.map(({ reference }) => reference);
  const reading = { content: "metadata", labels: ownerLabels, forbiddenIsAbsent: true, concurrency, signal } as const;
  const live = await readKind(client, references, reading);
  for (const plan of same) {
    const found = live.get(plan.id);
    if (found !== undefined && isUntouched(record.objects[plan.id], found.metadata, fieldManager))
      plan.untouched = found;
  }
}

/** `group Kind` of each kind that a definition of the set makes. */
export function kindsDefinedBy(objects: readonly KubernetesObject[]): Set<string> {
  const definitions = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
  return new Set(definitions.map(({ spec }) => `${textAt(spec, "group")} ${textAt(spec, "names", "kind")}`));
}
