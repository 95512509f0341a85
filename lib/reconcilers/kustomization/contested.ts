import type { KustomizationStatus } from "../../api/kustomization.ts";
import type { AppliedRecord } from "../../cluster/applied-record.ts";
import type { ApplyEntry, ApplyResult } from "../../cluster/apply.ts";
import { formatInventoryId } from "../../cluster/inventory.ts";
import { formatSubject } from "../../cluster/subject.ts";
import type { Outcome } from "../../engine/reconciler.ts";
import type { Cause } from "../../engine/work-item.ts";
import { formatGoDuration } from "../../text/go-duration.ts";
import { isChange } from "./changes.ts";
import { type Pass, publish } from "./pass.ts";
import { type KustomizationRecord, writeRecord } from "./record.ts";

/**
 * Objects that were corrected, by subject: how often in a row, and when last (milliseconds since 1970). `told` once somebody who
 * undid the last correction was left his way, until the next one.
 */
export type Contested = { [subject: string]: { count: number; at: number; told?: true } };

/** Corrections in a row that follow at once on what they correct (SN-14). */
const free = 5;
/** How long the first one after them waits, each further one twice as long, and how long a row may pause; milliseconds. */
const minute = 60_000;
/** Objects that are kept count of. */
const limit = 500;
/** The longest that a queue can delay, in seconds: what waits longer is corrected at the interval. */
const longestDelaySeconds = 900;

/**
 * How long the correction of an object waits after the last one, in milliseconds: who undoes each of them at once would make
 * another pass with each, without end. At the interval it is corrected in any case.
 */
function pauseOf(count: number, interval: number): number {
  return count < free ? 0 : Math.min(minute * 2 ** Math.min(count - free, 20), interval);
}

/**
 * The count after a pass. A correction is a change of an object that was applied before and is wanted as it was then; a row of them
 * ends when there is none for a minute longer than it would wait.
 */
export function countCorrections(
  contested: Contested,
  entries: readonly ApplyEntry[],
  records: { before: AppliedRecord | undefined; after: AppliedRecord },
  { now, interval }: { now: number; interval: number },
): Contested {
  const isInRow = ([, { count, at }]: [string, Contested[string]]) => now - at < pauseOf(count, interval) + minute;
  const rows = new Map(Object.entries(contested).filter(isInRow));
  for (const entry of entries) {
    const id = formatInventoryId(entry.reference);
    const [before, after] = [records.before?.objects[id], records.after.objects[id]];
    if (!isChange(entry) || before?.digest === undefined || before.digest !== after?.digest) continue;
    const subject = formatSubject(entry.reference);
    const count = (rows.get(subject)?.count ?? 0) + 1;
    rows.delete(subject);
    rows.set(subject, { count, at: now });
  }
  return Object.fromEntries([...rows].slice(-limit));
}

/** The count after a pass that has applied all. */
export function contestedAfter(
  { context, intervalMilliseconds: interval }: Pass,
  record: KustomizationRecord | undefined,
  { entries, record: after }: Pick<ApplyResult, "entries" | "record">,
): Contested {
  const time = { now: context.clock.now().getTime(), interval };
  return countCorrections(record?.contested ?? {}, entries, { before: record?.applied, after }, time);
}

/** The object that a drift is told of is left as it is for some time. */
export class LeftToOthers extends Error {
  readonly subject: string;
  readonly count: number;
  /** Until its next correction; absent where that is planned already. */
  readonly seconds: number | undefined;

  constructor(subject: string, count: number, seconds: number | undefined) {
    super(`${subject} is left as it is`);
    this.name = "LeftToOthers";
    this.subject = subject;
    this.count = count;
    this.seconds = seconds;
  }
}

/** What a drift says that it is about, as events name it. */
function subjectOf({ object }: Extract<Cause, { type: "drift" }>): string {
  return object.replace("//", "/");
}

/** Throws LeftToOthers where the pass was asked for by who undid the last of several corrections; says so once. */
export async function leaveContested(pass: Pass, record: KustomizationRecord): Promise<void> {
  const { context, object, intervalMilliseconds: interval } = pass;
  const { cause } = context;
  if (cause.type !== "drift") return;
  const subject = subjectOf(cause);
  const known = record.contested?.[subject];
  if (known === undefined) return;
  const { count, at, told } = known;
  const milliseconds = at + pauseOf(count, interval) - context.clock.now().getTime();
  if (milliseconds <= 0) return;
  if (told === true && !context.redelivered) throw new LeftToOthers(subject, count, undefined);
  await writeRecord(context, object, {
    ...record,
    contested: { ...record.contested, [subject]: { count, at, told: true } },
  });
  const wait = formatGoDuration(Math.ceil(milliseconds / 1000) * 1000);
  publish(pass, {
    type: "Warning",
    reason: "Contested",
    message: `${subject} was changed again by ${cause.by} after ${count} corrections in a row, it is corrected again in ${wait}`,
  });
  throw new LeftToOthers(subject, count, Math.ceil(milliseconds / 1000));
}

/** What a pass leaves behind that was left to others: all is as it was, but for the next look. */
export function leftToOthers(
  { object, events }: Pass,
  { subject, count, seconds }: LeftToOthers,
): Outcome<KustomizationStatus> {
  const outcome = { status: { ...object.status }, events, unfinished: true } as const;
  if (seconds === undefined || seconds > longestDelaySeconds) return outcome;
  const continuation = { attempt: 0, state: { contested: subject, count } };
  return { ...outcome, again: { afterSeconds: seconds, continuation } };
}
