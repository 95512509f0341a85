import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { messageOf } from "../text/error-message.ts";
import { isNotFound } from "./api-error.ts";
import type { ClusterClient } from "./client.ts";
import { concurrently } from "./concurrently.ts";
import { NoKindMatch, preferredVersionOf, resourceOf } from "./discovery.ts";
import { groupByKind } from "./live.ts";
import { carriesLabels, isFrozen, isMarked } from "./object-metadata.ts";
import { deleteObject, findMetadata } from "./objects.ts";
import { compareForApply, groupOf } from "./order.ts";
import { formatSubject } from "./subject.ts";

export type PruneOptions = {
  /** Prefix of the labels and annotations that keep an object: `<group>/prune`, `/reconcile`, `/ssa` (KS-173). */
  group: string;
  /** Only what carries all of them is deleted. */
  ownerLabels: Readonly<Record<string, string>>;
  /** Requests at a time; default 4. */
  concurrency?: number;
  signal?: AbortSignal | undefined;
};

/** What became of an object that was to go: `deleted` is also what was gone already (KS-173). */
export type PruneEntry = { reference: ObjectReference; action: "deleted" | "skipped" };

/** Some objects could not be deleted (KS-176). The message names each, as Flux does. */
export class PruneFailed extends Error {
  /** What was deleted or skipped nevertheless. */
  readonly entries: readonly PruneEntry[];
  /** What is to be tried again. */
  readonly survivors: readonly ObjectReference[];

  constructor(message: string, entries: readonly PruneEntry[], survivors: readonly ObjectReference[]) {
    super(message);
    this.name = "PruneFailed";
    this.entries = entries;
    this.survivors = survivors;
  }
}

/**
 * Deletes objects in the background, in the reverse of the order in which they are applied. An object that does not carry
 * the owner labels, or asks to be kept, is skipped (KS-173). All are tried; then failures throw PruneFailed (KS-176).
 * Objects of one kind are deleted side by side.
 */
export async function pruneObjects(
  client: ClusterClient,
  references: readonly ObjectReference[],
  options: PruneOptions,
): Promise<PruneEntry[]> {
  const entries: PruneEntry[] = [];
  const failures: { reference: ObjectReference; message: string }[] = [];
  const ordered = [...references].sort(compareForApply).reverse();
  for (const kind of groupByKind(ordered.map((reference) => ({ reference })))) {
    const outcomes = await concurrently(kind, options.concurrency ?? 4, ({ reference }) =>
      prune(client, reference, options),
    );
    for (const outcome of outcomes) {
      if ("message" in outcome) failures.push(outcome);
      else entries.push(outcome);
    }
  }
  if (failures.length > 0) {
    throw new PruneFailed(
      `delete failed, errors: ${failures.map(({ message }) => `${message};`).join("")}`,
      entries,
      failures.map(({ reference }) => reference),
    );
  }
  return entries;
}

async function prune(
  client: ClusterClient,
  reference: ObjectReference,
  { group, ownerLabels, signal }: PruneOptions,
): Promise<PruneEntry | { reference: ObjectReference; message: string }> {
  const subject = formatSubject(reference);
  let served: ObjectReference;
  let live: KubernetesObject | undefined;
  try {
    const version = await servedVersionOf(client, reference, signal);
    // Where its kind is no longer served, the object went with its definition.
    if (version === undefined) return { reference, action: "deleted" };
    served = { ...reference, apiVersion: version };
    live = await findMetadata(client, served, signal);
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return { reference, message: `${subject} query failed: ${messageOf(error)}` };
  }
  if (live === undefined) return { reference, action: "deleted" };
  if (!carriesLabels(live, ownerLabels) || isMarked(live, `${group}/prune`, "disabled") || isFrozen(live, group)) {
    return { reference, action: "skipped" };
  }
  try {
    await deleteObject(client, served, { uid: live.metadata.uid, signal });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    if (!isNotFound(error)) return { reference, message: `${subject} delete failed: ${messageOf(error)}` };
  }
  return { reference, action: "deleted" };
}

/** The version in which the object can be reached: that of the inventory, or after its end the one that followed it. */
async function servedVersionOf(
  client: ClusterClient,
  { apiVersion, kind }: ObjectReference,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    return (await resourceOf(client, { apiVersion, kind }, signal)).apiVersion;
  } catch (error) {
    if (!(error instanceof NoKindMatch)) throw error;
    return preferredVersionOf(client, { group: groupOf(apiVersion), kind }, signal);
  }
}
