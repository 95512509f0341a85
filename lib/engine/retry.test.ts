import { describe, expect, it } from "vitest";
import { nextAttempt } from "./retry.ts";

const limits = { minRetryDelaySeconds: 0.75, maxRetryDelaySeconds: 900 };
const now = new Date("2026-03-01T12:00:00Z");
const object = (interval: string) => ({ metadata: { name: "a", uid: "b" }, spec: { interval } });

/** Seconds until the next attempt. */
function seconds(interval: string, attempt: number): number {
  return (nextAttempt(object(interval), attempt, limits, now).getTime() - now.getTime()) / 1000;
}

describe("the next attempt after a failure", () => {
  it("SRC-017: comes after a back-off that doubles", () => {
    expect([1, 2, 3, 20].map((attempt) => seconds("1h", attempt))).toEqual([0.75, 1.5, 3, 900]);
  });

  it("SRC-017: comes at the interval where that is shorter", () => {
    expect(seconds("2m", 20)).toBeGreaterThan(0);
    expect(seconds("2m", 20)).toBeLessThanOrEqual(120);
  });
});
