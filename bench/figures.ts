/** The value below which `share` (0 to 1) of the values lie, by the nearest rank. NaN for no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** p50, p99 and the ends of a row of times in seconds, rounded to milliseconds. */
export function distribution(seconds: readonly number[]): {
  p50: number;
  p99: number;
  min: number;
  max: number;
  n: number;
} {
  const round = (value: number) => Math.round(value * 1000) / 1000;
  return {
    p50: round(percentile(seconds, 0.5)),
    p99: round(percentile(seconds, 0.99)),
    min: round(percentile(seconds, 0)),
    max: round(percentile(seconds, 1)),
    n: seconds.length,
  };
}

/** One line of a report: a figure, and the bar that it is held against where there is one. */
export type Figure = { name: string; value: number; unit: string; atMost?: number };

/** Prints figures as a table; a figure over its bar is marked. */
export function printFigures(title: string, figures: readonly Figure[]): void {
  console.log(`\n${title}`);
  for (const { name, value, unit, atMost } of figures) {
    const bar = atMost === undefined ? "" : `   at most ${atMost}${value > atMost ? "   OVER" : ""}`;
    console.log(`  ${name.padEnd(58)} ${format(value).padStart(9)} ${unit}${bar}`);
  }
}

function format(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}
