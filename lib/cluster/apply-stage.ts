import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import type { AppliedObject, AppliedRecord } from "./applied-record.ts";
import type { ApplyAction, ApplyEntry } from "./apply.ts";
import { concurrently } from "./concurrently.ts";
import { learnDefinition } from "./discovery.ts";
import { isOwnAlone } from "./field-managers.ts";
import { contentDigestOf, fingerprintOf } from "./fingerprint.ts";
import type { HealthObservation } from "./health.ts";
import { formatInventoryId } from "./inventory.ts";
import { groupByKind } from "./live.ts";
import { isMarked } from "./object-metadata.ts";
import { groupOf } from "./order.ts";
import { type Planned, scope } from "./plan.ts";
import { mustCompare, type Probe, type Probing, probeObject, Refused } from "./probe.ts";
import { formatRefusal, isWriteConflict, mayBeDone } from "./refusal.ts";
import { formatStalled, settle } from "./settle.ts";
import { isQuiet } from "./statusless.ts";
import { textAt, valueAt } from "./unstructured.ts";
import { mayWriteUntried, writeObject, writeUntried } from "./write.ts";

/** How often what keeps others' values is written on condition that they are as they were read, and then without one. */
const conditionalAttempts = 4;

/** One apply under way: what it works with, and what it has found so far. */
export type Run = Probing & {
  freshGroups: Set<string>;
  record: AppliedRecord;
  entries: ApplyEntry[];
  /** What may have been written: the server was in trouble when it was to answer. */
  unanswered: ObjectReference[];
};

/**
 * Applies one stage, and says what of it has to be ready before the next. Every object that needs it is looked at before the
 * first is written (kustomization.md, section 8). Throws what the stage is refused for.
 */
export async function applyStage(run: Run, planned: Planned[], isAwaited: boolean): Promise<HealthObservation[]> {
  const { client, options } = run;
  const { concurrency = 4 } = options;
  const [first] = planned.filter((plan) => !isUntouchedIn(run, plan));
  // The first write of a stage is its own trial: where it is refused, nothing of the stage is written.
  const untried = first !== undefined && mayWriteUntried(run, first) ? first : undefined;
  const looked: Looked[] = await concurrently(planned, concurrency, async (plan) => {
    await scope(client, plan, options);
    const probe = plan === untried ? undefined : await lookAt(run, plan);
    return { plan, reference: plan.reference, probe };
  });
  if (looked.some(isLeaving)) return terminating(looked);
  const live = new Map<Planned, KubernetesObject>();
  try {
    if (untried !== undefined) await writeFirst(run, looked, untried, live);
    if (looked.some(isLeaving)) return terminating(looked);
    const unwritten = looked.filter(({ plan, probe }) => probe?.verdict === "apply" && !live.has(plan));
    for (const kind of groupByKind(unwritten)) {
      await concurrently(kind, concurrency, async (entry) => {
        const stored = await write(run, entry);
        if (stored === undefined) return;
        live.set(entry.plan, stored);
        learnDefinition(client, stored);
        if (stored.kind === "CustomResourceDefinition") run.freshGroups.add(textAt(stored, "spec", "group"));
      });
    }
  } finally {
    for (const { plan, probe } of looked) note(run, plan, probe, live.get(plan));
  }
  return isAwaited ? await settleStage(run, looked, live) : [];
}

function isLeaving({ probe }: Looked): boolean {
  return probe?.verdict === "leaving";
}

function terminating(looked: readonly Looked[]): HealthObservation[] {
  const message = "Resource scheduled for deletion";
  return looked.filter(isLeaving).map(({ reference }) => ({ reference, status: "Terminating", message }));
}

/** Whether there is nothing to do about an object. What was stored under a definition may look different after it has changed. */
function isUntouchedIn(run: Run, { untouched, reference }: Planned): boolean {
  return untouched !== undefined && !run.freshGroups.has(groupOf(reference.apiVersion));
}

async function lookAt(run: Run, plan: Planned): Promise<Looked["probe"]> {
  if (plan.untouched === undefined || !isUntouchedIn(run, plan)) return probe(run, plan);
  return { verdict: isSkippedWhilePresent(run, plan) ? "skipped" : "untouched", live: plan.untouched };
}

/** Looks at an object. Whatever goes wrong is told with its name. */
async function probe(run: Run, plan: Planned): Promise<Probe> {
  try {
    return await probeObject(run, plan);
  } catch (error) {
    if (error instanceof Refused || run.options.signal?.aborted === true) throw error;
    throw new Refused(formatRefusal(plan.reference, error), error);
  }
}

/**
 * Writes an object that was looked at. Where others have changed what was to be kept for them (KS-151), it is looked at again; one that
 * changes all the time is written in the end as it was seen last. Undefined where it is to be left by now.
 */
async function write(run: Run, entry: Looked): Promise<KubernetesObject | undefined> {
  const { plan } = entry;
  for (let attempt = 1; ; attempt++) {
    const yielding = entry.probe?.verdict === "apply" ? entry.probe.yielding : undefined;
    const { resourceVersion: _seen, ...metadata } = yielding?.metadata ?? plan.object.metadata;
    const isLast = attempt === conditionalAttempts;
    try {
      return await writeObject(run, plan, isLast && yielding !== undefined ? { ...yielding, metadata } : yielding);
    } catch (error) {
      const isOvertaken = error instanceof Refused && isWriteConflict(error.cause);
      if (error instanceof Refused && mayBeDone(error.cause)) run.unanswered.push(plan.reference);
      if (yielding === undefined || isLast || !isOvertaken) throw error;
      const again = await probe(run, plan);
      if (again.verdict === "leaving") throw error;
      // What was to be done has been done by the look itself, which takes fields over.
      if (again.verdict === "unchanged") return again.live;
      entry.probe = again;
      if (again.verdict === "skipped") return undefined;
    }
  }
}

/** Writes the object of a stage that was not tried, or looks at it after all. */
async function writeFirst(
  run: Run,
  looked: Looked[],
  plan: Planned,
  live: Map<Planned, KubernetesObject>,
): Promise<void> {
  const entry = looked.find((candidate) => candidate.plan === plan);
  if (entry === undefined) return;
  const write = await writeUntried(run, plan);
  if (write === "unanswered") run.unanswered.push(plan.reference);
  const found = typeof write === "string" ? await probe(run, plan) : undefined;
  // What is as it is wanted by now was written before its answer was lost, or else by somebody else.
  const late = write === "unanswered" && found?.verdict === "unchanged" ? found.live : undefined;
  const written = typeof write === "string" ? late : write.stored;
  if (written === undefined) entry.probe = found;
  else {
    live.set(plan, written);
    entry.probe = { verdict: "apply", action: "configured", from: plan.recorded?.resourceVersion ?? "" };
  }
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
  const { reference, object, digest, recorded } = plan;
  const dropped = plan.isChanged === false ? undefined : plan.dropped;
  const doesExpire = reference.kind === "Job" && valueAt(object, "spec", "ttlSecondsAfterFinished") !== undefined;
  const expires = doesExpire ? { expires: true as const } : {};
  const { verdict } = probe;
  const action =
    verdict === "skipped" ? "skipped" : verdict === "apply" ? actionOf(run, plan, probe, stored) : "unchanged";
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

/** Where a write was not compared with what was there before, it changed something if the content is another one now. */
function actionOf(
  { options }: Run,
  { recorded }: Planned,
  { action, from }: Extract<Probe, { verdict: "apply" }>,
  stored: KubernetesObject | undefined,
): ApplyAction {
  if (from === undefined || stored === undefined) return action;
  const isSame =
    from === stored.metadata.resourceVersion ||
    (recorded?.content !== undefined && recorded.content === contentDigestOf(stored, options.digestKey));
  return isSame ? "unchanged" : action;
}

/** What is remembered of a live object. Of one that was skipped the metadata alone may have been read. */
function describeLive(
  run: Run,
  plan: Planned,
  live: KubernetesObject,
  verdict: Probe["verdict"],
): NonNullable<AppliedObject["live"]> {
  const { options } = run;
  const { uid = "", resourceVersion = "" } = live.metadata;
  const { fieldManager } = options;
  const isLooked = verdict !== "skipped" && !mustCompare(run, plan);
  const isEnough = isLooked && isQuiet(plan.reference) && isOwnAlone(live, fieldManager);
  const content = isEnough ? contentDigestOf(live, options.digestKey) : undefined;
  const fingerprint = fingerprintOf(live.metadata, fieldManager);
  const { generation } = live.metadata;
  const known = content !== undefined ? { content } : generation === undefined ? {} : { generation };
  return { uid, resourceVersion, fingerprint, ...known };
}

/**
 * Definitions and classes have to be ready before others use them, those that are skipped too (KS-132); what is not is looked at
 * again by the next apply.
 */
async function settleStage(
  run: Run,
  looked: readonly Looked[],
  stored: ReadonlyMap<Planned, KubernetesObject>,
): Promise<HealthObservation[]> {
  const known: KubernetesObject[] = [];
  const unknown: ObjectReference[] = [];
  for (const { plan, reference, probe } of looked) {
    const live = stored.get(plan) ?? (probe !== undefined && "live" in probe ? probe.live : undefined);
    if (live === undefined) unknown.push(reference);
    // Metadata alone has no conditions: of what nobody touched, only its deletion is news.
    else if (live !== plan.untouched || live.metadata.deletionTimestamp !== undefined) known.push(live);
  }
  const open = await settle(run.client, { known, unknown }, run.options.signal);
  for (const { reference } of open) delete run.record.objects[formatInventoryId(reference)];
  const stalled = formatStalled(open);
  if (stalled !== undefined) throw new Error(stalled);
  return open;
}
