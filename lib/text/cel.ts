import { checkExpression } from "./cel/check.ts";
import { type Budget, evaluate } from "./cel/evaluate.ts";
import { parseExpression } from "./cel/parse.ts";
import { planExpression } from "./cel/plan.ts";
import { CelError, type Expr } from "./cel/syntax.ts";
import { formatType } from "./cel/types.ts";
import { CostExceeded, EvaluationError, fromJson, type Value } from "./cel/value.ts";

/** A CEL expression that can be asked. */
export type CelExpression = {
  text: string;
  /**
   * The answer for these JSON values by their names. Throws a CelError where there is none, or it is neither true nor false.
   * `budget` is for several evaluations together, each of which may cost a million at most: about one for a step.
   */
  evaluateBoolean(variables: Readonly<Record<string, unknown>>, budget?: Budget): boolean;
};

/**
 * Reads an expression in the environment that Flux's controllers give to users (KS-047), without looking at types: a name that
 * nobody declared is looked for when it is evaluated (KS-201). Throws a CelError with Flux's text.
 */
export function parseCel(text: string): CelExpression {
  return prepared(text, (expression) => planExpression(expression));
}

/**
 * As `parseCel`, and checks types beforehand: `variables` are objects whose fields may be anything, and the answer must be
 * exactly bool (KS-043).
 */
export function compileCel(text: string, variables: readonly string[]): CelExpression {
  return prepared(text, (expression) => {
    const { kind, of } = checkExpression(text, expression, variables);
    const type = formatType({ kind: typeNames[kind] ?? kind, of });
    if (type !== "bool") throw new OutputMismatch(`CEL expression output type mismatch: expected bool, got ${type}`);
    planExpression(expression);
  });
}

/** Types that have another name where one of them is the answer. */
const typeNames: Record<string, string> = {
  null: "null_type",
  timestamp: "google.protobuf.Timestamp",
  duration: "google.protobuf.Duration",
};

/** What is wrong is not in the text, but in what comes of it. */
class OutputMismatch extends Error {}

function prepared(text: string, examine: (expression: Expr) => void): CelExpression {
  const expression = examined(text, examine);
  return {
    text,
    evaluateBoolean: (variables, budget) => {
      const value = answerOf(text, expression, variables, budget);
      if (typeof value === "boolean") return value;
      throw new CelError(`failed to evaluate CEL expression as boolean: '${text}'`);
    },
  };
}

function examined(text: string, examine: (expression: Expr) => void): Expr {
  try {
    const expression = parseExpression(text);
    examine(expression);
    return expression;
  } catch (error) {
    if (error instanceof CelError) throw new CelError(`failed to parse the CEL expression '${text}': ${error.message}`);
    if (error instanceof OutputMismatch) throw new CelError(error.message);
    if (error instanceof EvaluationError) throw new CelError(`failed to create CEL program: ${error.message}`);
    throw error;
  }
}

function answerOf(
  text: string,
  expression: Expr,
  variables: Readonly<Record<string, unknown>>,
  budget: Budget | undefined,
): Value {
  const read = new Map<string, Value>();
  const variable = (name: string): Value | undefined => {
    if (!Object.hasOwn(variables, name)) return undefined;
    const known = read.get(name);
    if (known !== undefined) return known;
    const value = fromJson(variables[name]);
    read.set(name, value);
    return value;
  };
  try {
    return evaluate(expression, variable, budget);
  } catch (error) {
    if (!(error instanceof EvaluationError) && !(error instanceof CostExceeded)) throw error;
    throw new CelError(`failed to evaluate the CEL expression '${text}': ${error.message}`);
  }
}
