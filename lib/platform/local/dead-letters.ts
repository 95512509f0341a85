import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { QueueMessage, QueueName } from "../ports.ts";
import { isAbsent } from "./storage-path.ts";

/** A message that was received as often as a queue tries, and why the last attempt failed. `at` is ISO 8601. */
export type DeadLetter = {
  id: string;
  queue: QueueName;
  message: QueueMessage;
  attempts: number;
  error: string;
  at: string;
};

/** The dead-letter queues: one file a message, which an operator reads, and which stays until somebody takes it away. */
export interface DeadLetters {
  add(letter: Omit<DeadLetter, "id">): Promise<void>;
  /** In order of time. */
  list(queue: QueueName): Promise<DeadLetter[]>;
  remove(queue: QueueName, id: string): Promise<void>;
}

/** Dead letters below `directory`, a directory a queue. */
export function createDeadLetters(directory: string): DeadLetters {
  const folder = (queue: QueueName) => join(directory, queue);
  return {
    add: async (letter) => {
      const id = `${letter.at.replace(/[^0-9]/g, "")}-${randomUUID().slice(0, 8)}`;
      await mkdir(folder(letter.queue), { recursive: true, mode: 0o700 });
      const path = join(folder(letter.queue), `${id}.json`);
      await writeFile(`${path}~`, `${JSON.stringify({ id, ...letter }, null, 2)}\n`, { mode: 0o600 });
      await rename(`${path}~`, path);
    },
    list: async (queue) => {
      const names = (await namesIn(folder(queue))).filter((name) => name.endsWith(".json")).sort();
      return Promise.all(names.map((name) => readLetter(join(folder(queue), name))));
    },
    remove: (queue, id) => rm(join(folder(queue), `${id.replace(/[^0-9a-f-]/g, "")}.json`), { force: true }),
  };
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

async function readLetter(path: string): Promise<DeadLetter> {
  const value: unknown = JSON.parse(await readFile(path, "utf8"));
  if (!isLetter(value)) throw new Error(`${path} is not a dead letter`);
  return value;
}

function isLetter(value: unknown): value is DeadLetter {
  return typeof value === "object" && value !== null && "id" in value && "message" in value && "attempts" in value;
}
