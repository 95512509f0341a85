import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../../engine/reconciler.ts";
import { tokenOf } from "../../engine/token.ts";
import { type Json, RecordConflict, type RecordStore } from "../../platform/ports.ts";
import type { SourceFailure } from "./source-failure.ts";
import { storageFailure } from "./storage-failure.ts";

/** Somebody else is at the same work, and has been for longer than it is worth to wait in place (design, decision 4). */
export class SharedWorkUnderWay extends Error {
  constructor() {
    super("another object of the same source is at the same work");
    this.name = "SharedWorkUnderWay";
  }
}

/** What several objects share: a value once it is known, and who is at finding it out. Times are milliseconds since 1970. */
export type Shared = {
  value?: Json;
  /** When the work that gave the value began. */
  at: number;
  /** The same, of the last work that the schedule asked for. */
  scheduled?: number;
  /** Objects that use it, `<cluster>/<kind>/<namespace>/<name>`. */
  sharers: string[];
  lease?: { until: number; by: string };
};

/** At most so many objects of one source are woken by one another: the others find out at their interval. */
const sharerLimit = 500;

/** How long somebody may be at the work until others take it for dead, and how long these wait in place; milliseconds. */
const leaseMilliseconds = 60_000;
const patienceMilliseconds = 1_000;
/** How often somebody who is at the work says so: two times may be lost. Milliseconds. */
const renewMilliseconds = leaseMilliseconds / 3;

/**
 * The key of what objects share that ask the same server the same with the same credentials: nobody gets what only another's
 * credentials may read (SB-002). A keyed digest, so that a record's name helps nobody to guess a password.
 */
export async function sharedKey(
  context: Pick<Context, "secrets">,
  kind: "checks" | "contents",
  parts: Json,
): Promise<string> {
  const seed = await context.secrets.read("admission-seed");
  if (seed === undefined)
    throw new Error("the deployment has no secret admission-seed, of which the names of shared records are made");
  return `${kind}/${tokenOf(seed.trim(), `shared/${kind}/${JSON.stringify(parts)}`)}`;
}

/** The record, and its version where there is one. */
export type Found = { shared: Shared; version: string | undefined };

/** Reads what is shared under a key. A record of another shape is none. Throws SourceFailure AcquireLockFailed (SRC-037). */
export async function readShared(records: RecordStore, key: string): Promise<Found> {
  const record = await records.get(key).catch((error: unknown) => {
    throw lockFailure(error);
  });
  const none: Shared = { at: 0, sharers: [] };
  const { value } = record ?? {};
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { shared: none, version: record?.version };
  const { at, scheduled, sharers, lease } = value;
  return {
    version: record?.version,
    shared: {
      ...(value.value === undefined ? {} : { value: value.value }),
      at: typeof at === "number" ? at : 0,
      ...(typeof scheduled === "number" ? { scheduled } : {}),
      sharers: Array.isArray(sharers) ? sharers.filter((one) => typeof one === "string") : [],
      ...leaseOf(lease),
    },
  };
}

function leaseOf(lease: Json | undefined): Pick<Shared, "lease"> {
  if (typeof lease !== "object" || lease === null || Array.isArray(lease)) return {};
  const { until, by } = lease;
  return typeof until === "number" && typeof by === "string" ? { lease: { until, by } } : {};
}

/** Writes it if nobody else has since it was read. Returns whether it did. Throws SourceFailure AcquireLockFailed (SRC-037). */
export async function writeShared(
  records: RecordStore,
  key: string,
  { version }: Pick<Found, "version">,
  shared: Shared,
): Promise<boolean> {
  const sharers = shared.sharers.slice(-sharerLimit);
  try {
    await records.put(key, { ...shared, sharers }, version === undefined ? "absent" : { version });
    return true;
  } catch (error) {
    if (error instanceof RecordConflict) return false;
    throw lockFailure(error);
  }
}

/** Who may not know whether somebody else is at the work does not begin it. */
function lockFailure(error: unknown): SourceFailure {
  return storageFailure("AcquireLockFailed", "failed to acquire lock for artifact", error);
}

/**
 * Extends this object's lease while the work goes on: a large download takes longer than anybody is waited for who may have died (SB-005).
 * What it returns ends that, in every outcome of the work and before the lease is given up. A lease that is another's by now is left alone.
 */
export function keepLease(
  { records, clock, log }: Pick<Context, "records" | "clock" | "log">,
  key: string,
  me: string,
): () => Promise<void> {
  const renew = async (): Promise<void> => {
    const found = await readShared(records, key);
    if (found.shared.lease?.by !== me) return;
    const lease = { until: clock.now().getTime() + leaseMilliseconds, by: me };
    await writeShared(records, key, found, { ...found.shared, lease });
  };
  let renewing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    renewing = renewing.then(renew).catch((error: unknown) => {
      log.warn("the lease of shared work could not be extended", { error: String(error) });
    });
  }, renewMilliseconds);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await renewing;
  };
}

/** The same list with one more, once. */
export function withSharer(sharers: readonly string[], one: string): string[] {
  return sharers.includes(one) ? [...sharers] : [...sharers, one];
}

/**
 * Waits until what is shared serves (`serves`), or until the work is this object's to do: then it holds the lease. Throws
 * SharedWorkUnderWay after a second in which somebody else had it. `known` is what was just read. What is found with the lease has no
 * version: whoever ends the lease reads who has joined.
 */
export async function awaitOrLease(
  { records, clock, signal }: Pick<Context, "records" | "clock" | "signal">,
  key: string,
  me: string,
  serves: (shared: Shared) => boolean,
  known?: Found,
): Promise<{ found: Found; mine: boolean }> {
  const giveUp = Date.now() + patienceMilliseconds;
  let read = known;
  for (let pause = 20; ; ) {
    const found = read ?? (await readShared(records, key));
    read = undefined;
    const { shared } = found;
    if (serves(shared)) return { found, mine: false };
    const now = clock.now().getTime();
    const isFree = shared.lease === undefined || shared.lease.until < now || shared.lease.by === me;
    if (isFree) {
      const leased = {
        ...shared,
        sharers: withSharer(shared.sharers, me),
        lease: { until: now + leaseMilliseconds, by: me },
      };
      if (await writeShared(records, key, found, leased))
        return { found: { shared: leased, version: undefined }, mine: true };
      continue;
    }
    if (Date.now() > giveUp) throw new SharedWorkUnderWay();
    await sleep(pause, undefined, { signal });
    pause = Math.min(pause * 2, 200);
  }
}
