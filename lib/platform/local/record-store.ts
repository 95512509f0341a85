import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Expectation, RecordConflict, type RecordStore } from "../ports.ts";
import { openJournal } from "./journal.ts";
import { storagePath } from "./storage-path.ts";

/** The records of a local platform, and the end of them. */
export type LocalRecordStore = RecordStore & { close(): void };

/** Records whose key begins with `prefix` are forgotten so many seconds after they were written, by the first write an hour later or at the next start. */
export type RecordExpiry = { prefix: string; seconds: number };

/** How often a store that is written to looks for records whose time is over; milliseconds. */
const sweepMilliseconds = 3_600_000;

type Kept = { text: string; version: string; at: number };
type Line = ["put", string, string, number] | ["removed", string];

/**
 * Records in memory and in a journal, `records.journal` in `directory`: a write is one append, since replacing a file can cost a turn of
 * the disk. The version of a record is the digest of its text, as S3's is: whoever expects it expects this state, whichever way
 * it came about. Reading, comparing and writing are one synchronous step, which makes compare-and-set atomic in this process; the
 * host sees to it that no other process has the directory.
 */
export function createLocalRecordStore(directory: string, expiry: RecordExpiry[] = []): LocalRecordStore {
  const records = new Map<string, Kept>();
  let swept = Date.now();
  const journal = openJournal(join(directory, "records.journal"), {
    replay: (entry) => {
      if (isLine(entry)) note(entry);
    },
    live: () => {
      for (const [key, { at }] of records) if (isExpired(key, at)) records.delete(key);
      return [...records].map(([key, { text, at }]): Line => ["put", key, text, at]);
    },
  });

  function note(line: Line): void {
    if (line[0] === "removed") records.delete(line[1]);
    else records.set(line[1], { text: line[2], version: versionOf(line[2]), at: line[3] });
  }

  function isExpired(key: string, at: number): boolean {
    return expiry.some(({ prefix, seconds }) => key.startsWith(prefix) && Date.now() - at > seconds * 1000);
  }

  /** The journal takes one entry for each that goes, as for any other that is removed. */
  function sweep(): void {
    if (Date.now() - swept < sweepMilliseconds) return;
    swept = Date.now();
    for (const [key, { at }] of records) if (isExpired(key, at)) write(["removed", key]);
  }

  /** Noted first, since the journal may be written anew from what is noted; a write that fails has not been. */
  function write(line: Line): void {
    const before = records.get(line[1]);
    note(line);
    try {
      journal.append(line);
    } catch (error) {
      if (before === undefined) records.delete(line[1]);
      else records.set(line[1], before);
      throw error;
    }
  }

  function find(key: string): Kept | undefined {
    // A key is what it would be on another platform: a path.
    storagePath(directory, key);
    return records.get(key);
  }

  function check(key: string, expect: Expectation): Kept | undefined {
    const found = find(key);
    if (expect === "any") return found;
    if (expect === "absent" ? found !== undefined : found?.version !== expect.version) throw new RecordConflict(key);
    return found;
  }

  return {
    get: async (key) => {
      const found = find(key);
      return found === undefined ? undefined : { value: JSON.parse(found.text), version: found.version };
    },
    put: async (key, value, expect) => {
      sweep();
      const text = JSON.stringify(value);
      // A write of what is there already costs nothing.
      if (check(key, expect)?.text !== text) write(["put", key, text, Date.now()]);
      return versionOf(text);
    },
    remove: async (key, expect) => {
      if (find(key) === undefined) return;
      check(key, expect);
      write(["removed", key]);
    },
    close: () => journal.close(),
  };
}

function isLine(value: unknown): value is Line {
  if (!Array.isArray(value) || typeof value[1] !== "string") return false;
  return value[0] === "removed" || (value[0] === "put" && typeof value[2] === "string" && typeof value[3] === "number");
}

function versionOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
