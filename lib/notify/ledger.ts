import type { InvolvedObject } from "../engine/events.ts";
import { type Json, RecordConflict, type RecordStore } from "../platform/ports.ts";

/** One event of an object that went out lately, and the Alerts it has reached. */
type Entry = { key: string; id: string; at: number; reached: string[] };

/** How long it is remembered whom an event has reached, in milliseconds: longer than a message can be on its way twice. */
const rememberedMilliseconds = 60 * 60_000;
/** Entries of one object at most; the oldest are forgotten first. */
const entries = 200;

/** What an object has told lately: one record an object, so that nothing piles up (EI-006, SV-002, SV-005). */
export type Ledger = {
  /**
   * Whether an event may go out: false where another event with its key did so within the interval. The same event again, by
   * its id, always may: it is a delivery that died on its way.
   */
  admit(key: string, id: string, intervalMilliseconds: number): Promise<boolean>;
  /** Whether the event has reached the Alert's Provider. */
  hasReached(id: string, alert: string): Promise<boolean>;
  /** Notes that it has. */
  noteReached(id: string, alert: string): Promise<void>;
};

/** The ledger of one object. */
export function openLedger(records: RecordStore, now: () => number, clusterId: string, object: InvolvedObject): Ledger {
  const record = `notified/${clusterId}/${object.kind}/${object.namespace}/${object.name}`;

  async function read(): Promise<{ known: Entry[]; version: string | undefined }> {
    const found = await records.get(record);
    const known = parse(found?.value).filter(({ at }) => now() - at < rememberedMilliseconds);
    return { known, version: found?.version };
  }

  /** Writes what `change` makes of the entries; undefined leaves them as they are. */
  async function update(change: (known: Entry[]) => Entry[] | undefined): Promise<void> {
    for (;;) {
      const { known, version } = await read();
      const changed = change(known);
      if (changed === undefined) return;
      try {
        await records.put(record, changed.slice(-entries), version === undefined ? "absent" : { version });
        return;
      } catch (error) {
        if (!(error instanceof RecordConflict)) throw error;
      }
    }
  }

  return {
    admit: async (key, id, intervalMilliseconds) => {
      let admitted = true;
      await update((known) => {
        const last = known.findLast((entry) => entry.key === key);
        const limited = last !== undefined && last.id !== id && now() - last.at < intervalMilliseconds;
        admitted = !limited;
        if (limited || known.some((entry) => entry.id === id)) return undefined;
        return [...known, { key, id, at: now(), reached: [] }];
      });
      return admitted;
    },
    hasReached: async (id, alert) =>
      (await read()).known.some((entry) => entry.id === id && entry.reached.includes(alert)),
    noteReached: (id, alert) =>
      update((known) =>
        known.map((entry) =>
          entry.id === id && !entry.reached.includes(alert) ? { ...entry, reached: [...entry.reached, alert] } : entry,
        ),
      ),
  };
}

function parse(value: Json | undefined): Entry[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry) => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [];
    const { key, id, at, reached } = entry;
    if (typeof key !== "string" || typeof id !== "string" || typeof at !== "number" || !Array.isArray(reached))
      return [];
    return [{ key, id, at, reached: reached.filter((name) => typeof name === "string") }];
  });
}
