import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { QueueMessage, QueueName } from "../ports.ts";
import { isAbsent } from "./storage-path.ts";

/** A message that was accepted and is not done. `due` is when it may be sent on (ms since 1970; 0 for one that was never delayed). */
export type Accepted = { id: number; queue: QueueName; message: QueueMessage; due: number; attempt: number };

/**
 * What a queue must not forget when its process is killed. Each call is one append of a line, some microseconds; after
 * `close` it is none.
 */
export interface QueueJournal {
  /** Undone messages of an earlier process, in the order in which they were accepted. */
  readonly undone: Accepted[];
  accepted(entry: Accepted): void;
  received(id: number, attempt: number): void;
  done(id: number): void;
  close(): void;
}

type Line =
  | ["accepted", number, QueueName, QueueMessage, number, number]
  | ["received", number, number]
  | ["done", number];

/** The file is written anew when it has grown by this much, and to twice its size. */
const compactBytes = 4 * 1024 * 1024;

/**
 * Opens the journal `queue.journal` in `directory`. Lines are not forced to the disk: they survive the end of the process,
 * however it ends, and not the end of the machine, after which the schedule finds what is due (design, decision 6).
 * A last line that was cut off is as if it had never been written.
 */
export function openQueueJournal(directory: string): QueueJournal {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, "queue.journal");
  const live = readLive(path);
  const undone = [...live.values()];
  let kept = 0;
  let written = 0;
  let closed = false;
  let file = rewrite();

  function rewrite(): number {
    const temporary = `${path}~`;
    const text = [...live.values()].map((entry) => formatLine(acceptedLine(entry))).join("");
    writeFileSync(temporary, text, { mode: 0o600 });
    kept = text.length;
    renameSync(temporary, path);
    written = 0;
    return openSync(path, "a", 0o600);
  }

  function append(line: Line): void {
    if (closed) return;
    written += writeSync(file, formatLine(line));
    if (written < Math.max(compactBytes, kept)) return;
    closeSync(file);
    file = rewrite();
  }

  return {
    undone,
    accepted: (entry) => {
      live.set(entry.id, entry);
      append(acceptedLine(entry));
    },
    received: (id, attempt) => {
      const entry = live.get(id);
      if (entry !== undefined) live.set(id, { ...entry, attempt });
      append(["received", id, attempt]);
    },
    done: (id) => {
      live.delete(id);
      append(["done", id]);
    },
    close: () => {
      if (!closed) closeSync(file);
      closed = true;
    },
  };
}

function acceptedLine({ id, queue, message, due, attempt }: Accepted): Line {
  return ["accepted", id, queue, message, due, attempt];
}

function formatLine(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

function readLive(path: string): Map<number, Accepted> {
  const live = new Map<number, Accepted>();
  for (const text of readText(path).split("\n")) {
    const line = parseLine(text);
    if (line === undefined) continue;
    if (line[0] === "accepted") {
      const [, id, queue, message, due, attempt] = line;
      live.set(id, { id, queue, message, due, attempt });
    } else if (line[0] === "received") {
      const entry = live.get(line[1]);
      if (entry !== undefined) live.set(line[1], { ...entry, attempt: line[2] });
    } else live.delete(line[1]);
  }
  return live;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return "";
    throw error;
  }
}

function parseLine(text: string): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isLine(value) ? value : undefined;
}

function isLine(value: unknown): value is Line {
  if (!Array.isArray(value) || typeof value[1] !== "number") return false;
  if (value[0] === "done") return true;
  if (value[0] === "received") return typeof value[2] === "number";
  return (
    value[0] === "accepted" &&
    ["source", "apply", "notification"].includes(value[2]) &&
    isMessage(value[3]) &&
    typeof value[4] === "number" &&
    typeof value[5] === "number"
  );
}

function isMessage(value: unknown): value is QueueMessage {
  return (
    typeof value === "object" &&
    value !== null &&
    ["body", "group", "deduplication"].every((field) => typeof Reflect.get(value, field) === "string")
  );
}
