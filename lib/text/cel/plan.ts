import { callFunction } from "./functions.ts";
import { compilePattern } from "./pattern.ts";
import { childrenOf, type Expr } from "./syntax.ts";
import { EvaluationError } from "./value.ts";

/** Functions of a constant that are computed beforehand, so that their failure is one of the expression. */
const folded = new Set(["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint", "type", "dyn"]);

/**
 * What can be known to fail before there is anything to evaluate: a conversion of a constant, a constant that is no pattern, a
 * function without arguments that does not exist. Throws an EvaluationError.
 */
export function planExpression(node: Expr): void {
  for (const child of childrenOf(node)) planExpression(child);
  if (node.op === "message") throw new EvaluationError(`unknown type: ${node.name}`);
  if (node.op !== "call") return;
  const { name, target, args } = node;
  const [first] = args;
  if (name === "matches" && args.length > 0) {
    const pattern = args.at(-1);
    if (pattern?.op === "literal" && typeof pattern.value === "string") compilePattern(pattern.value);
  }
  if (target !== undefined) return;
  if (args.length === 0) callFunction(name, [], () => undefined);
  if (args.length === 1 && first?.op === "literal" && folded.has(name))
    callFunction(name, [first.value], () => undefined);
}
