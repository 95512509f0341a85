import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkExpression } from "./check.ts";
import { conversions, formatDouble } from "./conversions.ts";
import { evaluate } from "./evaluate.ts";
import { parseExpression } from "./parse.ts";
import { planExpression } from "./plan.ts";
import { CelError } from "./syntax.ts";
import { formatType } from "./types.ts";
import { EvaluationError, fromJson, numberOf, type Value } from "./value.ts";

/** What cel-go v0.26.1 made of an expression in the environment of Flux's controllers: exactly one of the three. */
type Outcome = { type?: string; invalid?: string; error?: string; value?: unknown };
type Vector = { mode: "parsed" | "checked"; document: string; expression: string } & Outcome;

const lines = readFileSync(join(import.meta.dirname, "testdata/vectors.jsonl"), "utf8")
  .trim()
  .split("\n");
const entries = lines.map((line) => JSON.parse(line));
const documents = new Map(
  entries
    .filter((entry) => "fields" in entry)
    .map((entry): [string, Record<string, unknown>] => [entry.document, entry.fields]),
);
const vectors: Vector[] = entries.filter((entry) => "expression" in entry);

describe("what cel-go says", () => {
  it.each([
    ["KS-047, KS-201: expressions that are only parsed", "parsed"],
    ["KS-043, KS-047: expressions whose types are checked", "checked"],
  ] as const)("%s", (_, mode) => {
    const chosen = vectors.filter((vector) => vector.mode === mode);
    expect(chosen.length).toBeGreaterThan(200);
    for (const { document, expression, mode: _mode, ...wanted } of chosen) {
      const outcome = outcomeOf(expression, mode, documents.get(document) ?? {});
      expect({ expression, document, outcome }).toEqual({ expression, document, outcome: inOrder(wanted) });
    }
  });
});

function outcomeOf(expression: string, mode: Vector["mode"], fields: Record<string, unknown>): Outcome {
  const found: Outcome = {};
  try {
    const tree = parseExpression(expression);
    if (mode === "checked") {
      const type = checkExpression(expression, tree, ["self", "dep"]);
      found.type = formatType(type).replace(/^null$/, "null_type");
    }
    planExpression(tree);
    found.value = shown(evaluate(tree, (name) => (Object.hasOwn(fields, name) ? fromJson(fields[name]) : undefined)));
    return found;
  } catch (error) {
    if (error instanceof CelError) return { invalid: error.message };
    if (!(error instanceof EvaluationError)) throw error;
    return isPlanned(expression)
      ? { ...found, error: error.message }
      : { ...found, invalid: `program: ${error.message}` };
  }
}

function isPlanned(expression: string): boolean {
  try {
    planExpression(parseExpression(expression));
    return true;
  } catch {
    return false;
  }
}

/** Values as the vectors write them. */
function shown(value: Value): unknown {
  if (value === null) return "null";
  if (typeof value === "boolean") return value;
  if (typeof value === "bigint") return `int ${value}`;
  if (typeof value === "number") return `double ${formatDouble(value)}`;
  if (typeof value === "string") return `string ${value}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("base64")}`;
  if (Array.isArray(value)) return value.map(shown);
  switch (value.tag) {
    case "uint":
      return `uint ${numberOf(value)}`;
    case "map":
      return inOrder({ map: [...value.entries.values()].map(([key, item]) => [shown(key), shown(item)]) });
    case "timestamp":
      return `timestamp ${conversions.string?.([value], () => undefined)}`;
    case "duration":
      return `duration ${value.nanoseconds}`;
    case "type":
      return `type ${value.name}`;
    case "optional":
      return value.value === undefined ? "none" : { optional: shown(value.value) };
  }
}

/** The entries of a map have no order. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([key, item]): [string, unknown] => {
    const ordered = inOrder(item);
    if (key !== "map" || !Array.isArray(ordered)) return [key, ordered];
    return [key, ordered.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))];
  });
  return Object.fromEntries(fields);
}
