const unitNanoseconds: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds beyond which a 64-bit integer does not hold them. */
const tooLong = 2 ** 63;

/** Parses a duration as Go's time.ParseDuration does (`1m30s`, `1.5h`, `500ms`). Milliseconds. Throws for anything else. */
export function parseGoDuration(text: string): number {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.exec(text);
  if (text === "0" || text === "+0" || text === "-0") return 0;
  if (match === null) throw new Error(`invalid duration ${JSON.stringify(text.slice(0, 100))}`);
  let nanoseconds = 0;
  for (const [, amount = "", unit = ""] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    nanoseconds += Number(amount) * (unitNanoseconds[unit] ?? 0);
  }
  if (nanoseconds > tooLong) throw new Error(`invalid duration ${JSON.stringify(text.slice(0, 100))}`);
  return ((match[1] === "-" ? -1 : 1) * nanoseconds) / 1e6;
}

/** Formats milliseconds as Go's time.Duration.String does: `1m30s`, `10m0s`, `1.234567s`, `12.5ms`, `0s`. */
export function formatGoDuration(milliseconds: number): string {
  let nanoseconds = Math.round(Math.abs(milliseconds) * 1e6);
  if (nanoseconds === 0) return "0s";
  const sign = milliseconds < 0 ? "-" : "";
  if (nanoseconds < 1e3) return `${sign}${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${sign}${trimmed(nanoseconds, 1e3, 3)}µs`;
  if (nanoseconds < 1e9) return `${sign}${trimmed(nanoseconds, 1e6, 6)}ms`;
  const hours = Math.floor(nanoseconds / 3600e9);
  nanoseconds -= hours * 3600e9;
  const minutes = Math.floor(nanoseconds / 60e9);
  nanoseconds -= minutes * 60e9;
  const seconds = `${trimmed(nanoseconds, 1e9, 9)}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`;
}

function trimmed(nanoseconds: number, unit: number, digits: number): string {
  const whole = Math.floor(nanoseconds / unit);
  const fraction = String(nanoseconds % unit)
    .padStart(digits, "0")
    .replace(/0+$/, "");
  return fraction === "" ? String(whole) : `${whole}.${fraction}`;
}
