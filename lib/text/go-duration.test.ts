import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatGoDuration, parseGoDuration } from "./go-duration.ts";

describe("Go durations", () => {
  it.each([
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["500ms", 500],
    ["1h0m0.5s", 3_600_500],
    ["0", 0],
    ["-2s", -2000],
    [".5s", 500],
  ])("KS-001: %s is read as time.ParseDuration does", (text, milliseconds) =>
    expect(parseGoDuration(text)).toBe(milliseconds),
  );

  it.each(["", "5x", "10", "1d", "s", "1 s", "1m-30s", "9999999h", `${"9".repeat(400)}s`])(
    "KS-001: %j is refused",
    (text) => {
      expect(() => parseGoDuration(text)).toThrow("invalid duration");
    },
  );

  it.each([
    [600_000, "10m0s"],
    [90_000, "1m30s"],
    [3_600_000, "1h0m0s"],
    [1234.567, "1.234567s"],
    [12.5, "12.5ms"],
    [0.0125, "12.5µs"],
    [0, "0s"],
    [-1500, "-1.5s"],
  ])("KS-235: %d ms prints as %s", (milliseconds, text) => expect(formatGoDuration(milliseconds)).toBe(text));

  it("reads back what it prints", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), (microseconds) => {
        expect(parseGoDuration(formatGoDuration(microseconds / 1000))).toBeCloseTo(microseconds / 1000, 3);
      }),
    );
  });
});
