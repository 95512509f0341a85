import { type CelMap, EvaluationError, keyOf, kindOf, none, numberOf, type Optional, type Value } from "./value.ts";

/** `operand[key]`. Throws an EvaluationError where there is no such element; of an optional, an optional. */
export function indexed(operand: Value, key: Value): Value {
  const optional = asOptional(operand);
  if (optional !== undefined) return optionallyIndexed(optional, key);
  const found = elementOf(operand, key);
  if (typeof found === "string") throw new EvaluationError(found);
  return found.value;
}

/** `operand[?key]` and `operand.?key`. */
export function optionallyIndexed(operand: Value, key: Value): Optional {
  const optional = asOptional(operand);
  const container = optional === undefined ? operand : optional.value;
  if (container === undefined) return none;
  const found = elementOf(container, key);
  if (typeof found !== "string") return { tag: "optional", value: found.value };
  if (found.startsWith("unsupported")) throw new EvaluationError(found);
  return none;
}

/** An element of a list or a map, or why there is none. */
function elementOf(container: Value, key: Value): { value: Value } | string {
  if (Array.isArray(container)) {
    const index = numberOf(key);
    if (index === undefined || (typeof index === "number" && !Number.isInteger(index))) {
      return `unsupported index type '${kindOf(key)}' in list`;
    }
    const value = container[Number(index)];
    return value === undefined ? `index out of bounds: ${index}` : { value };
  }
  const text = keyOf(key);
  const entry = text === undefined ? undefined : asMap(container)?.entries.get(text);
  if (entry !== undefined) return { value: entry[1] };
  return text === undefined ? "no such overload" : `no such key: ${typeof key === "string" ? key : text.slice(1)}`;
}

/** The field of a map; undefined where there is none. */
export function fieldOf(value: Value, field: string): Value | undefined {
  const kind = kindOf(value);
  if (kind === "list") throw new EvaluationError("unsupported index type 'string' in list");
  return asMap(value)?.entries.get(`s${field}`)?.[1];
}

/** A value as messages name it. */
export function describe(value: Value): string {
  return typeof value === "string" || typeof value === "boolean"
    ? String(value)
    : String(numberOf(value) ?? kindOf(value));
}

/** The value where it is an optional. */
export function asOptional(value: Value): Optional | undefined {
  return isTagged(value) && value.tag === "optional" ? value : undefined;
}

/** The value where it is a map. */
export function asMap(value: Value): CelMap | undefined {
  return isTagged(value) && value.tag === "map" ? value : undefined;
}

function isTagged(value: Value): value is Exclude<Extract<Value, object>, Value[] | Uint8Array> {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Uint8Array);
}
