/** Words that YAML 1.1 reads as a truth value, as null, or as a number that has no digits. */
const words = new Set(
  [
    ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"],
    ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"],
    ["", "~", "null", "Null", "NULL"],
    [".nan", ".NaN", ".NAN"],
    ["", "+", "-"].flatMap((sign) => [".inf", ".Inf", ".INF"].map((word) => sign + word)),
  ].flat(),
);

/**
 * Whether go-yaml v2 reads an unquoted scalar of this text as the same text, and writes it without quotes as far as its meaning
 * goes: no truth value, null, number, time or number in base 60. What its characters allow is another question.
 */
export function isPlainText(text: string): boolean {
  if (words.has(text)) return false;
  const first = text.charCodeAt(0);
  if (first === 0x2e) return !isFloatAfterPoint(text);
  if (first !== 0x2b && first !== 0x2d && !(first >= 0x30 && first <= 0x39)) return true;
  return !(isTimestamp(text) || isNumber(text.replaceAll("_", "")) || isBase60(text));
}

/** What `strconv.ParseFloat` takes of texts that begin with a point; unlike YAML it knows no underscore at an end. */
function isFloatAfterPoint(text: string): boolean {
  return /^\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?$/.test(text) && isInRange(text.replaceAll("_", ""));
}

function isNumber(text: string): boolean {
  // Go reads what follows 0b as a number of its own, sign and all.
  if (/^0b[-+][01]{1,63}$/.test(text)) return true;
  const [, sign = "", digits] =
    /^([-+]?)(0[bB][01]+|0[oO][0-7]+|0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text) ?? [];
  if (digits !== undefined && isIn64Bits(sign, digits)) return true;
  return /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(text) && isInRange(text);
}

function isIn64Bits(sign: string, digits: string): boolean {
  const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (sign === "-") return magnitude <= 2n ** 63n;
  return magnitude < (sign === "+" ? 2n ** 63n : 2n ** 64n);
}

function isInRange(text: string): boolean {
  return Number.isFinite(Number(text));
}

function isBase60(text: string): boolean {
  return /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/.test(text);
}

/** The four layouts of go-yaml, read as Go's `time.Parse` reads them. */
export function isTimestamp(text: string): boolean {
  const [, year, month, day, hour, minute, second, , zoneHour, zoneMinute] =
    /^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt](?=.*(?:Z|[-+]\d\d:\d\d)$)| (?!.*(?:Z|[-+]\d\d:\d\d)$))(\d{1,2}):(\d{1,2}):(\d{1,2})([.,]\d+)?(?:Z|[-+](\d\d):(\d\d))?)?$/.exec(
      text,
    ) ?? [];
  if (year === undefined) return false;
  const days = new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate();
  return (
    between(month, 1, 12) &&
    between(day, 1, days) &&
    between(hour, 0, 23) &&
    between(minute, 0, 59) &&
    between(second, 0, 59) &&
    between(zoneHour, 0, 24) &&
    between(zoneMinute, 0, 59)
  );
}

/** What is absent is not out of bounds. */
function between(digits: string | undefined, least: number, most: number): boolean {
  return digits === undefined || (Number(digits) >= least && Number(digits) <= most);
}
