import { conversions, formatDouble } from "./conversions.ts";
import { EvaluationError, kindOf, numberOf, typeNameOf, type Value } from "./value.ts";

/** `text.format(list)`: clauses as cel-go's extension for strings has them, in the locale en-US. */
export function formatText(text: string, list: readonly Value[], spend: (cost: number) => void): string {
  let used = 0;
  const result = text.replace(
    /%(?:%|(?:\.(\d+))?(.)?)/gsu,
    (clause: string, digits: string | undefined, verb: string | undefined) => {
      if (clause === "%%") return "%";
      if (verb === undefined) throw new EvaluationError("unexpected end of string");
      if (!/^[sdfebxXo]$/.test(verb)) throw unparsed(`unrecognized formatting clause "${verb}"`);
      const value = list[used];
      if (value === undefined) throw new EvaluationError(`index ${used} out of range`);
      used++;
      const piece = formatClause(verb, value, digits === undefined ? 6 : Math.min(Number(digits), 100));
      spend(piece.length / 10 + 1);
      return piece;
    },
  );
  spend(result.length / 10);
  return result;
}

function unparsed(problem: string): EvaluationError {
  return new EvaluationError(`could not parse formatting clause: ${problem}`);
}

function wrong(problem: string): EvaluationError {
  return new EvaluationError(`error during formatting: ${problem}`);
}

function formatClause(verb: string, value: Value, digits: number): string {
  if (verb === "s") return formatAny(value);
  const number = numberOf(value);
  if (verb === "f" || verb === "e") {
    if (number === undefined) {
      const what = verb === "f" ? "fixed-point" : "scientific";
      throw wrong(
        `${what} clause can only be used on doubles, integers and unsigned integers, was given ${typeNameOf(value)}`,
      );
    }
    const double = Number(number);
    if (!Number.isFinite(double)) return Number.isNaN(double) ? "NaN" : double > 0 ? "Infinity" : "-Infinity";
    if (verb === "f") return double.toFixed(digits);
    return double.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
  }
  if (verb === "d") {
    if (typeof number === "bigint") return String(number);
    if (number !== undefined) return Number.isFinite(number) ? formatDouble(number) : formatAny(number);
    throw wrong(`decimal clause can only be used on ints, uints, and doubles, was given ${typeNameOf(value)}`);
  }
  if (verb === "b" && typeof value === "boolean") return value ? "1" : "0";
  if ((verb === "x" || verb === "X") && (typeof value === "string" || value instanceof Uint8Array)) {
    const hex = Buffer.from(value).toString("hex");
    return verb === "x" ? hex : hex.toUpperCase();
  }
  if (typeof number !== "bigint") {
    const kinds: Record<string, string> = {
      b: "only integers and bools can be formatted as binary",
      o: "octal clause can only be used on integers",
    };
    throw wrong(
      `${kinds[verb] ?? "only integers, byte buffers, and strings can be formatted as hex"}, was given ${typeNameOf(value)}`,
    );
  }
  const digitsIn = number.toString(verb === "b" ? 2 : verb === "o" ? 8 : 16);
  return verb === "X" ? digitsIn.toUpperCase() : digitsIn;
}

function formatAny(value: Value): string {
  if (value === null) return "null";
  if (typeof value === "number" && !Number.isFinite(value)) {
    return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  }
  if (typeof value === "number" && Number.isInteger(value)) return String(BigInt(value));
  if (Array.isArray(value)) return `[${value.map(formatAny).join(", ")}]`;
  if (kindOf(value) === "map") {
    const entries =
      typeof value === "object" && "tag" in value && value.tag === "map" ? [...value.entries.values()] : [];
    const lines = entries.map(([key, item]) => `${formatAny(key)}: ${formatAny(item)}`);
    return `{${lines.toSorted().join(", ")}}`;
  }
  if (typeof value === "object" && "tag" in value && value.tag === "type") return value.name;
  const text = conversions.string?.([value], () => undefined);
  if (typeof text === "string") return text;
  throw wrong(
    `string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ${typeNameOf(value)}`,
  );
}
