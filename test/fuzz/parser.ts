import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { mutate } from "./mutate.ts";
import type { Random } from "./random.ts";

/** One parser of what others wrote, as it is fuzzed. */
export type Parser = {
  /** Also the name of its directories in corpus/ and crashes/. */
  name: string;
  /** An expensive one is run less often: it unpacks, hashes or reads streams. */
  cost: "cheap" | "expensive";
  /** Words of the format, which chance alone would not find; bytes in Latin-1. */
  words?: readonly string[];
  /** Makes an input out of the corpus where bytes alone would not get past a checksum or an armor. */
  mutate?(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer;
  /** Runs one input, and throws `Broken` where what must hold does not. */
  run(input: Buffer): void | Promise<void>;
  /** Whether an error is one that the room's contract names. */
  expects(error: unknown): boolean;
};

/** Something that must hold of every input does not. */
export class Broken extends Error {}

/** Whether an error is a sentence: an Error of no special kind, and without a code of the system. */
export function isSentence(error: unknown): boolean {
  return error instanceof Error && Object.getPrototypeOf(error) === Error.prototype && !("code" in error);
}

/** Throws `Broken` with the words unless it holds. */
export function check(holds: boolean, words: string): void {
  if (!holds) throw new Broken(words);
}

/** The entries of one directory of a parser, by name. */
export function entriesOf(kind: "corpus" | "crashes", name: string): Map<string, Buffer> {
  const directory = fileURLToPath(new URL(`${kind}/${name}/`, import.meta.url));
  let files: string[];
  try {
    files = readdirSync(directory).sort();
  } catch {
    return new Map();
  }
  return new Map(files.map((file) => [file, readFileSync(`${directory}${file}`)]));
}

/** What a parser's inputs are made of. What broke it once is no part of it, so that a run can be repeated after it. */
export function corpusOf({ name }: Pick<Parser, "name">): Buffer[] {
  const corpus = [...entriesOf("corpus", name).values()];
  if (corpus.length === 0) throw new Error(`the parser ${name} has no corpus`);
  return corpus;
}

/** The input of one execution. */
export function inputOf(parser: Parser, corpus: readonly Buffer[], random: Random): Buffer {
  return (parser.mutate ?? mutate)(corpus, parser.words ?? [], random);
}
