import type { InventoryEntry } from "../../api/kustomization.ts";
import type { ObjectReference } from "../../api/object.ts";
import type { ApplyEntry, ApplyFailed } from "../../cluster/apply.ts";
import { differenceOf, formatInventory, formatInventoryId } from "../../cluster/inventory.ts";
import { type Pass, publish } from "./pass.ts";
import type { KustomizationRecord } from "./record.ts";

/**
 * The events of a pass that died after its work: its status, which is written after them, would be in the history (KS-226); of one
 * that was not complete only the delivery tells. Whether there were any.
 */
export function tellWhatWasNotTold(pass: Pass, { tellable, rendered: digest, begun }: KustomizationRecord): boolean {
  if (tellable === undefined) return false;
  const since = Math.floor(tellable.since / 1000) * 1000;
  const isInHistory = pass.status.history?.some(
    (entry) => entry.digest === digest && Date.parse(entry.lastReconciled) >= since,
  );
  if (begun === undefined ? isInHistory === true : !pass.context.redelivered) return false;
  for (const message of tellable.messages) publish(pass, { type: "Normal", reason: "Progressing", message });
  return true;
}

/** Whether the history ends with this and all was well: a pass that dies after its work has not said so (KS-226). */
export function endsHistory({ status }: Pass, digest: string): boolean {
  const [latest] = status.history ?? [];
  return latest?.digest === digest && latest.lastReconciledStatus === "ReconciliationSucceeded";
}

/** What a pass has to tell that is told after its record is written, with what only its failure tells. */
export function tellableOf({ events, startedAt }: Pass, more = ""): Pick<KustomizationRecord, "tellable"> {
  const messages = [...events.map(({ message }) => message), more].filter((message) => message !== "");
  return messages.length === 0 ? {} : { tellable: { since: startedAt, messages } };
}

/** Of what was written without an answer: what has not been applied since, nor found to be so, is still to be told. */
export function stillUnanswered(
  earlier: KustomizationRecord | undefined,
  entries: readonly ApplyEntry[],
  unanswered: readonly ObjectReference[] = [],
): InventoryEntry[] {
  const told = formatInventory(entries.map(({ reference }) => reference));
  const before = earlier?.unanswered ?? [];
  return differenceOf([...before, ...differenceOf(formatInventory([...unanswered]), before)], told);
}

/**
 * What became of the objects. Of what was written without an answer, and of all after a look that may have died: since the record was
 * made, as what is as wanted by now, and was not wanted so then, was applied by the one before, which could not tell.
 */
export function entriesToTell(
  { context }: Pass,
  { entries, record }: Pick<ApplyFailed, "entries" | "record">,
  earlier: KustomizationRecord | undefined,
): readonly ApplyEntry[] {
  const unanswered = new Set(earlier?.unanswered?.map(({ id }) => id));
  return entries.map((entry) => {
    const id = formatInventoryId(entry.reference);
    if (!context.redelivered && !unanswered.has(id)) return entry;
    const [before, now] = [earlier?.applied.objects[id], record.objects[id]];
    // What is not ready yet is not in the record that goes on.
    const isSame = now !== undefined && before?.digest === now.digest;
    if (entry.action !== "unchanged" || isSame) return entry;
    return { ...entry, action: before === undefined ? "created" : "configured" };
  });
}
