import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { QueueMessage } from "../ports.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { createLocalQueue, type LocalQueue, type QueueTimes } from "./queue.ts";
import { openQueueJournal } from "./queue-journal.ts";

let directory: string;
let queues: LocalQueue[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-queue-"));
  queues = [];
});
afterEach(async () => {
  await Promise.all(queues.map((queue) => queue.close(0)));
  await rm(directory, { recursive: true, force: true });
});

const deadLetters = () => createDeadLetters(join(directory, "dead-letters"));

function open(times: Partial<QueueTimes> = {}): LocalQueue {
  const queue = createLocalQueue({
    journal: openQueueJournal(directory),
    deadLetters: deadLetters(),
    onFailure: () => undefined,
    times: { redelivery: () => 0.01, ...times },
  });
  queues.push(queue);
  return queue;
}

const message = (body: string, group = "group", deduplication = body): QueueMessage => ({ body, group, deduplication });

function collect(queue: LocalQueue, name: "source" | "apply" | "notification" = "apply") {
  const bodies: string[] = [];
  queue.consume(name, async (body, { attempt }) => void bodies.push(`${body} ${attempt}`), { concurrency: 4 });
  return bodies;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let look = 0; look < 400 && !(await holds()); look++) await sleep(5);
  expect(await holds()).toBe(true);
}

describe("the local queue", () => {
  it("delivers what an ended process had accepted and not done, in order, and nothing that was done", async () => {
    const first = open();
    first.consume("source", async () => undefined, { concurrency: 1 });
    await first.send("source", [message("done")]);
    await until(() => first.depth("source").ready === 0);
    await first.send("apply", [message("a"), message("b"), message("c", "other")]);
    await first.sendLater("apply", message("later"), 0.2);
    await first.close();

    const second = open();
    const bodies = collect(second);
    const done = collect(second, "source");
    await until(() => bodies.length === 4);
    expect(bodies).toEqual(["a 1", "c 1", "b 1", "later 1"]);
    expect(done).toEqual([]);
  });

  it("counts the attempts that killed its process, so that a poisoned message ends all the same", async () => {
    const source = (name: string) => JSON.stringify(join(import.meta.dirname, name));
    const script = `
      import { createDeadLetters } from ${source("dead-letters.ts")};
      import { createLocalQueue } from ${source("queue.ts")};
      import { openQueueJournal } from ${source("queue-journal.ts")};
      const directory = ${JSON.stringify(directory)};
      const queue = createLocalQueue({
        journal: openQueueJournal(directory),
        deadLetters: createDeadLetters(directory + "/dead-letters"),
        onFailure: () => undefined,
      });
      if (queue.depth("apply").ready === 0)
        await queue.send("apply", [{ body: "poison", group: "g", deduplication: "poison" }]);
      queue.consume("apply", async () => process.kill(process.pid, "SIGKILL"), { concurrency: 1 });
      await new Promise((resolve) => setTimeout(resolve, 5000));`;
    for (let death = 1; death <= 4; death++) {
      const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "inherit" });
      const [, signal]: unknown[] = await once(child, "exit");
      expect(signal).toBe("SIGKILL");
    }
    const queue = open();
    const attempts: number[] = [];
    const fail = async (_body: string, { attempt }: { attempt: number }) => {
      attempts.push(attempt);
      throw new Error("still poisoned");
    };
    queue.consume("apply", fail, { concurrency: 1 });
    await until(async () => (await deadLetters().list("apply")).length === 1);
    expect(attempts).toEqual([5]);
    expect((await deadLetters().list("apply"))[0]).toMatchObject({
      message: { body: "poison" },
      attempts: 5,
      error: "still poisoned",
    });
  });

  it("does not count an attempt that its own end cut off", async () => {
    const first = open();
    let cutOff: (reason: Error) => void = () => undefined;
    const work = () =>
      new Promise<void>((_resolve, reject) => {
        cutOff = reject;
      });
    first.consume("apply", work, { concurrency: 1 });
    await first.send("apply", [message("a")]);
    await sleep(5);
    const closed = first.close();
    cutOff(new Error("stopping"));
    await closed;
    const bodies = collect(open());
    await until(() => bodies.length === 1);
    expect(bodies).toEqual(["a 1"]);
  });

  it("reads a journal whose last line was cut off", async () => {
    const first = open();
    await first.send("apply", [message("whole")]);
    await first.close();
    await appendFile(join(directory, "queue.journal"), '["accepted",7,"apply",{"bo');
    const bodies = collect(open());
    await until(() => bodies.length === 1);
    expect(bodies).toEqual(["whole 1"]);
  });

  it("keeps its journal small, whatever has passed through", async () => {
    const queue = open();
    const bodies = collect(queue);
    const large = "x".repeat(50_000);
    for (let n = 1; n <= 200; n++) {
      await queue.send("apply", [message(`${n} ${large}`)]);
      if (n % 20 === 0) await until(() => bodies.length === n);
    }
    expect((await stat(join(directory, "queue.journal"))).size).toBeLessThan(5 * 1024 * 1024);
    await queue.close();
    open();
    expect(await readFile(join(directory, "queue.journal"), "utf8")).toBe("");
  });

  it("gives a message whose attempt takes too long to another attempt, and its group goes on", async () => {
    const queue = open({ visibility: 0.05 });
    const seen: string[] = [];
    const work = async (body: string, { attempt }: { attempt: number }) => {
      seen.push(`${body} ${attempt}`);
      if (attempt === 1 && body === "hangs") await new Promise(() => undefined);
    };
    queue.consume("apply", work, { concurrency: 1 });
    await queue.send("apply", [message("hangs"), message("next")]);
    await until(() => seen.length === 3);
    expect(seen).toEqual(["hangs 1", "hangs 2", "next 1"]);
  });

  it("keeps a message that a full disk lets neither end nor be buried", async () => {
    let full = true;
    const failures: string[] = [];
    const journal = openQueueJournal(directory);
    const refuse = () => {
      if (full) throw new Error("no space left on device");
    };
    const queue = createLocalQueue({
      journal: {
        ...journal,
        done: (id) => {
          refuse();
          journal.done(id);
        },
      },
      deadLetters: {
        ...deadLetters(),
        add: async (letter) => {
          refuse();
          await deadLetters().add(letter);
        },
      },
      onFailure: ({ body, error }) => failures.push(`${body}: ${error instanceof Error ? error.message : ""}`),
      times: { redelivery: () => 0.01 },
    });
    queues.push(queue);
    const work = async (body: string) => {
      if (body === "poison") throw new Error("poisoned");
    };
    queue.consume("apply", work, { concurrency: 2 });
    await queue.send("apply", [message("fine", "a"), message("poison", "b")]);
    await until(() => failures.filter((failure) => failure === "poison: no space left on device").length >= 2);
    expect(failures).toContain("fine: no space left on device");
    expect(queue.depth("apply").ready).toBe(2);
    full = false;
    await until(() => queue.depth("apply").ready === 0);
    expect((await deadLetters().list("apply")).map((letter) => letter.message.body)).toEqual(["poison"]);
  });

  it("forgets a de-duplication id after its time", async () => {
    const queue = open({ deduplication: 0.05 });
    const bodies = collect(queue);
    await queue.send("apply", [message("same"), message("same")]);
    await sleep(80);
    await queue.send("apply", [message("same")]);
    await until(() => bodies.length === 2);
  });

  it("waits at its end for what is in flight, and takes nothing more", async () => {
    const queue = open();
    let finished = false;
    const work = async () => {
      await sleep(50);
      finished = true;
    };
    queue.consume("apply", work, { concurrency: 1 });
    await queue.send("apply", [message("last"), message("undone")]);
    await sleep(5);
    await queue.close();
    expect(finished).toBe(true);
    await expect(queue.send("apply", [message("too late")])).rejects.toThrow("the apply queue is closed");
    const bodies = collect(open());
    await until(() => bodies.length === 1);
    expect(bodies).toEqual(["undone 1"]);
  });

  it("costs less than a millisecond from a send to the start of the work, and less than 0.2 ms of its sender", async () => {
    const queue = open();
    const waits: number[] = [];
    const sends: number[] = [];
    queue.consume("apply", async (body) => void waits.push(performance.now() - Number(body)), { concurrency: 8 });
    for (let n = 0; n < 500; n++) {
      const started = performance.now();
      await queue.send("apply", [message(String(started), `g${n}`, `d${n}`)]);
      sends.push(performance.now() - started);
    }
    await until(() => waits.length === 500);
    // Medians: the machine may be busy with something else at any time.
    const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
    expect(median(waits)).toBeLessThan(1);
    expect(median(sends)).toBeLessThan(0.2);
  });
});
