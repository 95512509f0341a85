import { isDeepStrictEqual } from "node:util";
import type { Context } from "../../engine/reconciler.ts";
import type { Json } from "../../platform/ports.ts";
import { parseGoDuration } from "../../text/go-duration.ts";
import {
  awaitOrLease,
  keepLease,
  readShared,
  type Shared,
  sharedKey,
  withSharer,
  writeShared,
} from "./shared-record.ts";
import type { SourceObject, SourcePass, SourceStatus } from "./source-kind.ts";

/** A check older than this many milliseconds is not what a user means who has just made an object, or for whom one is tried again. */
const momentMilliseconds = 5_000;
/** Nor may an answer be older for an object that has not been looked at as it is: its credentials may have been withdrawn since. */
const newcomerMilliseconds = 60_000;
/** When a check failed, no answer from before it serves anybody: whoever asks next may be refused, too. */
const never = -1;

/**
 * Asks a server what there is now, once for all objects that ask it the same with the same credentials (SB-002): the answer of
 * another object serves while it is not older than this one's interval, or than what asks for the look. What was asked besides the
 * schedule puts off nothing of it, so that no interval becomes two. Whoever finds something new wakes the others. `asked` names the
 * server, the question and the credentials; it is kept as a keyed digest. An object that shares with nobody writes nothing while
 * nothing changes. Errors are everybody's own, and whoever met one has shown that what was known before needs to be asked for again.
 */
export async function shareCheck<T extends Json>(
  pass: SourcePass<SourceStatus, SourceObject>,
  asked: Json,
  check: () => Promise<T>,
  isAnswer: (value: Json) => value is T,
): Promise<T> {
  const { context, object } = pass;
  const { records, clock } = context;
  const key = await sharedKey(context, "checks", asked);
  const me = sharerName(context, object);
  const since = freshSince(context, object, pass.status);
  const isScheduled = context.cause.type === "schedule";
  const serves = ({ value, at, scheduled = 0 }: Shared) =>
    value !== undefined && (isScheduled ? Math.min(at, scheduled) : at) >= since;
  const first = await readShared(records, key);
  if (first.shared.sharers.length === 1 && first.shared.sharers[0] === me && !serves(first.shared)) {
    const at = clock.now().getTime();
    const value = await check().catch(async (error: unknown) => {
      if (first.shared.at !== never) await writeShared(records, key, first, { ...first.shared, at: never });
      throw error;
    });
    if (!isDeepStrictEqual(value, first.shared.value))
      await writeShared(records, key, first, { value, at, sharers: [me] });
    return value;
  }
  const { found, mine } = await awaitOrLease(context, key, me, serves, first);
  const { shared } = found;
  if (!mine && shared.value !== undefined && isAnswer(shared.value)) {
    if (!shared.sharers.includes(me))
      await writeShared(records, key, found, { ...shared, sharers: withSharer(shared.sharers, me) });
    return shared.value;
  }
  const at = clock.now().getTime();
  const { lease: _lease, ...before } = shared;
  const release = keepLease(context, key, me);
  try {
    // An index is downloaded to see whether it is another one, which takes as long as it takes.
    const value = await check().finally(release);
    const isNew = before.value !== undefined && !isDeepStrictEqual(value, before.value);
    const sharers = isNew ? [me] : before.sharers;
    const scheduled = isScheduled ? at : (before.scheduled ?? 0);
    await finish(pass, key, { value, at, scheduled, sharers }, isNew);
    if (isNew)
      wake(
        pass,
        before.sharers.filter((other) => other !== me),
        value,
      );
    return value;
  } catch (error) {
    await finish(pass, key, { ...before, at: never }, false);
    throw error;
  }
}

/** Ends the lease. Who has joined in the meantime stays, but for a new answer, which everybody comes for again. */
async function finish(
  { context: { records } }: SourcePass,
  key: string,
  shared: Shared,
  isNew: boolean,
): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const found = await readShared(records, key);
    const sharers = isNew ? shared.sharers : [...new Set([...shared.sharers, ...found.shared.sharers])];
    if (await writeShared(records, key, found, { ...shared, sharers })) return;
  }
}

/** Looks at the other objects of the source follow at once, in whichever cluster they are. */
function wake({ wakes }: SourcePass, others: readonly string[], value: Json): void {
  for (const other of others) {
    const [cluster = "", kind = "", namespace = "", name = ""] = other.split("/");
    const reference = { apiVersion: "source.toolkit.fluxcd.io/v1", kind, namespace, name };
    wakes.push({ cluster, reference, state: JSON.stringify(value).slice(0, 300) });
  }
}

/** How an object is told from all others of the deployment. */
export function sharerName({ clusterId }: Pick<Context, "clusterId">, { kind, metadata }: SourceObject): string {
  return `${clusterId}/${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
}

/**
 * The moment after which an answer must have been asked for to serve this look; milliseconds since 1970. `status` is the object's own, less an
 * artifact that turned out to be lost: the object is no new one by that (SRC-021).
 */
export function freshSince(
  context: Pick<Context, "clock" | "cause">,
  object: SourceObject,
  status: SourceStatus | undefined = object.status,
): number {
  const { metadata } = object;
  const isNew = status?.artifact === undefined || status.observedGeneration !== metadata.generation;
  const since = wantedSince(context, object);
  return isNew ? Math.max(since, context.clock.now().getTime() - newcomerMilliseconds) : since;
}

function wantedSince({ clock, cause }: Pick<Context, "clock" | "cause">, { spec, status }: SourceObject): number {
  const now = clock.now().getTime();
  switch (cause.type) {
    case "schedule": {
      const interval = parseGoDuration(spec.interval ?? "1m");
      return now - Math.max(interval * 0.9, interval - 1000);
    }
    case "dependency":
    case "source":
      return 0;
    case "webhook":
      return momentOf(cause.token, now);
    case "admission":
      // By the clock of whoever asked, which may be behind.
      if (cause.requestedAt !== undefined) return Math.max(momentOf(cause.requestedAt, now), now - momentMilliseconds);
      // What is new comes in numbers; what is changed or resumed must see what was pushed just before.
      return status?.artifact === undefined ? now - momentMilliseconds : now;
    default:
      return now - momentMilliseconds;
  }
}

/** Requests are stamped with the time at which they were made, by the flux CLI as by Receivers; any other text is of now. */
function momentOf(stamp: string, now: number): number {
  const time = Date.parse(stamp);
  return time > now - 300_000 && time <= now ? time : now;
}
