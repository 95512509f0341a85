import { byBytes } from "./index-by-bytes.ts";
import { fieldOf, fieldTarget, type Shape } from "./index-shape.ts";

/** The characters that an index may still come to: aliases make a value be decoded more than once, and a small text large. */
export type Budget = { left: number };

/**
 * How values are decoded: `yaml` is strict and turns numbers into strings where Go does; `loose-yaml` does the latter and leaves out
 * what it does not know (`sigs.k8s.io/yaml.Unmarshal`), as `json` does.
 */
export type Decoding = { source: "yaml" | "loose-yaml" | "json"; budget: Budget };

/** A decoded struct: its fields by name, absent where they have no value. */
export type Decoded = { [field: string]: unknown };

/** Characters that a part of such a value counts for: what it takes in memory. */
const nodeCost = 16;
/** Levels of lists and maps within a value of any type. */
const depthLimit = 200;

/**
 * Decodes a value into a shape as Go does. Maps become `Map`s; null becomes undefined. Throws with a sentence that names the
 * place where a value does not fit.
 */
export function decode(value: unknown, shape: Shape, place: string, decoding: Decoding): unknown {
  return decodeFor(value, shape, decoding.source === "json" ? undefined : shape, place, decoding);
}

/** Decodes a struct; null, and nothing else, gives undefined. */
export function decodeStruct(
  value: unknown,
  shape: Shape & { kind: "struct" },
  place: string,
  decoding: Decoding,
): Decoded | undefined {
  return structOf(value, shape, decoding.source === "json" ? undefined : shape, place, decoding);
}

function decodeFor(
  value: unknown,
  shape: Shape,
  target: Shape | undefined,
  place: string,
  decoding: Decoding,
): unknown {
  if (value === null || value === undefined) return undefined;
  switch (shape.kind) {
    case "string":
      return take(stringOf(value, target, place), decoding);
    case "boolean":
      if (typeof value !== "boolean") throw mismatch(place, value, "true or false");
      return value;
    case "time":
      if (typeof value !== "string") throw mismatch(place, value, "a time");
      return goTime(value, place);
    case "any":
      return anyOf(value, place, decoding, 0);
    case "list": {
      if (!Array.isArray(value)) throw mismatch(place, value, "a list");
      const of = target?.kind === "list" ? target.of : undefined;
      return value.map((item: unknown, index) => {
        spend(decoding, 1);
        return decodeFor(item, shape.of, of, `${place}[${index}]`, decoding);
      });
    }
    case "map":
      return new Map(
        entriesOf(value, place, "a map").map(([key, item]) => [
          take(key, decoding),
          decodeFor(item, shape.of, targetOf(item, target, key), `${place}.${key}`, decoding),
        ]),
      );
    case "struct":
      return structOf(value, shape, target, place, decoding);
  }
}

function structOf(
  value: unknown,
  shape: Shape & { kind: "struct" },
  target: Shape | undefined,
  place: string,
  decoding: Decoding,
): Decoded | undefined {
  if (value === null || value === undefined) return undefined;
  const decoded: Decoded = {};
  const entries = entriesOf(value, place, "a map");
  // On its way through JSON a map of YAML is sorted; that matters where keys differ in case alone.
  if (decoding.source !== "json" && entries.some(([key]) => !shape.fields.has(key)))
    entries.sort(([a], [b]) => byBytes(a, b));
  for (const [key, item] of entries) {
    spend(decoding, 1);
    const found = fieldOf(shape.fields, key);
    if (found === undefined) {
      if (decoding.source !== "yaml") continue;
      throw new Error(`${place === "" ? "" : `${place}: `}json: unknown field ${JSON.stringify(key)}`);
    }
    const [name, field] = found;
    const at = place === "" ? name : `${place}.${name}`;
    const result = decodeFor(item, field.shape, targetOf(item, target, key), at, decoding);
    if (result !== undefined) decoded[name] = result;
  }
  return decoded;
}

/** Strings are what they are, whatever they are decoded for. */
function targetOf(item: unknown, target: Shape | undefined, key: string): Shape | undefined {
  return typeof item === "string" ? undefined : fieldTarget(target, key);
}

/** `sigs.k8s.io/yaml` writes numbers and truths out where a string is wanted; a number is written as Go does. */
function stringOf(value: unknown, target: Shape | undefined, place: string): string {
  if (typeof value === "string") return value;
  if (target?.kind === "string") {
    if (typeof value === "boolean" || typeof value === "bigint") return String(value);
    if (typeof value === "number") return goNumber(value);
  }
  throw mismatch(place, value, "a string");
}

/** `strconv.FormatFloat(value, 'g', -1, 64)`, and `strconv.FormatInt` for what is an integer. */
function goNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Number.isSafeInteger(value)) return String(value);
  const [digits = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  // Go has an exponent below -4, and from seven digits before the point on.
  if (power >= -4 && power < 6) return String(value);
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

function anyOf(value: unknown, place: string, decoding: Decoding, depth: number): unknown {
  if (depth > depthLimit) throw new Error(`${place}: nests deeper than ${depthLimit} levels`);
  spend(decoding, nodeCost);
  if (value === null || value === undefined || typeof value === "boolean") return value ?? null;
  if (typeof value === "string") return take(value, decoding);
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new Error(`${place}: ${goNumber(value)} is no number of JSON`);
    return value;
  }
  if (Array.isArray(value)) return value.map((item: unknown) => anyOf(item, place, decoding, depth + 1));
  return new Map(
    entriesOf(value, place, "a value").map(([key, item]) => [
      take(key, decoding),
      anyOf(item, place, decoding, depth + 1),
    ]),
  );
}

function entriesOf(value: unknown, place: string, wanted: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw mismatch(place, value, wanted);
  return Object.entries(value);
}

function mismatch(place: string, value: unknown, wanted: string): Error {
  const found = Array.isArray(value) ? "a list" : typeof value === "object" ? "a map" : `a ${typeof value}`;
  return new Error(`${place === "" ? "the index" : place} has to be ${wanted}, and is ${found}`);
}

function take(text: string, decoding: Decoding): string {
  spend(decoding, text.length);
  return text.toWellFormed();
}

function spend({ budget }: Decoding, characters: number): void {
  budget.left -= characters;
  if (budget.left < 0) throw new Error("document contains excessive aliasing");
}

const timeSyntax =
  /^(\d{4})-(0[1-9]|1[0-2])-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:[.,](\d+))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/** Reads a time of RFC 3339 and writes it as Go's `time.Time` does: nanoseconds at most, without zeros at their end. */
function goTime(text: string, place: string): string {
  const match = timeSyntax.exec(text);
  const [, year = "", month = "", day = "", hour = "", minute = "", second = "", fraction = "", sign, hours, minutes] =
    match ?? [];
  if (match === null || Number(day) < 1 || Number(day) > daysIn(Number(year), Number(month)))
    throw new Error(`${place}: ${JSON.stringify(text.slice(0, 64))} is no time of RFC 3339`);
  const nanoseconds = fraction.slice(0, 9).replace(/0+$/, "");
  const offset = sign === undefined || `${hours}${minutes}` === "0000" ? "Z" : `${sign}${hours}:${minutes}`;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}${nanoseconds === "" ? "" : `.${nanoseconds}`}${offset}`;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** What a time is where the index says none: the zero of Go's `time.Time`. */
export const zeroTime = "0001-01-01T00:00:00Z";
