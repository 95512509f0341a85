import { arithmetic } from "./arithmetic.ts";
import { conversions } from "./conversions.ts";
import { stringFunctions, stringTests } from "./strings.ts";
import { timeFunctions } from "./time.ts";
import {
  compare,
  EvaluationError,
  equal,
  keyOf,
  kindOf,
  none,
  typeNameOf,
  type Value,
  type ValueKind,
} from "./value.ts";

/**
 * A function by the values that it is called with, or undefined where it has no form for them. `spend` counts what a call costs
 * beyond one step.
 */
export type CelFunction = (args: readonly Value[], spend: (cost: number) => void) => Value | undefined;

const collections: Record<string, CelFunction> = {
  size: ([value], spend) => {
    if (typeof value === "string") {
      spend(value.length / 10);
      return BigInt([...value].length);
    }
    if (Array.isArray(value) || value instanceof Uint8Array) return BigInt(value.length);
    return isMap(value) ? BigInt(value.entries.size) : undefined;
  },
  "@in": ([value, container], spend) => {
    if (value === undefined || container === undefined) return undefined;
    if (Array.isArray(container)) return container.some((item) => equal(value, item, spend));
    if (!isMap(container)) return undefined;
    const key = keyOf(value);
    return key !== undefined && container.entries.has(key);
  },
  "_==_": ([a = null, b = null], spend) => equal(a, b, spend),
  "_!=_": ([a = null, b = null], spend) => !equal(a, b, spend),
  "_<_": ordering((order) => order < 0),
  "_<=_": ordering((order) => order <= 0),
  "_>_": ordering((order) => order > 0),
  "_>=_": ordering((order) => order >= 0),
  "!_": ([value]) => (typeof value === "boolean" ? !value : undefined),
  type: ([value = null]) => ({ tag: "type", name: typeNameOf(value) }),
  dyn: ([value]) => value,
  first: ([list]) => optionalEnd(list, 0),
  last: ([list]) => optionalEnd(list, -1),
  "sets.contains": ([list, others], spend) => {
    if (!Array.isArray(list) || !Array.isArray(others)) return undefined;
    return others.every((other) => list.some((item) => equal(item, other, spend)));
  },
  "sets.intersects": ([list, others], spend) => {
    if (!Array.isArray(list) || !Array.isArray(others)) return undefined;
    return list.some((item) => others.some((other) => equal(item, other, spend)));
  },
  "sets.equivalent": ([list, others], spend) => {
    if (!Array.isArray(list) || !Array.isArray(others)) return undefined;
    const covers = (some: Value[], all: Value[]) => all.every((one) => some.some((item) => equal(item, one, spend)));
    return covers(list, others) && covers(others, list);
  },
  "optional.of": ([value]) => (value === undefined ? undefined : { tag: "optional", value }),
  "optional.none": () => none,
  "optional.ofNonZeroValue": ([value = null]) => (isZero(value) ? none : { tag: "optional", value }),
  "optional.unwrap": ([list]) => unwrapped(list),
  unwrapOpt: ([list]) => unwrapped(list),
  hasValue: ([value]) => (isOptional(value) ? value.value !== undefined : undefined),
  value: ([value]) => {
    if (!isOptional(value)) return undefined;
    if (value.value === undefined) throw new EvaluationError("optional.none() dereference");
    return value.value;
  },
};

const functions: ReadonlyMap<string, CelFunction> = new Map(
  Object.entries({
    ...collections,
    ...arithmetic,
    ...conversions,
    ...stringTests,
    ...stringFunctions,
    ...timeFunctions,
  }),
);

const comparable: readonly ValueKind[] = ["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"];
/** What the left operand may be at all: cel-go tells the operator where it is something else. */
const operands: Record<string, readonly ValueKind[]> = {
  "_+_": ["bytes", "double", "duration", "int", "list", "string", "timestamp", "uint"],
  "_-_": ["double", "duration", "int", "timestamp", "uint"],
  "_*_": ["double", "int", "uint"],
  "_/_": ["double", "int", "uint"],
  "_%_": ["int", "uint"],
  "_<_": comparable,
  "_<=_": comparable,
  "_>_": comparable,
  "_>=_": comparable,
  "-_": ["bool", "double", "duration", "int"],
};

/** Functions that cel-go tells with the types that they were called with. */
const namespaced = /^(?:sets|base64|optional)\.|^(?:hasValue|value)$/;

/** Whether there is a function of this name. */
export function isFunction(name: string): boolean {
  return functions.has(name);
}

/** Calls a function; a method gets its receiver as the first argument. Throws an EvaluationError where it has no form for them. */
export function callFunction(name: string, args: readonly Value[], spend: (cost: number) => void): Value {
  const value = functions.get(name)?.(args, spend);
  if (value !== undefined) return value;
  const [first] = args;
  const operand = operands[name];
  if (operand !== undefined && first !== undefined && !operand.includes(kindOf(first))) {
    throw new EvaluationError(`no such overload: ${name}`);
  }
  if (name in conversions || name in stringFunctions || namespaced.test(name)) {
    throw new EvaluationError(`no such overload: ${name}(${args.map(typeNameOf).join(", ")})`);
  }
  if (args.length === 0) throw new EvaluationError(`no such overload: ${name}()`);
  if (args.length === 1 && name !== "!_" && name !== "-_") throw new EvaluationError(`no such overload: ${name}`);
  if (args.length <= 2) throw new EvaluationError("no such overload");
  throw new EvaluationError(`no such overload: ${name} ${args.length}`);
}

function ordering(holds: (order: number) => boolean): CelFunction {
  return ([a = null, b = null], spend) => {
    spend(((typeof a === "string" ? a.length : 0) + (typeof b === "string" ? b.length : 0)) / 10);
    const order = compare(a, b);
    return order === undefined ? undefined : holds(order);
  };
}

function optionalEnd(list: Value | undefined, index: 0 | -1): Value | undefined {
  if (!Array.isArray(list)) return undefined;
  const value = list.at(index);
  return value === undefined ? none : { tag: "optional", value };
}

function unwrapped(list: Value | undefined): Value | undefined {
  if (!Array.isArray(list) || !list.every(isOptional)) return undefined;
  return list.flatMap((item) => (isOptional(item) && item.value !== undefined ? [item.value] : []));
}

function isMap(value: Value | undefined): value is Extract<Value, { tag: "map" }> {
  return value !== undefined && kindOf(value) === "map";
}

function isOptional(value: Value | undefined): value is Extract<Value, { tag: "optional" }> {
  return value !== undefined && kindOf(value) === "optional";
}

function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === 0n || value === "") return true;
  if (typeof value !== "object") return false;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  switch (value.tag) {
    case "map":
      return value.entries.size === 0;
    case "uint":
      return value.value === 0n;
    case "duration":
      return value.nanoseconds === 0n;
    case "optional":
      return value.value === undefined;
    default:
      return false;
  }
}
