import type { InventoryEntry, Kustomization } from "../../api/kustomization.ts";
import type { AppliedRecord } from "../../cluster/applied-record.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { UsedRemote } from "../../kustomize/remote-content.ts";
import type { Json } from "../../platform/ports.ts";
import type { Contested } from "./contested.ts";

/**
 * What is remembered of a Kustomization between passes (design, "State"). It saves requests and keeps track of what a pass
 * that died had begun to apply; nothing in it is needed to be right.
 */
export type KustomizationRecord = {
  format: 1;
  /** The object that it speaks of: one of the same name made anew starts anew. */
  uid: string;
  /** Generation of the Kustomization, and digest of the artifact, that the last complete pass saw. */
  generation: number;
  artifact: string;
  /** The revision that it was applied as: another controller may have applied a newer one since, and said so in the status. */
  revision?: string;
  /** Address of the remote cluster that it speaks of; absent for the home cluster. */
  server?: string;
  /** Digest of all that the build depends on, and of the rendered YAML (KS-226). */
  input: string;
  rendered: string;
  /** State of the ConfigMaps and Secrets that the spec refers to: their versions, no value. */
  references?: string;
  /** Flux's own controllers that have not got the replicas that Git wants of them. */
  held?: string[];
  /** What remote bases led to; absent where there are none. */
  remotes?: UsedRemote[];
  /** What the last complete pass left applied; a pass may die before it has said so in the status. */
  inventory: InventoryEntry[];
  /** What the apply engine found. */
  applied: AppliedRecord;
  /**
   * What the last pass had to tell of changes, and when it began (milliseconds since 1970): a pass that dies before its
   * events are recorded would find nothing to tell when it is repeated.
   */
  tellable?: { since: number; messages: string[] };
  /** What may have been applied without an answer (KS-149): what became of it is still to be told. */
  unanswered?: InventoryEntry[];
  /** What was corrected lately. */
  contested?: Contested;
  /** What a pass set out to apply, and may have applied in part (SN-13); absent once a pass was complete. */
  begun?: InventoryEntry[];
};

function recordKey(context: Context, object: Kustomization): string {
  return `applied/${context.clusterId}/Kustomization/${object.metadata.namespace}/${object.metadata.name}`;
}

/**
 * What is remembered of this very object and its target, or undefined. A record that another version wrote counts as none, and so
 * does that of another cluster: nothing in it is true of this one.
 */
export async function readRecord(
  context: Context,
  object: Kustomization,
  target: { server?: string } | "any",
): Promise<KustomizationRecord | undefined> {
  const value = (await context.records.get(recordKey(context, object)))?.value;
  if (!isRecord(value) || value.uid !== object.metadata.uid) return undefined;
  return target === "any" || value.server === target.server ? value : undefined;
}

/** Remembers. One invocation at a time works on an object (design, decision 3), so the last writer is right. */
export async function writeRecord(context: Context, object: Kustomization, record: KustomizationRecord): Promise<void> {
  await context.records.put(recordKey(context, object), toJson(record), "any");
}

/** Forgets the object. */
export async function removeRecord(context: Context, object: Kustomization): Promise<void> {
  await context.records.remove(recordKey(context, object), "any");
}

function isRecord(value: unknown): value is KustomizationRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    "format" in value &&
    value.format === 1 &&
    "inventory" in value &&
    Array.isArray(value.inventory) &&
    "applied" in value &&
    typeof value.applied === "object" &&
    value.applied !== null &&
    "objects" in value.applied
  );
}

/** A record is JSON but for optional fields, which writing it as text drops. */
function toJson(record: KustomizationRecord): Json {
  return JSON.parse(JSON.stringify(record));
}
