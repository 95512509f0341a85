/**
 * A number, truth value or null as go-yaml v2 writes it once it has gone through JSON, where a float without a fraction is an
 * integer, and an integer that 64 bits cannot hold is a float.
 */
export function formatScalar(value: unknown): string {
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "bigint") return formatInteger(value);
  if (typeof value === "number") return formatNumber(value);
  return "null";
}

function formatInteger(value: bigint): string {
  return value >= -(2n ** 63n) && value < 2n ** 64n ? String(value) : formatFloat(Number(value));
}

function formatNumber(value: number): string {
  if (Number.isSafeInteger(value)) return String(value + 0);
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return formatInteger(BigInt(String(value)));
  return formatFloat(value);
}

/** Go's `strconv.FormatFloat(value, 'g', -1, 64)`: with an exponent from 1e+06 on and below 1e-4. */
function formatFloat(value: number): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  const [digits = "", power = ""] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
