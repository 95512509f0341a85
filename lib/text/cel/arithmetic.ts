import type { CelFunction } from "./functions.ts";
import { EvaluationError, kindOf, nanosecondsOf, type Value } from "./value.ts";

/** First and last moment that a timestamp may name, in nanoseconds since 1970: the years 1 to 9999. */
const firstMoment = -62_135_596_800n * 1_000_000_000n;
const lastMoment = 253_402_300_799n * 1_000_000_000n + 999_999_999n;

/** Operators that compute. */
export const arithmetic: Record<string, CelFunction> = {
  "_+_": ([a, b], spend) => {
    if (typeof a === "string" && typeof b === "string") {
      spend((a.length + b.length) / 10);
      return a + b;
    }
    if (Array.isArray(a) && Array.isArray(b)) {
      spend(a.length + b.length);
      return [...a, ...b];
    }
    if (a instanceof Uint8Array && b instanceof Uint8Array) {
      spend((a.length + b.length) / 10);
      return new Uint8Array(Buffer.concat([a, b]));
    }
    if (a === undefined || b === undefined) return undefined;
    const [left, right] = [kindOf(a), kindOf(b)];
    const sum = nanosecondsOf(a) + nanosecondsOf(b);
    if (left === "duration" && right === "duration") return duration(sum);
    if ((left === "timestamp" && right === "duration") || (left === "duration" && right === "timestamp")) {
      return timestamp(sum);
    }
    return numeric(
      a,
      b,
      (x, y) => x + y,
      (x, y) => x + y,
    );
  },
  "_-_": ([a, b]) => {
    if (a === undefined || b === undefined) return undefined;
    const [left, right] = [kindOf(a), kindOf(b)];
    const difference = nanosecondsOf(a) - nanosecondsOf(b);
    if (left === right && (left === "duration" || left === "timestamp")) return duration(difference);
    if (left === "timestamp" && right === "duration") return timestamp(difference);
    return numeric(
      a,
      b,
      (x, y) => x - y,
      (x, y) => x - y,
    );
  },
  "_*_": ([a, b]) =>
    numeric(
      a,
      b,
      (x, y) => x * y,
      (x, y) => x * y,
    ),
  "_/_": ([a, b]) =>
    numeric(
      a,
      b,
      (x, y) => x / divisor(y, "division by zero"),
      (x, y) => x / y,
    ),
  "_%_": ([a, b]) => numeric(a, b, (x, y) => x % divisor(y, "modulus by zero")),
  "-_": ([a]) => {
    if (typeof a === "number") return -a;
    return typeof a === "bigint" ? int(-a) : undefined;
  },
};

function divisor(value: bigint, problem: string): bigint {
  if (value === 0n) throw new EvaluationError(problem);
  return value;
}

/** Computes with two numbers of one type. */
function numeric(
  a: Value | undefined,
  b: Value | undefined,
  whole: (a: bigint, b: bigint) => bigint,
  floating?: (a: number, b: number) => number,
): Value | undefined {
  if (typeof a === "bigint" && typeof b === "bigint") return int(whole(a, b));
  if (typeof a === "number" && typeof b === "number") return floating?.(a, b);
  const [left, right] = [uintIn(a), uintIn(b)];
  return left === undefined || right === undefined ? undefined : uint(whole(left, right));
}

function uintIn(value: Value | undefined): bigint | undefined {
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array)
    return undefined;
  return value.tag === "uint" ? value.value : undefined;
}

/** An int; an EvaluationError where 64 bits are too few. */
export function int(value: bigint, problem = "integer overflow"): bigint {
  if (value >= 2n ** 63n || value < -(2n ** 63n)) throw new EvaluationError(problem);
  return value;
}

/** A uint; an EvaluationError where it is negative or 64 bits are too few. */
export function uint(value: bigint, problem = "unsigned integer overflow"): Value {
  if (value >= 2n ** 64n || value < 0n) throw new EvaluationError(problem);
  return { tag: "uint", value };
}

/** A duration; an EvaluationError where Go's has no room for it. */
export function duration(nanoseconds: bigint): Value {
  if (nanoseconds >= 2n ** 63n || nanoseconds < -(2n ** 63n)) throw new EvaluationError("duration overflow");
  return { tag: "duration", nanoseconds };
}

/** A timestamp; an EvaluationError outside the years 1 to 9999. */
export function timestamp(nanoseconds: bigint): Value {
  if (nanoseconds < firstMoment || nanoseconds > lastMoment) throw new EvaluationError("timestamp overflow");
  return { tag: "timestamp", nanoseconds };
}
