import { asMap, asOptional, describe, fieldOf, indexed, optionallyIndexed } from "./access.ts";
import { typeNames } from "./check.ts";
import { callFunction, isFunction } from "./functions.ts";
import { type Expr, type Fold, qualifiedName } from "./syntax.ts";
import { CostExceeded, EvaluationError, keyOf, kindOf, mapOf, none, typeNameOf, type Value } from "./value.ts";

/** What one evaluation may cost: about one for a step, and for ten characters or one element that is gone through. */
const most = 1_000_000;

/** What is left for several evaluations together. */
export type Budget = { left: number };

/** A variable by its name, or undefined where there is none. */
export type Variables = (name: string) => Value | undefined;

/** The value of an expression. Throws an EvaluationError with cel-go's words, or CostExceeded. */
export function evaluate(expression: Expr, variables: Variables, budget: Budget = { left: most }): Value {
  let left = most;
  const spend = (cost: number): void => {
    left -= cost;
    budget.left -= cost;
    if (left < 0 || budget.left < 0) throw new CostExceeded();
  };
  return run(expression, { variables, spend });
}

type Scope = { variables: Variables; spend: (cost: number) => void };

function run(node: Expr, scope: Scope): Value {
  scope.spend(1);
  switch (node.op) {
    case "literal":
      return node.value;
    case "ident":
      return runIdent(node.name, node.name, scope);
    case "select":
      return runSelect(node, scope);
    case "call":
      return runCall(node, scope);
    case "logical":
      return runLogical(node, scope);
    case "list":
      return runList(node, scope);
    case "map":
      return runMap(node, scope);
    case "message":
      throw new EvaluationError(`unknown type: ${node.name}`);
    case "fold":
      return runFold(node, scope);
    case "optional": {
      const found = run(node.target, scope);
      const target = asOptional(found);
      if (target === undefined) throw new EvaluationError(`no such overload: hasValue(${typeNameOf(found)})`);
      if (target.value === undefined) return none;
      const value = run(node.body, withVariable(scope, node.variable, target.value));
      return node.flat ? value : { tag: "optional", value };
    }
  }
}

function withVariable({ variables, spend }: Scope, name: string, value: Value): Scope {
  return { variables: (asked) => (asked === name ? value : variables(asked)), spend };
}

/** `path` is what the name begins: cel-go tells the whole of it where there is no such variable. */
function runIdent(name: string, path: string, scope: Scope): Value {
  const value = scope.variables(name);
  if (value !== undefined) return value;
  if (typeNames.has(name)) return { tag: "type", name };
  throw new EvaluationError(`no such attribute(s): ${path}`);
}

function runSelect(node: Extract<Expr, { op: "select" }>, scope: Scope): Value {
  const name = qualifiedName(node);
  if (name !== undefined && typeNames.has(name)) return { tag: "type", name };
  refuseUnknown(node, scope);
  const operand = run(node.operand, scope);
  const optional = asOptional(operand);
  if (optional !== undefined) {
    const found = optional.value === undefined ? undefined : fieldOf(optional.value, node.field);
    if (node.test) return found !== undefined;
    return found === undefined ? none : { tag: "optional", value: found };
  }
  const found = fieldOf(operand, node.field);
  if (node.test) return found !== undefined;
  if (found === undefined) throw new EvaluationError(`no such key: ${node.field}`);
  return found;
}

/** Refuses what is read of a name that is not there: the name is told with all that is read of it. */
function refuseUnknown(node: Expr, scope: Scope): void {
  // What is read by a number, and after that, is not told.
  let path: string[] = [];
  let first = node;
  for (;;) {
    const step = stepOf(first);
    if (step === undefined) break;
    path = step.field === undefined ? [] : [step.field, ...path];
    first = step.operand;
  }
  if (first.op !== "ident" || scope.variables(first.name) !== undefined || typeNames.has(first.name)) return;
  throw new EvaluationError(`no such attribute(s): ${[first.name, ...path].join(".")}`);
}

/** What a node reads of what, where both are known without evaluating. */
function stepOf(node: Expr): { operand: Expr; field: string | undefined } | undefined {
  if (node.op === "select") return { operand: node.operand, field: node.field };
  if (node.op !== "call" || node.target !== undefined || !/^_(?:\?\._|\[\??_\])$/.test(node.name)) return undefined;
  const [operand, key] = node.args;
  if (operand === undefined || key?.op !== "literal") return undefined;
  return { operand, field: typeof key.value === "string" ? key.value : undefined };
}

function runCall(node: Extract<Expr, { op: "call" }>, scope: Scope): Value {
  const { name, target, args } = node;
  const [first, second, third] = args;
  if (name === "_?_:_" && first !== undefined && second !== undefined && third !== undefined) {
    const condition = run(first, scope);
    if (typeof condition !== "boolean") throw new EvaluationError("no such overload");
    return run(condition ? second : third, scope);
  }
  if (target !== undefined) {
    const prefix = qualifiedName(target);
    if (prefix !== undefined && isFunction(`${prefix}.${name}`)) {
      return callFunction(`${prefix}.${name}`, runAll(args, scope), scope.spend);
    }
    const receiver = run(target, scope);
    const optional = asOptional(receiver);
    // What an optional stands in for is only evaluated where it is needed.
    if (first !== undefined && args.length === 1 && (name === "or" || name === "orValue")) {
      if (optional === undefined) return receiver;
      if (optional.value === undefined) return run(first, scope);
      return name === "or" ? optional : optional.value;
    }
    return callFunction(name, [receiver, ...runAll(args, scope)], scope.spend);
  }
  refuseUnknown(node, scope);
  const values = runAll(args, scope);
  const [operand, key] = values;
  if (operand !== undefined && key !== undefined) {
    if (name === "_[_]") return indexed(operand, key);
    if (name === "_[?_]" || name === "_?._") return optionallyIndexed(operand, key);
  }
  return callFunction(name, values, scope.spend);
}

function runAll(nodes: readonly Expr[], scope: Scope): Value[] {
  return nodes.map((node) => run(node, scope));
}

/** An operand that has no result does not matter where another one decides. */
function runLogical({ name, terms }: Extract<Expr, { op: "logical" }>, scope: Scope): Value {
  const decisive = name === "_||_";
  let failure: EvaluationError | undefined;
  let isMisfit = false;
  for (const term of terms) {
    const value = attempt(term, scope);
    if (value === decisive) return decisive;
    if (value instanceof EvaluationError) failure ??= value;
    else if (typeof value !== "boolean") isMisfit = true;
  }
  if (failure !== undefined) throw failure;
  if (isMisfit) throw new EvaluationError("no such overload");
  return !decisive;
}

function attempt(node: Expr, scope: Scope): Value | EvaluationError {
  try {
    return run(node, scope);
  } catch (error) {
    if (error instanceof EvaluationError) return error;
    throw error;
  }
}

function runList({ items }: Extract<Expr, { op: "list" }>, scope: Scope): Value {
  return items.flatMap(({ value, optional }): Value[] => {
    const item = run(value, scope);
    if (!optional) return [item];
    const found = asOptional(item);
    if (found === undefined)
      throw new EvaluationError(`cannot initialize optional list element from non-optional value ${describe(item)}`);
    return found.value === undefined ? [] : [found.value];
  });
}

function runMap({ entries }: Extract<Expr, { op: "map" }>, scope: Scope): Value {
  const pairs = entries.flatMap(({ key, value, optional }): [Value, Value][] => {
    const name = run(key, scope);
    if (keyOf(name) === undefined) throw new EvaluationError("unsupported key type");
    const item = run(value, scope);
    if (!optional) return [[name, item]];
    const found = asOptional(item);
    if (found === undefined) {
      throw new EvaluationError(
        `cannot initialize optional entry '${describe(name)}' from non-optional value ${describe(item)}`,
      );
    }
    return found.value === undefined ? [] : [[name, found.value]];
  });
  return mapOf(pairs);
}

function runFold(node: Fold, scope: Scope): Value {
  const range = run(node.range, scope);
  const map = asMap(range);
  if (map === undefined && !Array.isArray(range)) {
    const kind = kindOf(range);
    const pointer = kind === "optional" || kind === "type" ? "*" : "";
    const name = `${pointer}types.${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
    throw new EvaluationError(`got '${name}', expected iterable type`);
  }
  const items = Array.isArray(range) ? range : [...(map?.entries.values() ?? [])].map(([key]) => key);
  if (node.name === "all" || node.name === "exists") return runQuantifier(node, items, scope);
  const results: Value[] = [];
  let count = 0;
  for (const item of items) {
    scope.spend(1);
    const inner = withVariable(scope, node.variable, item);
    if (node.name === "map") {
      if (node.condition === undefined || truth(node.condition, inner)) results.push(run(node.body, inner));
    } else if (truth(node.body, inner)) {
      results.push(item);
      count++;
    }
  }
  return node.name === "exists_one" ? count === 1 : results;
}

function truth(node: Expr, scope: Scope): boolean {
  const value = run(node, scope);
  if (typeof value !== "boolean") throw new EvaluationError("no such overload");
  return value;
}

/** As `&&` or `||` over the elements. */
function runQuantifier(node: Fold, items: readonly Value[], scope: Scope): Value {
  const decisive = node.name === "exists";
  let failure: EvaluationError | undefined;
  for (const item of items) {
    const value = attempt(node.body, withVariable(scope, node.variable, item));
    if (value === decisive) return decisive;
    if (value instanceof EvaluationError) failure ??= value;
    else if (typeof value !== "boolean") failure ??= new EvaluationError("no such overload");
  }
  if (failure !== undefined) throw failure;
  return !decisive;
}
