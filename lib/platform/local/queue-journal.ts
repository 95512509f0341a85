import { join } from "node:path";
import type { QueueMessage, QueueName } from "../ports.ts";
import { openJournal } from "./journal.ts";

/** A message that was accepted and is not done. `due` is when it may be sent on (ms since 1970; 0 for one that was never delayed). */
export type Accepted = { id: number; queue: QueueName; message: QueueMessage; due: number; attempt: number };

/** What a queue must not forget when its process is killed. After `close` nothing is written any more. */
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

/** Opens the journal of the queues, `queue.journal` in `directory`. What the end of the machine takes of it, the schedule finds. */
export function openQueueJournal(directory: string): QueueJournal {
  const live = new Map<number, Accepted>();
  const journal = openJournal(join(directory, "queue.journal"), {
    replay: (entry) => {
      if (isLine(entry)) note(live, entry);
    },
    live: () => [...live.values()].map(acceptedLine),
  });
  let closed = false;
  const write = (line: Line) => {
    if (closed) return;
    note(live, line);
    journal.append(line);
  };
  return {
    undone: [...live.values()],
    accepted: (entry) => write(acceptedLine(entry)),
    received: (id, attempt) => write(["received", id, attempt]),
    done: (id) => write(["done", id]),
    close: () => {
      closed = true;
      journal.close();
    },
  };
}

function note(live: Map<number, Accepted>, line: Line): void {
  if (line[0] === "accepted") {
    const [, id, queue, message, due, attempt] = line;
    live.set(id, { id, queue, message, due, attempt });
  } else if (line[0] === "received") {
    const entry = live.get(line[1]);
    if (entry !== undefined) live.set(line[1], { ...entry, attempt: line[2] });
  } else live.delete(line[1]);
}

function acceptedLine({ id, queue, message, due, attempt }: Accepted): Line {
  return ["accepted", id, queue, message, due, attempt];
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
