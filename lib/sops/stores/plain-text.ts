import { formatFixed, formatGeneral } from "../go-float.ts";
import { isTimestamp, type Scalar } from "../tree.ts";

/** A value in formats that have nothing but text. Floats stay recognisable: 1.0 is not 1. */
export function plainBytes(value: Scalar): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(plainText(value));
}

function plainText(value: Exclude<Scalar, Uint8Array>): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return floatText(value);
  if (value === null) return "<nil>";
  return typeof value === "bigint" || typeof value === "boolean" || !isTimestamp(value)
    ? String(value)
    : withoutFraction(value.time);
}

function floatText(value: number): string {
  if (!Number.isFinite(value)) return formatFixed(value);
  const general = formatGeneral(value).replace("e", "E");
  return /[.E]/.test(general) ? general : `${general}.0`;
}

function withoutFraction(time: string): string {
  return time.replace(/[.,]\d+/, "");
}
