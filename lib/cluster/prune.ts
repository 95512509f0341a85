import type { ObjectReference } from "../api/object.ts";
import type { ClusterClient } from "./client.ts";

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
 */
export async function pruneObjects(
  _client: ClusterClient,
  _references: readonly ObjectReference[],
  _options: PruneOptions,
): Promise<PruneEntry[]> {
  throw new Error("being written");
}
