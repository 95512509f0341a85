import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kustomizeBinary } from "../kustomize/binary.ts";
import { runKustomize } from "../kustomize/run-kustomize.ts";
import { formatGoYaml } from "./go-yaml.ts";
import { compareKeys } from "./go-yaml-keys.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-test-"));
  await writeFile(join(root, "kustomization.yaml"), '{"resources":["a.yaml"]}');
});
afterAll(() => rm(root, { recursive: true }));

/** What kustomize makes of objects that hold these values. JSON, in which they are given to it, knows no BigInt but has its numbers. */
async function byKustomize(values: readonly unknown[]): Promise<string[]> {
  const objects = values.map((value, index) => stringify(objectOf(value, index)));
  await writeFile(join(root, "a.yaml"), objects.join("\n---\n"));
  const result = await runKustomize(await kustomizeBinary(), root, "", { unrestricted: false });
  if ("error" in result) throw new Error(result.error);
  return result.output.split(/^---\n/m);
}

function objectOf(value: unknown, index: number): object {
  return { apiVersion: "example.com/v1", kind: "Example", metadata: { name: `e${index}` }, value };
}

/** JSON whose strings reach kustomize as they are: it cannot read an escaped surrogate. */
function stringify(value: unknown): string {
  const text = JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `bigint:${part}` : part));
  return text
    .replace(/"bigint:(-?\d+)"/g, "$1")
    .replace(
      /[\u007f-\ud7ff\ue000-\uffff]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
}

async function expectEqual(values: readonly unknown[]): Promise<void> {
  const theirs = await byKustomize(values);
  expect(theirs.length).toBe(values.length);
  for (const [index, value] of values.entries()) {
    const ours = formatGoYaml(objectOf(value, index));
    if (ours !== theirs[index]) expect(ours, stringify(value)).toBe(theirs[index]);
  }
}

/** What kustomize can print at all: it stumbles over its own output of the others. */
const isPrintable = (text: string) => !/[\u007f-\u009f\ud800-\udfff\ufeff\ufffe\uffff]|\p{Cs}/u.test(text);
const pieces = [
  ..." \n\t:#-?,[]{}&*!|>'\"%@`=<~+._/\\\r\0\u0007\u001b\u00a0\u2028\u2029\u00e9\u4e2d",
  "\u{1f600}",
  "a",
  "b",
  "1",
  "0",
  "0x",
  "e",
  "null",
  "yes",
  "---",
  "...",
  ": ",
  " #",
  "  ",
  "\n\n",
  "some words that make a line long",
];
const nasty = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join("")) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.constantFrom("word", "it's", '"', "é", " ", "a\\b", "\u{1f600}"), { maxLength: 60 })
      .map((parts) => parts.join(" ")),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 20 }).filter(isPrintable) },
);
/** Texts of numbers, times and words, and nearly such. */
const scalarLike = fc.oneof(
  fc
    .array(fc.constantFrom(..."0123456789.eE+-_xob:TtZ ", "inf", "nan", "12", "2020-01-02"), { maxLength: 10 })
    .map((parts) => parts.join("")),
  fc.constantFrom(
    "y",
    "Y",
    "n",
    "N",
    "on",
    "Off",
    "TRUE",
    "true",
    "~",
    "",
    "null",
    "Null",
    ".inf",
    "-.INF",
    "+.inf",
    ".NaN",
    "<<",
    "=",
    "0b1",
    "0o7",
    "08",
    "0x_f",
  ),
  fc
    .tuple(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }), fc.constantFrom(10, 19, 23, 24))
    .map(([date, length]) => date.toISOString().slice(0, length)),
  fc
    .tuple(
      fc.integer({ min: 0, max: 31 }),
      fc.integer({ min: 0, max: 14 }),
      fc.constantFrom("", "T1:2:3Z", " 1:2:3", "t23:59:60Z", " 4:5:6.7", "T1:2:3", "T1:2:3+01:00", "T1:2:3,4-25:00"),
    )
    .map(([day, month, time]) => `2023-${month}-${day}${time}`),
);
const text = fc.oneof(nasty, scalarLike);
/** Of keys, characters that Go's tables of letters have as well as ours, which are newer. */
const key = fc.oneof(
  text.filter((name) => !/[^\0-\uffff\u{1f600}]/u.test(name)),
  fc
    .array(fc.constantFrom(..."ab01923-._/Zé", "00", "10", "٣"), { minLength: 1, maxLength: 8 })
    .map((parts) => parts.join("")),
  fc.integer({ min: 120, max: 140 }).map((length) => "k".repeat(length)),
);
const scalar = fc.oneof(
  { weight: 6, arbitrary: text },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.integer() },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(null, true, false, 0, -0, 1e20, 1e21, 1e22, 123456.5, 1234567.5, 0.0001, 0.00001, 1e-7),
  },
);
/** go-yaml's order has circles (10a, 1984, 1000000), which it writes in any order: Go's mappings have none. */
function isOrdered(keys: string[]): boolean {
  const isBefore = (a: string, b: string) => compareKeys(a, b) < 0;
  return !keys.some((a) => keys.some((b) => isBefore(a, b) && keys.some((c) => isBefore(b, c) && !isBefore(a, c))));
}
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .dictionary(key, tie("value"), { maxKeys: 5 })
      .filter((mapping) => isOrdered(Object.keys(mapping)) && !("<<" in mapping)),
  ),
}));

describe("YAML as go-yaml writes it", () => {
  it("SN-04: values of any shape are written as kustomize 5.8.1 writes them", async () => {
    const seed = Date.now();
    for (let part = 0; part < 10; part += 1) await expectEqual(fc.sample(value, { seed: seed + part, numRuns: 500 }));
  });
});
