import { describe, expect, it } from "vitest";
import type { AppliedRecord } from "../../cluster/applied-record.ts";
import type { ApplyEntry } from "../../cluster/apply.ts";
import { type Contested, countCorrections } from "./contested.ts";

const entry = (name: string, action: ApplyEntry["action"]): ApplyEntry => ({
  reference: { apiVersion: "v1", kind: "ConfigMap", namespace: "n", name },
  action,
});
const recordOf = (digests: Record<string, string>): AppliedRecord => ({
  lookedAt: 0,
  fieldManager: "kustomize-controller",
  objects: Object.fromEntries(
    Object.entries(digests).map(([name, digest]) => [`n_${name}__ConfigMap`, { apiVersion: "v1", digest }]),
  ),
});
const same = { before: recordOf({ a: "1", b: "1" }), after: recordOf({ a: "1", b: "1" }) };
const interval = 3_600_000;

/** Corrects `a` at each of the times, in seconds. */
function correctedAt(seconds: readonly number[]): Contested {
  return seconds.reduce<Contested>(
    (contested, second) =>
      countCorrections(contested, [entry("a", "configured")], same, { now: second * 1000, interval }),
    {},
  );
}

describe("counting corrections", () => {
  it("counts what is made as it was again, and nothing that is wanted otherwise, new, or as it was", () => {
    const time = { now: 5000, interval };
    const entries = [entry("a", "configured"), entry("b", "created"), entry("c", "created"), entry("d", "unchanged")];
    const after = recordOf({ a: "2", b: "1", c: "1", d: "1" });
    expect(countCorrections({}, entries, { ...same, after }, time)).toEqual({
      "ConfigMap/n/b": { count: 1, at: 5000 },
    });
    expect(countCorrections({}, entries, { before: undefined, after }, time)).toEqual({});
  });

  it("forgets a row of corrections a minute after it would have gone on", () => {
    expect(correctedAt([0, 30, 60])).toEqual({ "ConfigMap/n/a": { count: 3, at: 60_000 } });
    expect(correctedAt([0, 30, 91])).toEqual({ "ConfigMap/n/a": { count: 1, at: 91_000 } });
    // Five at once: the sixth is a minute later at the earliest, and in the row for another one.
    expect(correctedAt([0, 0, 0, 0, 0, 119])).toMatchObject({ "ConfigMap/n/a": { count: 6 } });
    expect(correctedAt([0, 0, 0, 0, 0, 121])).toMatchObject({ "ConfigMap/n/a": { count: 1 } });
  });

  it("keeps count of 500 objects, the last ones", () => {
    const names = [...Array(600).keys()].map((index) => `o${index}`);
    const digests = recordOf(Object.fromEntries(names.map((name) => [name, "1"])));
    const entries = names.map((name) => entry(name, "configured"));
    const counted = countCorrections({}, entries, { before: digests, after: digests }, { now: 0, interval });
    expect(Object.keys(counted)).toHaveLength(500);
    expect(counted["ConfigMap/n/o599"]).toBeDefined();
  });
});
