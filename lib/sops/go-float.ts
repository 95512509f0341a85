/** Go's `strconv.FormatFloat(value, 'f', -1, 64)`: as many digits as it takes, never an exponent. */
export function formatFixed(value: number): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const [, sign = "", whole = "", fraction = "", power = "0"] =
    /^(-?)([0-9])(?:\.([0-9]+))?e([-+][0-9]+)$/.exec(value.toExponential()) ?? [];
  const digits = whole + fraction;
  const point = Number(power) + 1;
  const minus = Object.is(value, -0) ? "-" : sign;
  if (value === 0) return `${minus}0`;
  if (point <= 0) return `${minus}0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return minus + digits.padEnd(point, "0");
  return `${minus}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Go's `strconv.FormatFloat(value, 'g', -1, 64)`: with an exponent from `1e+06` on and below `0.0001`. */
export function formatGeneral(value: number): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const [digits = "", power = "0"] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return formatFixed(value);
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function formatSpecial(value: number): string | undefined {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return undefined;
}
