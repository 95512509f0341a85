import { floorDivide } from "./conversions.ts";
import type { CelFunction } from "./functions.ts";
import { EvaluationError, kindOf, nanosecondsOf, type Value } from "./value.ts";

/** The parts of a moment, in a time zone. */
type Parts = {
  year: number;
  month: number;
  day: number;
  weekday: number;
  hour: number;
  minute: number;
  second: number;
};

const million = 1_000_000n;
/** What it costs to know a time zone. */
const zoneCost = 1000;

/** What timestamps and durations are asked for. */
export const timeFunctions: Record<string, CelFunction> = {
  getFullYear: part(({ year }) => year),
  getMonth: part(({ month }) => month),
  getDate: part(({ day }) => day),
  getDayOfMonth: part(({ day }) => day - 1),
  getDayOfWeek: part(({ weekday }) => weekday),
  getDayOfYear: part(({ year, month, day }) => (Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / 86_400_000),
  getHours: part(
    ({ hour }) => hour,
    (nanoseconds) => nanoseconds / (3_600_000n * million),
  ),
  getMinutes: part(
    ({ minute }) => minute,
    (nanoseconds) => nanoseconds / (60_000n * million),
  ),
  getSeconds: part(
    ({ second }) => second,
    (nanoseconds) => nanoseconds / (1000n * million),
  ),
  getMilliseconds: ([value = null]) => {
    const nanoseconds = nanosecondsOf(value);
    if (kindOf(value) === "duration") return nanoseconds / million;
    return kindOf(value) === "timestamp" ? (((nanoseconds / million) % 1000n) + 1000n) % 1000n : undefined;
  },
};

function part(ofTime: (parts: Parts) => number, ofDuration?: (nanoseconds: bigint) => bigint): CelFunction {
  return ([value = null, zone], spend) => {
    const kind = kindOf(value);
    if (kind === "duration" && zone === undefined) return ofDuration?.(nanosecondsOf(value));
    if (kind !== "timestamp" || (zone !== undefined && typeof zone !== "string")) return undefined;
    if (zone !== undefined) spend(zoneCost);
    return BigInt(ofTime(partsOf(value, zone ?? "UTC")));
  };
}

function partsOf(value: Value, zone: string): Parts {
  const milliseconds = Number(floorDivide(nanosecondsOf(value), million));
  const date = new Date(milliseconds + offsetOf(zone, milliseconds));
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth(),
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  };
}

/** How far a zone is ahead of UTC at a moment, in milliseconds: by its name, or as `[+-]hh:mm`. */
function offsetOf(zone: string, milliseconds: number): number {
  if (zone === "UTC" || zone === "") return 0;
  const fixed = /^([+-]?)(\d{1,2}):(\d\d)$/.exec(zone);
  if (fixed !== null) {
    const [, sign, hours, minutes] = fixed;
    return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  }
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    const name = format.formatToParts(milliseconds).find(({ type }) => type === "timeZoneName")?.value ?? "";
    const [, sign, hours = "0", minutes = "0", seconds = "0"] = /([+-])(\d\d):(\d\d)(?::(\d\d))?/.exec(name) ?? [];
    return (sign === "-" ? -1 : 1) * ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
  } catch {
    throw new EvaluationError(`unknown time zone ${zone}`);
  }
}
