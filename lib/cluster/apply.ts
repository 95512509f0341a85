import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import type { AppliedObject, AppliedRecord } from "./applied-record.ts";
import type { ClusterClient } from "./client.ts";
import { concurrently } from "./concurrently.ts";
import { learnDefinition } from "./discovery.ts";
import { findDrift, isBelieved } from "./drift.ts";
import { isOwnAlone } from "./field-managers.ts";
import { contentDigestOf, fingerprintOf } from "./fingerprint.ts";
import type { HealthObservation } from "./health.ts";
import { formatInventoryId } from "./inventory.ts";
import { groupByKind } from "./live.ts";
import { isMarked } from "./object-metadata.ts";
import { compareForApply, groupOf, stageOf, stages } from "./order.ts";
import { type Planned, planObjects, scope } from "./plan.ts";
import { type Probe, probeObject, writeObject } from "./probe.ts";
import { formatStalled, settle } from "./settle.ts";
import { isQuiet } from "./statusless.ts";
import { textAt, valueAt } from "./unstructured.ts";

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
  /** Fields that were not sent, as the object's kind has none of these names (KS-077); told when the object is looked at. */
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

  constructor(message: string, result: { entries: readonly ApplyEntry[]; record: AppliedRecord }, cause?: unknown) {
    super(message, { cause });
    this.name = "ApplyFailed";
    this.entries = result.entries;
    this.record = result.record;
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
  const run: Run = { client, options, freshGroups: new Set(), record, entries: [] };
  try {
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
    throw new ApplyFailed(error instanceof Error ? error.message : String(error), run, error);
  }
}

type Run = {
  client: ClusterClient;
  options: ApplyOptions;
  freshGroups: Set<string>;
  record: AppliedRecord;
  entries: ApplyEntry[];
};

/** Applies one stage, and says what of it has to be ready before the next. */
async function applyStage(run: Run, planned: Planned[], isAwaited: boolean): Promise<HealthObservation[]> {
  const { client, options } = run;
  const { concurrency = 4 } = options;
  const probes = await concurrently(planned, concurrency, async (plan) => {
    await scope(client, plan, options);
    // What was stored under a definition may look different after it has changed.
    if (plan.untouched !== undefined && !run.freshGroups.has(groupOf(plan.reference.apiVersion))) {
      const isLeft = isSkippedWhilePresent(run, plan);
      return { verdict: isLeft ? ("skipped" as const) : ("untouched" as const), live: plan.untouched };
    }
    return probeObject(run, plan);
  });
  const looked = planned.map((plan, index) => ({ plan, reference: plan.reference, probe: probes[index] }));
  const leaving = looked.filter(({ probe }) => probe?.verdict === "leaving");
  if (leaving.length > 0) {
    return leaving.map(({ reference }) => ({
      reference,
      status: "Terminating",
      message: "Resource scheduled for deletion",
    }));
  }
  const live = new Map<Planned, KubernetesObject>();
  try {
    for (const kind of groupByKind(looked.filter(({ probe }) => probe?.verdict === "apply"))) {
      await concurrently(kind, concurrency, async ({ plan }) => {
        const stored = await writeObject(run, plan);
        live.set(plan, stored);
        learnDefinition(client, stored);
        if (stored.kind === "CustomResourceDefinition") run.freshGroups.add(textAt(stored, "spec", "group"));
      });
    }
  } finally {
    for (const { plan, probe } of looked) note(run, plan, probe, live.get(plan));
  }
  return isAwaited ? await settleStage(run, looked, live) : [];
}

/** KS-145, KS-146: what was left as it is, or is wanted only where it is not there, is skipped also when nothing has changed. */
function isSkippedWhilePresent({ record, options }: Run, { id, object }: Planned): boolean {
  return record.objects[id]?.skipped === true || isMarked(object, `${options.group}/ssa`, "IfNotPresent");
}

type Looked = {
  plan: Planned;
  reference: ObjectReference;
  probe: Probe | { verdict: "untouched"; live: KubernetesObject } | undefined;
};

/** Adds to the result what became of one object. One that was to be written and was not is left out. */
function note(run: Run, plan: Planned, probe: Looked["probe"], stored: KubernetesObject | undefined): void {
  if (probe === undefined || probe.verdict === "leaving" || (probe.verdict === "apply" && stored === undefined)) return;
  const { reference, object, digest, dropped, recorded } = plan;
  const doesExpire = reference.kind === "Job" && valueAt(object, "spec", "ttlSecondsAfterFinished") !== undefined;
  const expires = doesExpire ? { expires: true as const } : {};
  const { verdict } = probe;
  const action = verdict === "apply" ? probe.action : verdict === "skipped" ? "skipped" : "unchanged";
  run.entries.push({ reference, action, ...expires, ...(dropped === undefined ? {} : { dropped }) });
  if (verdict === "untouched") return;
  const live = stored ?? ("live" in probe ? probe.live : undefined);
  const isRecorded = verdict === "unchanged" && probe.isRecorded === true;
  const known = isRecorded ? recorded : live === undefined ? undefined : describeLive(run, plan, live, verdict);
  run.record.objects[plan.id] = {
    apiVersion: reference.apiVersion,
    ...(digest === undefined ? {} : { digest }),
    ...(known === undefined ? {} : { live: known }),
    ...(verdict === "skipped" ? { skipped: true } : {}),
    ...expires,
  };
}

/** What is remembered of a live object. Of one that was skipped the metadata alone may have been read. */
function describeLive(
  { options }: Run,
  { reference }: Planned,
  live: KubernetesObject,
  verdict: Probe["verdict"],
): NonNullable<AppliedObject["live"]> {
  const { uid = "", resourceVersion = "" } = live.metadata;
  const { fieldManager } = options;
  const isEnough = verdict !== "skipped" && isQuiet(reference) && isOwnAlone(live, fieldManager);
  const content = isEnough ? contentDigestOf(live, options.digestKey) : undefined;
  const fingerprint = fingerprintOf(live.metadata, fieldManager);
  return { uid, resourceVersion, fingerprint, ...(content === undefined ? {} : { content }) };
}

/** Definitions and classes have to be ready before others use them; those that are not are looked at again by the next apply. */
async function settleStage(
  run: Run,
  looked: readonly Looked[],
  stored: ReadonlyMap<Planned, KubernetesObject>,
): Promise<HealthObservation[]> {
  const objects = looked.flatMap(({ plan, probe }) => {
    const live = stored.get(plan) ?? (probe !== undefined && "live" in probe ? probe.live : undefined);
    return live === undefined ? [] : [live];
  });
  const untouched = new Set(looked.flatMap(({ plan }) => plan.untouched ?? []));
  // Metadata alone has no conditions: of what nobody touched, only its deletion is news.
  const known = objects.filter((object) => !untouched.has(object) || object.metadata.deletionTimestamp !== undefined);
  const open = await settle(run.client, known, run.options.signal);
  for (const { reference } of open) delete run.record.objects[formatInventoryId(reference)];
  const stalled = formatStalled(open);
  if (stalled !== undefined) throw new Error(stalled);
  return open;
}

/**
 * Whether everything is still as it was when the record was made: one metadata LIST for each kind, nothing rendered
 * (design, decision 7). False also where the record is too old to be believed. Throws ApiError.
 */
export async function isUnchanged(
  client: ClusterClient,
  record: AppliedRecord,
  options: Pick<ApplyOptions, "fieldManager" | "ownerLabels" | "concurrency" | "signal">,
): Promise<boolean> {
  if (!isBelieved(record, options.fieldManager)) return false;
  return (await findDrift(client, record, options)).length === 0;
}
