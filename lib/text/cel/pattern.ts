import { RE2JS } from "re2js";
import { EvaluationError } from "./value.ts";

/** Longest pattern that is compiled, in characters. */
const longest = 2000;

/** Whether RE2 finds the pattern in a text. Throws an EvaluationError with Go's text where it is none. */
export function matches(pattern: string, text: string): boolean {
  return compilePattern(pattern).matcher(text).find();
}

/** Compiles a pattern in RE2's syntax: its time is linear in the text. */
export function compilePattern(pattern: string): RE2JS {
  if (pattern.length > longest) throw new EvaluationError("error parsing regexp: expression too long");
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new EvaluationError(error instanceof Error ? error.message : String(error));
  }
}
