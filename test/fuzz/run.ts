import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { corpusOf, inputOf, type Parser } from "./parser.ts";
import { parserOf, parsers } from "./parsers/all-parsers.ts";
import { randomOf, seedOf } from "./random.ts";
import type { Task, Told } from "./worker.ts";

/**
 * `npm run fuzz -- [--executions N] [--parser name] [--seed S]`: runs parsers of what others wrote with inputs that are made of their
 * corpus, and writes every input that broke one into crashes/, where the tests find it. README.md beside this file says how.
 */
const { values } = parseArgs({
  options: {
    executions: { type: "string", default: "10000" },
    parser: { type: "string", multiple: true },
    seed: { type: "string", default: "1" },
  },
});

/** Seconds that one execution may take on a machine that does other things as well. */
const patience = 20;
/** Bytes that the heap of one worker may take, and may have grown by when it is done. */
const memory = { heap: 384, growth: 24 * 1024 * 1024 };
/** Findings of one parser after which it is left alone. */
const enough = 25;

type Run = { executions: number; found: Set<string>; milliseconds: number; growth: number; peak: number };

/** Runs one parser; a worker that hangs or dies is started again behind the execution that it was at. */
async function fuzz(parser: Parser, executions: number, seed: number): Promise<Run> {
  const progress = new Int32Array(new SharedArrayBuffer(4));
  const run: Run = { executions: 0, found: new Set(), milliseconds: 0, growth: 0, peak: 0 };
  const started = performance.now();
  for (let from = 0; from < executions && run.found.size < enough; ) {
    const task: Task = { parser: parser.name, seed, from, to: executions, progress };
    const end = await oneWorker(task, (told) => {
      if ("found" in told) report(parser, run, told.found, told.execution, Buffer.from(told.input));
      else Object.assign(run, { growth: told.growth, peak: told.peak });
      return run.found.size < enough;
    });
    const at = Atomics.load(progress, 0);
    from = at + 1;
    if (end === "done" || end === "enough") continue;
    const input = inputOf(parser, corpusOf(parser), randomOf(seed, seedOf(parser.name), at));
    report(parser, run, end, at, input);
  }
  if (run.growth > memory.growth) {
    run.found.add("growth");
    console.error(`${parser.name}: ${run.growth} bytes more are in memory at the end`);
  }
  run.executions = Math.min(executions, Atomics.load(progress, 0) + 1);
  run.milliseconds = performance.now() - started;
  return run;
}

/** Resolves with `done`, `enough`, or what befell the worker. */
function oneWorker(task: Task, tell: (told: Told) => boolean): Promise<string> {
  const worker = new Worker(new URL("worker.ts", import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: memory.heap },
  });
  return new Promise((resolve) => {
    let [isDone, last, since] = [false, -1, performance.now()];
    let isEnding = false;
    const end = (how: string): void => {
      if (isEnding) return;
      isEnding = true;
      clearInterval(watch);
      void worker.terminate().then(() => resolve(how));
    };
    const watch = setInterval(() => {
      const now = Atomics.load(task.progress, 0);
      if (now !== last) [last, since] = [now, performance.now()];
      else if (performance.now() - since > patience * 1000) end(`does not end within ${patience} s`);
    }, 1000);
    worker.on("message", (told: Told) => {
      isDone ||= "done" in told;
      if (!tell(told)) end("enough");
    });
    worker.on("error", (error) =>
      end(error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error)),
    );
    worker.on("exit", () => end(isDone ? "done" : "waits for something that never comes"));
  });
}

function report(parser: Parser, run: Run, what: string, execution: number, input: Buffer): void {
  // One input for each thing that is wrong, whatever its numbers are.
  const kind = what.replace(/\d+/g, "0");
  if (run.found.has(kind)) return;
  run.found.add(kind);
  const directory = fileURLToPath(new URL(`crashes/${parser.name}/`, import.meta.url));
  const name = createHash("sha256").update(input).digest("hex").slice(0, 16);
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}${name}`, input);
  console.error(`${parser.name}: execution ${execution}, input ${name} of ${input.length} bytes: ${what}`);
}

const chosen = values.parser === undefined ? parsers : values.parser.map(parserOf);
const [executions, seed] = [values.executions, values.seed].map(Number);
if (executions === undefined || seed === undefined || ![executions, seed].every(Number.isSafeInteger) || executions < 1)
  throw new Error("--executions and --seed are whole numbers");
let found = 0;
for (const parser of chosen) {
  const run = await fuzz(parser, executions, seed);
  found += run.found.size;
  const rate = Math.round((run.executions / run.milliseconds) * 1000);
  console.log(
    `${parser.name}: ${run.executions} executions with seed ${seed}, ${rate} a second, ${run.found.size} findings, ` +
      `${Math.round(run.peak / 1024 / 1024)} MiB at most, ${Math.round(run.growth / 1024)} KiB more at the end`,
  );
}
process.exitCode = found === 0 ? 0 : 1;
