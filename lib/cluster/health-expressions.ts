import type { KubernetesObject } from "../api/object.ts";
import type { CelExpression } from "../text/cel.ts";
import { messageOf } from "../text/error-message.ts";
import type { ObjectStatus } from "./kstatus.ts";
import { groupOf } from "./order.ts";
import { valueAt } from "./unstructured.ts";

/** How the health of a kind is told, or of all kinds of a group where it names none: expressions in CEL over the object's fields. */
export type HealthExpressions = {
  apiVersion: string;
  kind?: string;
  inProgress?: string;
  failed?: string;
  current?: string;
};

/** Health expressions that cannot be used (KS-202), in the words of Flux. */
export class InvalidHealthExpressions extends Error {
  override name = "InvalidHealthExpressions";
}

/** Says how an object is. Throws an Error where an expression has no answer for it. */
export type HealthRule = (object: KubernetesObject) => ObjectStatus;

/** The rule for objects of a kind, or undefined where they go by the rules of kstatus. The version does not matter. */
export type HealthRules = (reference: { apiVersion: string; kind: string }) => HealthRule | undefined;

/** What the rules of one list may cost in all; one look at one object takes a few dozen. */
const most = 10_000_000;

/**
 * Reads health expressions (KS-201): an exact kind comes before its group. `coversJobs` is whether they may say how a Job is,
 * which otherwise goes by its own rule (KS-203). Throws InvalidHealthExpressions. CEL is loaded only where there is an expression.
 */
export async function compileHealthExpressions(
  list: readonly HealthExpressions[],
  { coversJobs }: { coversJobs: boolean },
): Promise<HealthRules> {
  if (list.length === 0) return () => undefined;
  const { parseCel } = await import("../text/cel.ts");
  const rules = new Map<string, HealthRule>();
  const budget = { left: most };
  for (const [index, expressions] of list.entries()) {
    const group = groupOf(expressions.apiVersion);
    const name = formatGroupKind(group, expressions.kind ?? "");
    if (rules.has(name)) {
      throw new InvalidHealthExpressions(
        `duplicate custom health check for GroupKind ${name} at healthchecks[${index}]`,
      );
    }
    try {
      rules.set(name, compileRule(expressions, parseCel, budget));
    } catch (error) {
      const problem = messageOf(error);
      throw new InvalidHealthExpressions(
        `failed to create custom status evaluator for healthchecks[${index}]: ${problem}`,
      );
    }
  }
  return ({ apiVersion, kind }) => {
    const group = groupOf(apiVersion);
    if (!coversJobs && group === "batch" && kind === "Job") return undefined;
    return rules.get(formatGroupKind(group, kind)) ?? rules.get(formatGroupKind(group, ""));
  };
}

/** As apimachinery writes a group and a kind. */
function formatGroupKind(group: string, kind: string): string {
  return group === "" ? kind : `${kind}.${group}`;
}

function compileRule(
  { inProgress = "", failed = "", current = "" }: HealthExpressions,
  parseCel: (text: string) => CelExpression,
  budget: { left: number },
): HealthRule {
  if (current === "") throw new Error("expression Current not specified");
  const parse = (name: string, text: string): CelExpression | undefined => {
    try {
      return text === "" ? undefined : parseCel(text);
    } catch (error) {
      throw new Error(`failed to parse the expression ${name}: ${error instanceof Error ? error.message : error}`);
    }
  };
  const isCurrent = parse("Current", current);
  const hasFailed = parse("Failed", failed);
  const isInProgress = parse("InProgress", inProgress);
  return (object) => {
    const observed = valueAt(object, "status", "observedGeneration");
    const { generation } = object.metadata;
    if (Number.isInteger(observed) && generation !== undefined && observed !== generation) return under("InProgress");
    const fields: Record<string, unknown> = { ...object };
    if (isInProgress?.evaluateBoolean(fields, budget) === true) return under("InProgress");
    if (hasFailed?.evaluateBoolean(fields, budget) === true) return under("Failed");
    return under(isCurrent?.evaluateBoolean(fields, budget) === true ? "Current" : "InProgress");
  };
}

function under(status: ObjectStatus["status"]): ObjectStatus {
  return { status, message: `Resource is ${status} by its health expressions` };
}
