import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startMinutes } from "./minutes.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-01-01T00:00:40.500Z") });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the minutes of a host", () => {
  it("run once at the start and then with each minute, whatever a run throws", async () => {
    const times: string[] = [];
    const errors: unknown[] = [];
    const run = async (time: Date) => {
      times.push(time.toISOString().slice(14, 23));
      if (times.length === 2) throw new Error("no cluster");
    };
    const minutes = startMinutes(run, (error) => errors.push(error));
    await vi.advanceTimersByTimeAsync(140_000);
    minutes.stop();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(times).toEqual(["00:40.500", "01:00.000", "02:00.000", "03:00.000"]);
    expect(errors.map(String)).toEqual(["Error: no cluster"]);
  });

  it("do not pile up behind a run that takes longer than one", async () => {
    let runs = 0;
    const minutes = startMinutes(
      () => {
        runs++;
        return new Promise((resolve) => setTimeout(resolve, 150_000));
      },
      () => undefined,
    );
    await vi.advanceTimersByTimeAsync(150_000);
    expect(runs).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(runs).toBe(2);
    minutes.stop();
  });
});
