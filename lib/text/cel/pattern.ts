import { RE2JS } from "re2js";
import { messageOf } from "../error-message.ts";
import { EvaluationError } from "./value.ts";

/** Largest pattern that is compiled, by `sizeOf`. */
const largest = 500_000;

/** Patterns as they were compiled last; the oldest goes first. */
const compiled = new Map<string, RE2JS>();
const remembered = 50;

/** Whether RE2 finds the pattern in a text. Throws an EvaluationError with Go's text where it is none. */
export function matches(pattern: string, text: string, spend: (cost: number) => void): boolean {
  spend((sizeOf(pattern) * (text.length + 10)) / 100);
  if (!compiled.has(pattern)) spend(300 + sizeOf(pattern) / 10);
  return compilePattern(pattern).matcher(text).find();
}

/** Compiles a pattern in RE2's syntax: its time is linear in the text. */
export function compilePattern(pattern: string): RE2JS {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  if (sizeOf(pattern) > largest) throw new EvaluationError("error parsing regexp: expression too large");
  try {
    const expression = RE2JS.compile(pattern);
    compiled.set(pattern, expression);
    for (const oldest of compiled.keys()) if (compiled.size > remembered) compiled.delete(oldest);
    return expression;
  } catch (error) {
    throw new EvaluationError(messageOf(error));
  }
}

/** How many steps a pattern may have at most once its repetitions are written out. */
function sizeOf(pattern: string): number {
  let repeated = 1;
  for (const [, least = "0", most] of pattern.matchAll(/\{(\d{1,4})(?:,(\d{1,4})?)?\}/g)) {
    repeated += Number(most ?? least);
  }
  return pattern.length * repeated;
}
