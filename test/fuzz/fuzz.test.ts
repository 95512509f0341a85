import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { executeWithin } from "./execute.ts";
import { corpusOf, entriesOf, inputOf } from "./parser.ts";
import { parsers } from "./parsers/all-parsers.ts";
import { randomOf, seedOf } from "./random.ts";

/** A slice of what `npm run fuzz` does, always the same. */
const executions = { cheap: 400, expensive: 60 };
const seed = 20_260_101;

describe.each(parsers)("the parser $name", (parser) => {
  it("takes its corpus, what broke it once, and a slice of what the fuzzer makes", async () => {
    const corpus = corpusOf(parser);
    for (const kind of ["corpus", "crashes"] as const) {
      for (const [name, input] of entriesOf(kind, parser.name))
        expect(await executeWithin(parser, input, 15_000), `${kind}/${parser.name}/${name}`).toBeUndefined();
    }
    const stream = seedOf(parser.name);
    for (let execution = 0; execution < executions[parser.cost]; execution++) {
      const input = inputOf(parser, corpus, randomOf(seed, stream, execution));
      expect(await executeWithin(parser, input, 15_000), `execution ${execution}`).toBeUndefined();
    }
  });

  it("takes something of its corpus as it is", async () => {
    const results = await Promise.allSettled(
      [...entriesOf("corpus", parser.name).values()].map(async (input) => parser.run(input)),
    );
    expect(results.map(({ status }) => status)).toContain("fulfilled");
  });
});

describe("the fuzzer", () => {
  it("has no corpus and no crash of a parser that it does not know", () => {
    const known = parsers.map(({ name }) => name);
    for (const kind of ["corpus", "crashes"]) {
      const there = readdirSync(fileURLToPath(new URL(".", import.meta.url))).includes(kind)
        ? readdirSync(fileURLToPath(new URL(kind, import.meta.url)))
        : [];
      expect(there.filter((name) => !known.includes(name))).toEqual([]);
    }
  });

  it("makes the same input of the same seed", () => {
    for (const parser of parsers) {
      const corpus = corpusOf(parser);
      const [first, again] = [0, 1].map(() => inputOf(parser, corpus, randomOf(7, 1, 2)));
      expect(first).toEqual(again);
    }
  });
});
