import { createHash } from "node:crypto";

/** What the schedule knows of an object: what its wide printer columns say. Durations are milliseconds. */
export type Scheduled = {
  namespace: string;
  name: string;
  uid: string;
  generation: number;
  /** The last generation that a pass has looked at, whether or not it succeeded. */
  observedGeneration: number;
  interval: number;
  /** Time between attempts while the object is not ready; the interval where the kind has none of its own. */
  retryInterval: number;
  ready: boolean;
  /** A pass began and has not said how it ended: it is under way, or was lost. */
  unfinished: boolean;
  stalled: boolean;
  suspended: boolean;
  deleting: boolean;
  requestedAt: string | undefined;
  handledAt: string | undefined;
};

/** A look that is due: after how many seconds of the minute, and the name of the state it reaches for. */
export type Due = { afterSeconds: number; slot: string };

const minute = 60_000;

/**
 * What is due for one object within the minute that starts at `start` (milliseconds since 1970; design, decision 6).
 * Nothing is stored: the interval's phase is a hash of the uid, so looks of many objects spread by themselves (KS-010,
 * SRC-018). A state that was never observed is due at once, each minute anew, until it is.
 */
export function dueWithin(object: Scheduled, start: number): Due[] {
  if (object.deleting) return [{ afterSeconds: 0, slot: `deleting/${Math.floor(start / minute)}` }];
  if (object.requestedAt !== undefined && object.requestedAt !== object.handledAt) {
    return [{ afterSeconds: 0, slot: `requested/${object.requestedAt}/${Math.floor(start / minute)}` }];
  }
  if (object.suspended) return [];
  if (object.unfinished) return [{ afterSeconds: 0, slot: `unfinished/${Math.floor(start / minute)}` }];
  const unobserved = object.generation !== object.observedGeneration;
  if (unobserved && object.observedGeneration <= 0)
    return [{ afterSeconds: 0, slot: `generation/${object.generation}/${Math.floor(start / minute)}` }];
  if (object.stalled && !unobserved) return [];
  const interval = object.ready && !unobserved ? object.interval : Math.min(object.retryInterval, object.interval);
  if (unobserved && interval >= minute)
    return [{ afterSeconds: 0, slot: `generation/${object.generation}/${Math.floor(start / minute)}` }];
  if (interval <= 0) return [];
  const phase = phaseOf(object.uid, interval);
  const due: Due[] = [];
  for (let slot = Math.ceil((start - phase) / interval); slot * interval + phase < start + minute; slot++) {
    due.push({ afterSeconds: (slot * interval + phase - start) / 1000, slot: `${interval}/${slot}` });
    if (due.length === 60) break;
  }
  return interval >= minute ? due.map(({ slot }) => ({ afterSeconds: 0, slot })) : due;
}

/**
 * The next look at an object that is looked at each `interval` milliseconds: the same slot, by the same name, that
 * `dueWithin` finds, so that both fold into one message.
 */
export function nextSlot(uid: string, interval: number, now: number): { slot: string; afterSeconds: number } {
  const phase = phaseOf(uid, interval);
  const slot = Math.floor((now - phase) / interval) + 1;
  return { slot: `${interval}/${slot}`, afterSeconds: (slot * interval + phase - now) / 1000 };
}

function phaseOf(uid: string, interval: number): number {
  return Number(createHash("sha256").update(uid).digest().readBigUInt64BE() % BigInt(Math.ceil(interval)));
}

/**
 * Whether what a look was due for has been done since, by one that was under way when it was enqueued: a pass that takes longer than
 * a minute would beget another for as long as it does. `slot` is one of `dueWithin`; what comes at an interval is never overtaken.
 */
export function isOvertaken(slot: string, object: Scheduled): boolean {
  const [why] = slot.split("/");
  if (why === "unfinished") return !object.unfinished;
  if (why === "requested") return object.requestedAt === object.handledAt;
  if (why === "generation") return object.generation === object.observedGeneration;
  return false;
}
