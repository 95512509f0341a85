import type { KubernetesObject, ObjectMeta, ObjectReference } from "../api/object.ts";
import type { AppliedObject, AppliedRecord } from "./applied-record.ts";
import type { ClusterClient } from "./client.ts";
import { concurrently } from "./concurrently.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { parseInventoryId } from "./inventory.ts";
import { groupByKind, readKind } from "./live.ts";

/** How long a record is believed, in milliseconds: what the metadata cannot tell is found out once a day (SN-10). */
const believedMilliseconds = 24 * 60 * 60_000;

/** Whether a record says something about objects applied by this field manager, and is not too old to be believed. */
export function isBelieved(record: AppliedRecord, fieldManager: string, now: number = Date.now()): boolean {
  return record.fieldManager === fieldManager && now - record.lookedAt < believedMilliseconds;
}

/** Whether nobody has changed an object since it was recorded, as far as its metadata tells. */
export function isUntouched(recorded: AppliedObject | undefined, metadata: ObjectMeta, fieldManager: string): boolean {
  const live = recorded?.live;
  if (live === undefined || live.uid !== metadata.uid) return false;
  return (
    live.resourceVersion === metadata.resourceVersion || live.fingerprint === fingerprintOf(metadata, fieldManager)
  );
}

/** Whose objects are looked at, and how. */
export type DriftOptions = {
  fieldManager: string;
  /** Only objects with these labels are found by LIST. */
  ownerLabels: Readonly<Record<string, string>>;
  /** Requests at a time; default 4. */
  concurrency?: number;
  signal?: AbortSignal | undefined;
};

/**
 * The objects of a record that are gone, or that somebody has changed since: one metadata LIST for each kind (design,
 * decision 7), and one read for each object that was left as it is. What may not be read counts as changed. Throws ApiError.
 */
export async function findDrift(
  client: ClusterClient,
  record: AppliedRecord,
  { fieldManager, ownerLabels, concurrency = 4, signal }: DriftOptions,
): Promise<ObjectReference[]> {
  const recorded = Object.entries(record.objects)
    .filter(([, { live }]) => live !== undefined)
    .map(([id, object]) => ({ id, object, reference: referenceOf(id, object) }));
  // What was skipped need not carry the labels, so that a LIST may not find it.
  const [skipped, applied] = [recorded.filter(isSkipped), recorded.filter((entry) => !isSkipped(entry))];
  const kinds = [
    ...groupByKind(applied).map((entries) => ({ entries, reading: { labels: ownerLabels, listFrom: 2 } })),
    ...groupByKind(skipped).map((entries) => ({ entries, reading: { listFrom: Number.POSITIVE_INFINITY } })),
  ];
  const drifted = await concurrently(kinds, concurrency, async ({ entries, reading }) => {
    const references = entries.map(({ reference }) => reference);
    const live: Map<string, KubernetesObject> = await readKind(client, references, {
      content: "metadata",
      ...reading,
      forbiddenIsAbsent: true,
      concurrency,
      signal,
    });
    return entries.filter(({ id, object }) => {
      const found = live.get(id);
      return found === undefined || !isUntouched(object, found.metadata, fieldManager);
    });
  });
  return drifted.flat().map(({ reference }) => reference);
}

function isSkipped({ object }: { object: AppliedObject }): boolean {
  return object.skipped === true;
}

function referenceOf(id: string, { apiVersion }: AppliedObject): ObjectReference {
  const { namespace, name, kind } = parseInventoryId(id);
  return { apiVersion, kind, name, ...(namespace === "" ? {} : { namespace }) };
}
