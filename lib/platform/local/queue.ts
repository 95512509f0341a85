import type { QueueMessage, QueueName, WorkQueue } from "../ports.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Accepted, QueueJournal } from "./queue-journal.ts";

/** Works on one message. A rejection means: deliver it again. `attempt` counts from 1. */
export type MessageHandler = (body: string, delivery: { attempt: number }) => Promise<void>;

/** A queue and the loop that receives from it. */
export type LocalQueue = WorkQueue & {
  /** Starts to deliver; a queue has one consumer. `concurrency` is how many messages are worked on at once. */
  consume(queue: QueueName, handler: MessageHandler, options: { concurrency: number }): void;
  /** Messages that are accepted and not done: waiting and in flight, and those whose delay has not passed. */
  depth(queue: QueueName): { ready: number; delayed: number };
  /** Delivers nothing more, waits up to `graceSeconds` for what is in flight; what is undone then stays in the journal. */
  close(graceSeconds?: number): Promise<void>;
};

/** Times in seconds. The defaults are those of the queues on AWS, but for redelivery: nothing here needs a time-out to see a failure. */
export type QueueTimes = {
  /** How long a de-duplication id is remembered. */
  deduplication: number;
  /** How long an attempt may take before the message is given to another. */
  visibility: number;
  /** Wait before the attempt of this number (2 is the first redelivery). */
  redelivery: (attempt: number) => number;
};

/** Receives of one message before it becomes a dead letter (the same on AWS: maxReceiveCount). */
export const receivesBeforeDeadLetter = 5;

const standardTimes: QueueTimes = {
  deduplication: 300,
  visibility: 180,
  // Half a second for a conflict, half a minute for a server that restarts.
  redelivery: (attempt) => 0.5 * 4 ** (Math.min(attempt, 5) - 2),
};

/** The longest that one Node timer can wait. */
const timerLimit = 2 ** 31 - 1;

type Group = { waiting: Accepted[]; busy: boolean };
type Line = {
  groups: Map<string, Group>;
  /** Groups that have a message and nobody who works on it, the one that has waited longest first. */
  ready: Set<string>;
  /** De-duplication ids by when they are forgotten; insertion order is order of time. */
  seen: Map<string, number>;
  consumer: { handler: MessageHandler; concurrency: number } | undefined;
  inFlight: number;
  waiting: number;
  delayed: number;
};

/**
 * An in-process queue with the semantics of SQS FIFO queues: order and single flight in a message group, concurrency across
 * groups, de-duplication, redelivery, dead letters. The notification queue is unordered and does not de-duplicate.
 * A delayed message is de-duplicated when its delay has passed. A send resolves when the journal has the message.
 */
export function createLocalQueue(options: {
  journal: QueueJournal;
  deadLetters: DeadLetters;
  /** Told of a failed attempt; `last` when the message became a dead letter. */
  onFailure: (failure: { queue: QueueName; body: string; attempt: number; error: unknown; last: boolean }) => void;
  times?: Partial<QueueTimes>;
}): LocalQueue {
  const { journal, deadLetters, onFailure } = options;
  const times = { ...standardTimes, ...options.times };
  const lines: Record<QueueName, Line> = { source: emptyLine(), apply: emptyLine(), notification: emptyLine() };
  const timers = new Set<NodeJS.Timeout>();
  const working = new Set<Promise<void>>();
  let nextId = 1 + journal.undone.reduce((highest, { id }) => Math.max(highest, id), 0);
  let closed = false;

  for (const entry of journal.undone) {
    if (entry.due > Date.now()) delay(entry);
    else {
      if (ordered(entry.queue)) remember(lines[entry.queue], entry.message.deduplication);
      join(entry);
    }
  }

  function accept(queue: QueueName, message: QueueMessage, due: number): void {
    if (closed) throw new Error(`the ${queue} queue is closed`);
    const entry = { id: nextId++, queue, message, due, attempt: 0 };
    if (due > Date.now()) {
      journal.accepted(entry);
      delay(entry);
    } else if (!isDuplicate(entry)) {
      journal.accepted(entry);
      join(entry);
    }
  }

  function isDuplicate({ queue, message }: Accepted): boolean {
    return ordered(queue) && !remember(lines[queue], message.deduplication);
  }

  /** Whether the id is new. Ids are forgotten here, oldest first, as others come. */
  function remember(line: Line, id: string): boolean {
    const now = performance.now();
    for (const [old, until] of line.seen) {
      if (until > now) break;
      line.seen.delete(old);
    }
    if (line.seen.has(id)) return false;
    line.seen.set(id, now + times.deduplication * 1000);
    return true;
  }

  function delay(entry: Accepted): void {
    lines[entry.queue].delayed++;
    later(entry.due - Date.now(), () => {
      lines[entry.queue].delayed--;
      if (isDuplicate(entry)) journal.done(entry.id);
      else join(entry);
    });
  }

  function later(milliseconds: number, run: () => void): void {
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        if (milliseconds > timerLimit) later(milliseconds - timerLimit, run);
        else run();
      },
      Math.min(Math.max(0, milliseconds), timerLimit),
    );
    timers.add(timer);
  }

  function join(entry: Accepted): void {
    const line = lines[entry.queue];
    const name = groupName(entry);
    const group = line.groups.get(name) ?? { waiting: [], busy: false };
    line.groups.set(name, group);
    group.waiting.push(entry);
    line.waiting++;
    if (!group.busy) line.ready.add(name);
    queueMicrotask(() => deliver(line));
  }

  function deliver(line: Line): void {
    const { consumer } = line;
    while (!closed && consumer !== undefined && line.inFlight < consumer.concurrency) {
      const [name] = line.ready;
      if (name === undefined) return;
      line.ready.delete(name);
      const group = line.groups.get(name);
      const entry = group?.waiting[0];
      if (group === undefined || entry === undefined) continue;
      group.busy = true;
      line.inFlight++;
      const work = attempt(line, entry, consumer.handler).finally(() => working.delete(work));
      working.add(work);
    }
  }

  /** One receive. The message stays at the head of its group until it is settled, so that nothing of the group overtakes it. */
  async function attempt(line: Line, entry: Accepted, handler: MessageHandler): Promise<void> {
    entry.attempt++;
    const failure = await outcome(handler, entry);
    line.inFlight--;
    const settled = await settle(entry, failure);
    if (closed) return;
    if (settled) leave(line, entry);
    else {
      later(times.redelivery(entry.attempt + 1) * 1000, () => {
        line.ready.add(groupName(entry));
        deliver(line);
      });
    }
    deliver(line);
  }

  /**
   * Whether the message is gone: worked on, or a dead letter. The letter is written before the message is forgotten: a process
   * that dies in between has both. A disk that takes neither a letter nor a line of the journal leaves the message.
   */
  async function settle(entry: Accepted, failure: { error: unknown } | undefined): Promise<boolean> {
    const { id, queue, message, attempt: attempts } = entry;
    const told = { queue, body: message.body, attempt: attempts };
    const last = attempts >= receivesBeforeDeadLetter;
    if (failure !== undefined && closed) {
      // Cut off by the end of this process, which says nothing of the message: the attempt does not count.
      journal.received(id, attempts - 1);
      return false;
    }
    if (failure !== undefined) {
      onFailure({ ...told, error: failure.error, last });
      if (!last) return false;
    }
    try {
      if (failure !== undefined) {
        const error = failure.error instanceof Error ? failure.error.message : String(failure.error);
        await deadLetters.add({ queue, message, attempts, error, at: new Date().toISOString() });
      }
      journal.done(id);
      return true;
    } catch (error) {
      onFailure({ ...told, error, last: false });
      return false;
    }
  }

  async function outcome(handler: MessageHandler, entry: Accepted): Promise<{ error: unknown } | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${times.visibility} s`)), times.visibility * 1000);
    });
    try {
      journal.received(entry.id, entry.attempt);
      await Promise.race([handler(entry.message.body, { attempt: entry.attempt }), overdue]);
      return undefined;
    } catch (error) {
      return { error };
    } finally {
      clearTimeout(timer);
    }
  }

  function leave(line: Line, entry: Accepted): void {
    line.waiting--;
    const name = groupName(entry);
    const group = line.groups.get(name);
    if (group === undefined) return;
    group.waiting.shift();
    group.busy = false;
    if (group.waiting.length > 0) line.ready.add(name);
    else line.groups.delete(name);
  }

  return {
    send: async (queue, messages) => {
      for (const message of messages) accept(queue, message, 0);
    },
    sendLater: async (queue, message, seconds) => {
      accept(queue, message, seconds > 0 ? Date.now() + seconds * 1000 : 0);
    },
    consume: (queue, handler, { concurrency }) => {
      const line = lines[queue];
      if (line.consumer !== undefined) throw new Error(`the ${queue} queue has a consumer already`);
      line.consumer = { handler, concurrency };
      queueMicrotask(() => deliver(line));
    },
    depth: (queue) => ({ ready: lines[queue].waiting, delayed: lines[queue].delayed }),
    close: async (graceSeconds = 5) => {
      if (closed) return;
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      const grace = new Promise((resolve) => setTimeout(resolve, graceSeconds * 1000).unref());
      await Promise.race([Promise.allSettled(working), grace]);
      journal.close();
    },
  };
}

function emptyLine(): Line {
  return {
    groups: new Map(),
    ready: new Set(),
    seen: new Map(),
    consumer: undefined,
    inFlight: 0,
    waiting: 0,
    delayed: 0,
  };
}

function ordered(queue: QueueName): boolean {
  return queue !== "notification";
}

function groupName({ id, queue, message }: Accepted): string {
  return ordered(queue) ? message.group : String(id);
}
