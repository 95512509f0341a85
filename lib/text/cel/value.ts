/**
 * A value of CEL. Integers are bigints and doubles numbers, so that `1` and `1.0` stay apart; a list is an array; what
 * JavaScript has nothing for is tagged.
 */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Value[]
  | CelMap
  | Uint
  | Timestamp
  | Duration
  | TypeValue
  | Optional;

/** Entries in the order in which they were written, each under the text of its key (`keyOf`). */
export type CelMap = { tag: "map"; entries: Map<string, [key: Value, value: Value]> };
export type Uint = { tag: "uint"; value: bigint };
/** Nanoseconds since 1970. */
export type Timestamp = { tag: "timestamp"; nanoseconds: bigint };
export type Duration = { tag: "duration"; nanoseconds: bigint };
/** What `type(x)` gives. */
export type TypeValue = { tag: "type"; name: string };
export type Optional = { tag: "optional"; value?: Value };

/** What a tagged value is, or what JavaScript says of the others. */
export type ValueKind =
  | "null"
  | "bool"
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "list"
  | "map"
  | "timestamp"
  | "duration"
  | "type"
  | "optional";

/** An evaluation that has no result: cel-go's words, without a prefix. */
export class EvaluationError extends Error {
  override name = "EvaluationError";
}

/** An expression that costs more than it may: no operator takes this for a failed operand. */
export class CostExceeded extends Error {
  override name = "CostExceeded";

  constructor() {
    super("operation cancelled: actual cost limit exceeded");
  }
}

/** The kind of a value. */
export function kindOf(value: Value): ValueKind {
  if (value === null) return "null";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "double";
    case "string":
      return "string";
    default:
  }
  if (Array.isArray(value)) return "list";
  return value instanceof Uint8Array ? "bytes" : value.tag;
}

const typeNames: Partial<Record<ValueKind, string>> = {
  null: "null_type",
  timestamp: "google.protobuf.Timestamp",
  duration: "google.protobuf.Duration",
  optional: "optional_type",
};

/** The name that CEL has for the type of a value. */
export function typeNameOf(value: Value): string {
  const kind = kindOf(value);
  return typeNames[kind] ?? kind;
}

export const none: Optional = { tag: "optional" };

/** A map of these entries; a key that comes twice keeps its last value. */
export function mapOf(entries: Iterable<readonly [Value, Value]>): CelMap {
  const map: CelMap = { tag: "map", entries: new Map() };
  for (const [key, value] of entries) map.entries.set(keyOf(key) ?? "", [key, value]);
  return map;
}

/** The text under which a map keeps a key, equal for numbers that are equal; undefined for what no map can have as a key. */
export function keyOf(key: Value): string | undefined {
  if (typeof key === "string") return `s${key}`;
  if (typeof key === "boolean") return `b${key}`;
  if (typeof key === "bigint") return `n${key}`;
  if (typeof key === "number") return Number.isInteger(key) ? `n${BigInt(key)}` : `n${key}`;
  return kindOf(key) === "uint" ? `n${numberOf(key)}` : undefined;
}

/** The value of a JSON document: whole numbers are ints, as the Go client of Kubernetes reads them. */
export function fromJson(json: unknown): Value {
  if (typeof json === "string" || typeof json === "boolean" || json === null || json === undefined) return json ?? null;
  if (typeof json === "number") return Number.isInteger(json) && Math.abs(json) < 2 ** 63 ? BigInt(json) : json;
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== "object") return null;
  return mapOf(Object.entries(json).map(([key, value]) => [key, fromJson(value)] as const));
}

/** The number in an int, uint or double, or undefined. */
export function numberOf(value: Value): bigint | number | undefined {
  if (typeof value === "bigint" || typeof value === "number") return value;
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array)
    return undefined;
  return value.tag === "uint" ? value.value : undefined;
}

/** Whether two values are equal: numbers by their value whatever their types are, other types never. `spend` counts what is compared. */
export function equal(a: Value, b: Value, spend: (cost: number) => void): boolean {
  spend(1);
  if (typeof a === "string" && typeof b === "string") {
    if (a.length === b.length) spend(a.length / 10);
    return a === b;
  }
  if (a === b) return true;
  const [left, right] = [numberOf(a), numberOf(b)];
  // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number are compared by their values.
  if (left !== undefined && right !== undefined) return left == right;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => equal(item, b[index] ?? null, spend));
  }
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    if (!(a instanceof Uint8Array && b instanceof Uint8Array)) return false;
    spend(a.length / 10);
    return Buffer.compare(a, b) === 0;
  }
  if (a.tag === "map" && b.tag === "map") {
    if (a.entries.size !== b.entries.size) return false;
    for (const [key, [, value]] of a.entries) {
      const other = b.entries.get(key);
      if (other === undefined || !equal(value, other[1], spend)) return false;
    }
    return true;
  }
  if (a.tag === "timestamp" || a.tag === "duration") return b.tag === a.tag && a.nanoseconds === b.nanoseconds;
  if (a.tag === "type") return b.tag === "type" && a.name === b.name;
  if (a.tag !== "optional" || b.tag !== "optional") return false;
  if (a.value === undefined || b.value === undefined) return a.value === b.value;
  return equal(a.value, b.value, spend);
}

/** Less than, equal or greater than zero as `a` comes before `b` or after it; NaN where a NaN is compared; undefined where they have no order. */
export function compare(a: Value, b: Value): number | undefined {
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) return order(left, right);
  if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  const [kind, other] = [kindOf(a), kindOf(b)];
  if (kind !== other || (kind !== "timestamp" && kind !== "duration")) return undefined;
  return order(nanosecondsOf(a), nanosecondsOf(b));
}

/** Nanoseconds of a timestamp or a duration; 0 of others. */
export function nanosecondsOf(value: Value): bigint {
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array) return 0n;
  return value.tag === "timestamp" || value.tag === "duration" ? value.nanoseconds : 0n;
}

function order(a: bigint | number, b: bigint | number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number are compared by their values.
  return a == b ? 0 : Number.NaN;
}
