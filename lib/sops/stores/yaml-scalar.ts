import { isPlainText, isTimestamp } from "../../text/go-yaml-plain.ts";
import { fromYamlTimestamp } from "../go-time.ts";
import { type Scalar, textOrBytes } from "../tree.ts";

const words = new Map<string, Scalar>([
  ...["", "~", "null", "Null", "NULL"].map((word): [string, Scalar] => [word, null]),
  ...["true", "True", "TRUE"].map((word): [string, Scalar] => [word, true]),
  ...["false", "False", "FALSE"].map((word): [string, Scalar] => [word, false]),
  ...[".nan", ".NaN", ".NAN"].map((word): [string, Scalar] => [word, Number.NaN]),
  ...[".inf", ".Inf", ".INF"].flatMap((word): [string, Scalar][] => [
    [word, Number.POSITIVE_INFINITY],
    [`+${word}`, Number.POSITIVE_INFINITY],
    [`-${word}`, Number.NEGATIVE_INFINITY],
  ]),
]);

/**
 * What an unquoted scalar stands for in go-yaml v3: YAML 1.2's truth values alone, times, and integers of any base. An integer
 * beyond 64 bits with a sign is an error, as SOPS has no type for it.
 */
export function resolvePlain(text: string): Scalar {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text) || isPlainText(text)) return text;
  if (text.startsWith(".")) return Number(text.replaceAll("_", ""));
  if (isTimestamp(text)) return { time: fromYamlTimestamp(text) };
  return number(text.replaceAll("_", "")) ?? text;
}

/** A scalar with a tag. Tags of one's own make no difference. Throws where the text is not of the tag. */
export function resolveTagged(text: string, tag: string, isPlain: boolean): Scalar {
  const name = tag.replace(/^!!|^!<tag:yaml\.org,2002:(.*)>$/, "$1");
  switch (name) {
    case "binary":
      return textOrBytes(Buffer.from(text.replace(/\s/g, ""), "base64"));
    case "str":
      return text;
    case "null":
    case "bool":
    case "int":
    case "float":
    case "timestamp": {
      const value = resolvePlain(text);
      if (name === "float" && typeof value === "bigint") return Number(value);
      if (kindOf(value) !== name) throw new Error(`a value is no !!${name}`);
      return value;
    }
    default:
      return isPlain && tag !== "!" ? resolvePlain(text) : text;
  }
}

function kindOf(value: Scalar): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float";
  return typeof value === "object" && "time" in value ? "timestamp" : "str";
}

function number(text: string): Scalar | undefined {
  const [, sign = "", digits] =
    /^([-+]?)(0[bB][01]+|0[oO][0-7]+|0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text) ?? [];
  if (digits !== undefined && digits.length <= 70) {
    const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
    const value = sign === "-" ? -magnitude : magnitude;
    if (value === BigInt.asIntN(64, value)) return value;
    if (sign === "" && value === BigInt.asUintN(64, value)) throw new Error("Cannot walk value, unknown type: uint64");
  }
  if (!/^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(text)) return undefined;
  const float = Number(text);
  return Number.isFinite(float) ? float : undefined;
}
