import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { messageOf } from "../text/error-message.ts";
import type { AppliedRecord } from "./applied-record.ts";
import { applyStage, type Run } from "./apply-stage.ts";
import type { ClusterClient } from "./client.ts";
import { findDrift, isBelieved } from "./drift.ts";
import type { HealthObservation } from "./health.ts";
import { compileIgnoreRules, type IgnoreRule } from "./ignore.ts";
import { compareForApply, stageOf, stages } from "./order.ts";
import { planObjects } from "./plan.ts";

export type { AppliedRecord };

/** How a set of objects is applied, and for whom. */
export type ApplyOptions = {
  /** Owner of what is applied in managedFields, and whose former client-side updates are taken over (KS-140, KS-143). */
  fieldManager: string;
  /** Prefix of the labels and annotations that are honoured: `<group>/ssa`, `/reconcile`, `/force` (KS-145, KS-146, KS-148). */
  group: string;
  /** Set on every object; what carries all of them belongs to the set (KS-155). */
  ownerLabels: Readonly<Record<string, string>>;
  /** Set on every object after the owner labels, over its own (KS-079). */
  commonMetadata?: { labels?: Readonly<Record<string, string>>; annotations?: Readonly<Record<string, string>> };
  /** Objects whose immutable fields change are deleted and made anew (KS-148, SN-18). */
  force?: boolean;
  /** Requests at a time; default 4 (`--concurrent-ssa`). */
  concurrency?: number;
  /** What an earlier apply of this set returned: objects that it knows, unchanged here and there, cost no request. */
  record?: AppliedRecord | undefined;
  /** Keys the digests of Secrets in the record, so that nobody can guess content from it; without one they have none, and each costs two requests. */
  digestKey?: string | undefined;
  /** Kinds (`group/Kind`; `Kind` for the core) that are applied in a stage of their own before the others (KS-133). */
  customStageKinds?: readonly string[];
  /** Prefixes of further field managers whose fields are taken over (KS-143, `--override-manager`). */
  overrideManagers?: readonly string[];
  /** Fields that are left to others (KS-150, KS-151). What a rule may be for costs a read more when something changes. */
  ignore?: readonly IgnoreRule[] | undefined;
  /**
   * Rewrites who manages which fields of an object to the version that it is applied in, before it is (KS-152): without that a
   * version whose new fields have defaults may be refused. Each object that is looked at costs a read before the others.
   */
  migrateApiVersion?: boolean;
  /**
   * `changed`: only what is wanted otherwise than the record tells is looked at, and the rest taken for as it was. For a set that
   * is looked at whole when somebody changes its objects, and at intervals. Default `all`.
   */
  look?: "all" | "changed";
  signal?: AbortSignal | undefined;
};

/** What became of an object that is in the set. */
export type ApplyAction = "created" | "configured" | "unchanged" | "skipped";

export type ApplyEntry = {
  /** As the API server names it: without a namespace where its kind has none (KS-135). */
  reference: ObjectReference;
  action: ApplyAction;
  /** The object goes by itself when it is done: a Job with `ttlSecondsAfterFinished` (KS-199). */
  expires?: true;
  /** Fields that were not sent, as the object's kind has none of these names (KS-077); told once for what is wanted (SN-07). */
  dropped?: readonly string[];
};

export type ApplyResult = {
  /** What was applied or found to be so, in apply order (KS-170). While something is pending, what comes after is absent. */
  entries: ApplyEntry[];
  /** To be kept for the next apply of this set. */
  record: AppliedRecord;
  /**
   * What has to be ready (a definition, a class, the end of an object that is made anew) before the rest can be applied;
   * empty when everything is. Nothing waits here for more than a second: apply again later, with this record (SN-09).
   */
  pending: HealthObservation[];
};

/** An object was refused: what is to be said about it, and what had been applied before (SN-13). */
export class ApplyFailed extends Error {
  /** What was applied up to the failure, in apply order. */
  readonly entries: readonly ApplyEntry[];
  readonly record: AppliedRecord;
  /** What may have been applied besides: its write was not answered, or by a server in trouble. */
  readonly unanswered: readonly ObjectReference[];

  constructor(message: string, result: Pick<ApplyFailed, "entries" | "record" | "unanswered">, cause?: unknown) {
    super(message, { cause });
    this.name = "ApplyFailed";
    this.entries = result.entries;
    this.record = result.record;
    this.unanswered = result.unanswered;
  }
}

/**
 * Applies objects server-side in stages (kustomization.md, sections 8 and 9): definitions, classes, custom kinds, all others.
 * Each object of a stage is tried before anything of that stage is written; an object that is already as wanted is not
 * written. Throws ApplyFailed with Flux's text for what is refused, and the reason of an aborted signal.
 *
 * Requests: two for a new object, three for a changed one, none for one that the record knows, but one LIST for each kind.
 */
export async function applyObjects(
  client: ClusterClient,
  objects: readonly KubernetesObject[],
  options: ApplyOptions,
): Promise<ApplyResult> {
  const { fieldManager } = options;
  const now = Date.now();
  const given = options.record?.fieldManager === fieldManager ? options.record : undefined;
  const isKnown = given !== undefined && isBelieved(given, fieldManager, now);
  const record: AppliedRecord = { lookedAt: isKnown ? given.lookedAt : now, fieldManager, objects: {} };
  const run: Run = { client, options, freshGroups: new Set(), ignored: [], record, entries: [], unanswered: [] };
  try {
    run.ignored = await compileIgnoreRules(options.ignore ?? []);
    const planned = await planObjects(client, objects, given, options);
    for (const plan of planned) {
      // An older record still tells what may be expected, but not that it needs no look.
      if (!isKnown) delete plan.untouched;
      const recorded = given?.objects[plan.id];
      if (recorded !== undefined) record.objects[plan.id] = recorded;
    }
    planned.sort((a, b) => compareForApply(a.reference, b.reference));
    const customKinds = new Set(options.customStageKinds);
    const staged = Map.groupBy(planned, ({ reference }) => stageOf(reference, customKinds));
    for (const stage of stages) {
      const pending = await applyStage(run, staged.get(stage) ?? [], stage === "definitions" || stage === "classes");
      if (pending.length > 0) return { entries: run.entries, record, pending };
    }
    return { entries: run.entries, record, pending: [] };
  } catch (error) {
    // Whoever ended the apply did not learn that an object was refused.
    if (options.signal?.aborted === true) throw options.signal.reason;
    throw new ApplyFailed(messageOf(error), run, error);
  }
}

/**
 * Whether everything is still as it was when the record was made: one metadata LIST for each kind, nothing rendered
 * (design, decision 7), or none where only changes of what is wanted are looked for. False also where the record is too old to be
 * believed. Throws ApiError.
 */
export async function isUnchanged(
  client: ClusterClient,
  record: AppliedRecord,
  options: Pick<ApplyOptions, "fieldManager" | "ownerLabels" | "concurrency" | "look" | "signal">,
): Promise<boolean> {
  if (!isBelieved(record, options.fieldManager)) return false;
  if (options.look === "changed") return true;
  return (await findDrift(client, record, options)).length === 0;
}
