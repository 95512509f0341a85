import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dueWithin, isOvertaken, nextSlot, type Scheduled } from "./due.ts";

const minute = 60_000;
const start = Date.UTC(2026, 10, 24, 12, 0);

const settled: Scheduled = {
  namespace: "apps",
  name: "app",
  uid: "0b2b1a52-6d5e-4c87-9b1c-0a5c6ad0f4a1",
  generation: 3,
  observedGeneration: 3,
  interval: 10 * minute,
  retryInterval: 2 * minute,
  ready: true,
  unfinished: false,
  stalled: false,
  suspended: false,
  deleting: false,
  requestedAt: undefined,
  handledAt: undefined,
};

/** The minutes of two hours in which an object is due, counted from the start. */
function minutesDue(object: Scheduled): number[] {
  return [...Array(120).keys()].filter((index) => dueWithin(object, start + index * minute).length > 0);
}

describe("what is due", () => {
  it("KS-010: an object is due once an interval, at a phase of its own", () => {
    const due = minutesDue(settled);
    expect(due).toHaveLength(12);
    expect(new Set(due.map((index) => index % 10)).size).toBe(1);
    const phases = [...Array(200).keys()].map((index) => minutesDue({ ...settled, uid: `uid-${index}` })[0]);
    expect(new Set(phases).size).toBeGreaterThan(8);
  });

  it("SRC-018: a hundred objects are not looked at in the same minute, and each gap between looks is the interval", () => {
    const all = Array.from({ length: 100 }, (_, index) => minutesDue({ ...settled, uid: `uid-${index}` }));
    const hour = all.map((minutes) => minutes.filter((index) => index >= 60));
    const perMinute = Map.groupBy(hour.flat(), (index) => index);
    expect(perMinute.size).toBe(60);
    for (const [, looks] of perMinute) expect(looks.length).toBeLessThan(25);
    for (const minutes of all)
      for (const [index, at] of minutes.slice(1).entries()) expect(at - (minutes[index] ?? 0)).toBe(10);
  });

  it("KS-011: what is not ready is due at its retry interval, also when that is longer than a minute for a new generation", () => {
    expect(minutesDue({ ...settled, ready: false })).toHaveLength(60);
    expect(minutesDue({ ...settled, ready: false, retryInterval: 30 * minute })).toHaveLength(12);
  });

  it("design, decision 6: a generation that nobody has looked at is due each minute until somebody does", () => {
    expect(minutesDue({ ...settled, generation: 4 })).toHaveLength(120);
    expect(minutesDue({ ...settled, observedGeneration: -1, generation: 1, ready: false })).toHaveLength(120);
  });

  it("design, decision 6: what was lost half way, deleted or requested is due each minute", () => {
    expect(minutesDue({ ...settled, unfinished: true })).toHaveLength(120);
    expect(minutesDue({ ...settled, deleting: true, suspended: true })).toHaveLength(120);
    expect(minutesDue({ ...settled, requestedAt: "now", handledAt: "before" })).toHaveLength(120);
    expect(minutesDue({ ...settled, requestedAt: "now", handledAt: "now" })).toHaveLength(12);
  });

  it("KS-013, KS-014: what is suspended or stalled is not due", () => {
    expect(minutesDue({ ...settled, suspended: true })).toEqual([]);
    expect(minutesDue({ ...settled, stalled: true, ready: false })).toEqual([]);
  });

  it("design, decision 6: an interval below a minute is due several times within it", () => {
    const due = dueWithin({ ...settled, interval: 15_000 }, start);
    expect(due).toHaveLength(4);
    for (const { afterSeconds } of due) expect(afterSeconds).toBeGreaterThanOrEqual(0);
    for (const { afterSeconds } of due) expect(afterSeconds).toBeLessThan(60);
  });

  it("KS-011: a retry falls into the slot that the schedule finds for it, by the same name", () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.integer({ min: 1, max: 59 }),
        fc.integer({ min: 0, max: minute - 1 }),
        (uid, seconds, offset) => {
          const interval = seconds * 1000;
          const object = { ...settled, uid, interval, retryInterval: interval, ready: false };
          const { slot, afterSeconds } = nextSlot(uid, interval, start + offset);
          expect(afterSeconds).toBeGreaterThan(0);
          expect(afterSeconds).toBeLessThanOrEqual(seconds);
          const at = offset / 1000 + afterSeconds;
          const found = at < 60 ? dueWithin(object, start) : dueWithin(object, start + minute);
          expect(found.map((due) => due.slot)).toContain(slot);
        },
      ),
    );
  });
});

describe("a look that has waited in the queue", () => {
  const waited: [why: string, due: Partial<Scheduled>, after: Partial<Scheduled>][] = [
    ["a pass that was under way has ended", { unfinished: true }, { ready: false }],
    ["the request has been handled", { requestedAt: "1", handledAt: "0" }, { requestedAt: "1", handledAt: "1" }],
    ["the generation has been tried", { observedGeneration: 2 }, { observedGeneration: 3, ready: false }],
  ];
  it.each(waited)("KS-011: is done where %s, and is due as long as that is not so", (_why, due, after) => {
    const [{ slot } = { slot: "" }] = dueWithin({ ...settled, ...due }, start);
    expect(slot).not.toBe("");
    expect(isOvertaken(slot, { ...settled, ...due })).toBe(false);
    expect(isOvertaken(slot, { ...settled, ...after })).toBe(true);
  });

  it("KS-010: at the interval, and of an object that goes, is never done by another", () => {
    for (const minuteOfHour of minutesDue(settled)) {
      const [{ slot } = { slot: "" }] = dueWithin(settled, start + minuteOfHour * minute);
      expect(isOvertaken(slot, settled)).toBe(false);
    }
    const [{ slot } = { slot: "" }] = dueWithin({ ...settled, deleting: true }, start);
    expect(isOvertaken(slot, { ...settled, deleting: true })).toBe(false);
  });
});
