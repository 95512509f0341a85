import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { isAbsent } from "./storage-path.ts";

/** A file that is only ever appended to, an entry a line; what it says altogether is kept in memory by who reads it. */
export interface Journal {
  /** Some microseconds. Throws where the disk is full, and after `close`. */
  append(entry: unknown): void;
  close(): void;
}

/** The file is written anew when it has grown by this much, and to twice its size. */
const compactBytes = 4 * 1024 * 1024;

/**
 * Opens a journal: `replay` gets what was written so far, entry by entry, and `live` says in entries what of it still counts, to which
 * the file is cut down now and whenever it has grown. Entries are not forced to the disk: they survive the end of the process,
 * however it ends, and not the end of the machine. A last entry that was cut off is as if it had never been written.
 */
export function openJournal(
  path: string,
  options: { replay: (entry: unknown) => void; live: () => Iterable<unknown> },
): Journal {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (const line of readText(path).split("\n")) {
    const entry = parse(line);
    if (entry !== undefined) options.replay(entry);
  }
  let kept = 0;
  let written = 0;
  let closed = false;
  let file = rewrite();

  function rewrite(): number {
    const text = [...options.live()].map(formatEntry).join("");
    writeFileSync(`${path}~`, text, { mode: 0o600 });
    renameSync(`${path}~`, path);
    kept = text.length;
    written = 0;
    return openSync(path, "a", 0o600);
  }

  return {
    append: (entry) => {
      if (closed) throw new Error(`${path} is closed`);
      written += writeSync(file, formatEntry(entry));
      if (written < Math.max(compactBytes, kept)) return;
      const full = file;
      file = rewrite();
      closeSync(full);
    },
    close: () => {
      if (!closed) closeSync(file);
      closed = true;
    },
  };
}

function formatEntry(entry: unknown): string {
  return `${JSON.stringify(entry)}\n`;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return "";
    throw error;
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
