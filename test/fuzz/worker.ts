import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { execute } from "./execute.ts";
import { inputLimit } from "./mutate.ts";
import { corpusOf, inputOf } from "./parser.ts";
import { parserOf } from "./parsers/all-parsers.ts";
import { randomOf, seedOf } from "./random.ts";

/** Runs executions `from` to `to` of one parser; `progress` is where the number of the current one stands. */
export type Task = { parser: string; seed: number; from: number; to: number; progress: Int32Array<SharedArrayBuffer> };

/** What a worker tells: something found, or that it is done, with the memory that it took (bytes). */
export type Told =
  | { found: string; execution: number; input: Uint8Array }
  | { done: true; growth: number; peak: number };

/** Executions between two looks at the memory. */
const sample = 2048;

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

async function used(): Promise<number> {
  // What streams were given to zlib's threads is freed when these are done with it.
  await new Promise((resolve) => setTimeout(resolve, 300));
  if (typeof collect === "function") collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function work({ parser: name, seed, from, to, progress }: Task): Promise<void> {
  const parser = parserOf(name);
  const corpus = corpusOf(parser);
  const stream = seedOf(name);
  let [before, peak] = [0, 0];
  for (let execution = from; execution < to; execution++) {
    Atomics.store(progress, 0, execution);
    const input = inputOf(parser, corpus, randomOf(seed, stream, execution));
    if (input.length > 4 * inputLimit) throw new Error("an input is too large");
    const found = await execute(parser, input);
    if (found !== undefined) parentPort?.postMessage({ found, execution, input } satisfies Told);
    if ((execution - from) % sample !== 0) continue;
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    peak = Math.max(peak, heapUsed + arrayBuffers);
    // The first have loaded and compiled what is needed.
    if (execution - from === sample) before = await used();
    // Streams are ended in later turns.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const growth = before === 0 ? 0 : (await used()) - before;
  parentPort?.postMessage({ done: true, growth, peak } satisfies Told);
}

await work(workerData as Task);
