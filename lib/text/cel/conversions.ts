import { duration, int, timestamp, uint } from "./arithmetic.ts";
import type { CelFunction } from "./functions.ts";
import { EvaluationError, kindOf, nanosecondsOf, numberOf, typeNameOf, type Value } from "./value.ts";

const second = 1_000_000_000n;

/** Conversions between types. */
export const conversions: Record<string, CelFunction> = {
  bool: ([value]) => {
    if (typeof value === "boolean") return value;
    if (typeof value !== "string") return undefined;
    if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
    if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return false;
    throw failed(value, "bool");
  },
  bytes: ([value], spend) => {
    if (value instanceof Uint8Array) return value;
    if (typeof value !== "string") return undefined;
    spend(value.length / 10);
    return new Uint8Array(Buffer.from(value));
  },
  double: ([value = null]) => {
    if (typeof value === "string") return parseDouble(value);
    const number = numberOf(value);
    return number === undefined ? undefined : Number(number);
  },
  int: ([value = null]) => {
    if (typeof value === "string") {
      if (!/^[+-]?\d{1,20}$/.test(value)) throw failed(value, "int");
      const whole = BigInt(value.replace("+", ""));
      if (whole >= 2n ** 63n || whole < -(2n ** 63n)) throw failed(value, "int");
      return whole;
    }
    if (typeof value === "number") {
      if (!(value > -(2 ** 63) && value < 2 ** 63)) throw new EvaluationError("integer overflow");
      return BigInt(Math.trunc(value));
    }
    if (kindOf(value) === "timestamp") return floorDivide(nanosecondsOf(value), second);
    if (kindOf(value) === "duration") return nanosecondsOf(value);
    const number = numberOf(value);
    return typeof number === "bigint" ? int(number) : undefined;
  },
  uint: ([value = null]) => {
    if (typeof value === "string") {
      if (!/^\+?\d{1,20}$/.test(value) || BigInt(value.replace("+", "")) >= 2n ** 64n) throw failed(value, "uint");
      return uint(BigInt(value));
    }
    if (typeof value === "number") {
      if (!(value >= 0 && value < 2 ** 64)) throw new EvaluationError("unsigned integer overflow");
      return uint(BigInt(Math.trunc(value)));
    }
    const number = numberOf(value);
    return typeof number === "bigint" ? uint(number) : undefined;
  },
  string: ([value = null]) => {
    if (typeof value === "string") return value;
    if (typeof value === "boolean") return String(value);
    if (typeof value === "number") return formatDouble(value);
    if (value instanceof Uint8Array) return decodeText(value);
    if (kindOf(value) === "timestamp") return formatTimestamp(nanosecondsOf(value));
    if (kindOf(value) === "duration") return formatSeconds(nanosecondsOf(value));
    const number = numberOf(value);
    return number === undefined ? undefined : String(number);
  },
  duration: ([value = null]) => {
    if (kindOf(value) === "duration") return value;
    if (typeof value === "bigint") throw failed(value, "google.protobuf.Duration");
    return typeof value === "string" ? duration(parseDuration(value)) : undefined;
  },
  timestamp: ([value = null]) => {
    if (kindOf(value) === "timestamp") return value;
    if (typeof value === "bigint") return timestamp(value * second);
    return typeof value === "string" ? timestamp(parseTimestamp(value)) : undefined;
  },
};

function failed(value: Value, to: string): EvaluationError {
  return new EvaluationError(`type conversion error from '${typeNameOf(value)}' to '${to}'`);
}

function parseDouble(text: string): number {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (special !== null) {
    const [, sign, word = ""] = special;
    if (word.toLowerCase() === "nan") return Number.NaN;
    return sign === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) throw failed(text, "double");
  const value = Number(text);
  if (!Number.isFinite(value)) throw failed(text, "double");
  return value;
}

/** A double as Go's `%g` writes it. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [digits = "", power = "0"] = value.toExponential().split("e");
  const exponent = Number(power);
  // Six digits are what %g takes for the precision of the shortest form.
  if (exponent >= -4 && exponent < 6) {
    return String(value);
  }
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new EvaluationError("invalid UTF-8 in bytes, cannot convert to string");
  }
}

const units: Record<string, bigint> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: second,
  m: 60n * second,
  h: 3600n * second,
};

/** Nanoseconds of a duration as Go's time.ParseDuration reads it. */
function parseDuration(text: string): bigint {
  if (/^[+-]?0$/.test(text)) return 0n;
  if (text.length > 200 || !/^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) {
    throw failed(text, "google.protobuf.Duration");
  }
  let sum = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of text.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const size = units[unit] ?? 0n;
    sum += BigInt(whole === "" ? "0" : whole) * size;
    if (fraction !== "") sum += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
  }
  if (sum >= 2n ** 63n) throw failed(text, "google.protobuf.Duration");
  return text.startsWith("-") ? -sum : sum;
}

/** Nanoseconds since 1970 of a time in RFC 3339. */
function parseTimestamp(text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:[.,](\d{1,30}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const [, day = "", time = "", fraction = "", zone = ""] = match ?? [];
  const milliseconds = match === null ? Number.NaN : Date.parse(`${day}T${time}Z`);
  const isDay = Number.isFinite(milliseconds) && new Date(milliseconds).toISOString().startsWith(day);
  const [, hours = "0", minutes = "0"] = /[+-](\d\d):(\d\d)/.exec(zone) ?? [];
  if (!isDay || time.startsWith("24") || Number(hours) > 24 || Number(minutes) > 59) {
    throw failed(text, "google.protobuf.Timestamp");
  }
  const offset = BigInt(Number(hours) * 3600 + Number(minutes) * 60) * (zone.startsWith("-") ? -1n : 1n);
  return (BigInt(milliseconds) / 1000n - offset) * second + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

function formatTimestamp(nanoseconds: bigint): string {
  const seconds = floorDivide(nanoseconds, second);
  const time = new Date(Number(seconds * 1000n)).toISOString().slice(0, 19);
  const fraction = String(nanoseconds - seconds * second)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${time}${fraction === "" ? "" : `.${fraction}`}Z`;
}

function formatSeconds(nanoseconds: bigint): string {
  const sign = nanoseconds < 0n ? "-" : "";
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const fraction = String(size % second)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${sign}${size / second}${fraction === "" ? "" : `.${fraction}`}s`;
}

/** The quotient, rounded down. */
export function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}
