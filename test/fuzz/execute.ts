import { threadCpuUsage } from "node:process";
import { setTimeout as after } from "node:timers/promises";
import type { Parser } from "./parser.ts";

/** Most milliseconds of the processor that one input may take; inputs have at most 16 KiB. */
const processorLimit = 150;
/** Longest message, in characters, that an error may have: it goes into a condition. */
const messageLimit = 8192;

/** What is wrong with how a parser takes an input; undefined where nothing is. A parser that never ends is the caller's to see. */
export async function execute(parser: Parser, input: Buffer): Promise<string | undefined> {
  const started = performance.now();
  let problem: string | undefined;
  try {
    const running = parser.run(input);
    if (running !== undefined) await running;
  } catch (error) {
    problem = problemOf(parser, error);
  }
  return problem ?? (performance.now() - started > processorLimit ? await slowness(parser, input) : undefined);
}

function problemOf(parser: Parser, error: unknown): string | undefined {
  if (!parser.expects(error)) {
    if (!(error instanceof Error)) return `throws ${typeof error}`;
    return `${error.constructor.name}: ${error.message.slice(0, 300)}\n${error.stack?.split("\n").slice(1, 6).join("\n")}`;
  }
  const { length } = error instanceof Error ? error.message : "";
  return length > messageLimit ? `says ${length} characters of an error` : undefined;
}

/** Others have the machine, too, and code is compiled once: what counts is the least time of the processor in several runs. */
async function slowness(parser: Parser, input: Buffer): Promise<string | undefined> {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3 && least > processorLimit; attempt++) {
    const before = threadCpuUsage();
    try {
      await parser.run(input);
    } catch {
      // It is the time that counts.
    }
    const { user, system } = threadCpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least > processorLimit ? `takes ${Math.round(least)} ms for ${input.length} bytes` : undefined;
}

/** As `execute`, and tells of an input that does not come to an end, as far as other work still gets its turn. */
export async function executeWithin(parser: Parser, input: Buffer, milliseconds: number): Promise<string | undefined> {
  const ended = new AbortController();
  const late = after(milliseconds, `does not end within ${milliseconds} ms`, { signal: ended.signal });
  try {
    return await Promise.race([execute(parser, input), late]);
  } finally {
    ended.abort();
    late.catch(() => undefined);
  }
}
