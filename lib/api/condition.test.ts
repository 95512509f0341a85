import { describe, expect, it } from "vitest";
import { type Condition, removeCondition, setCondition } from "./condition.ts";

const at = (seconds: number) => ({ now: new Date(seconds * 1000), generation: seconds });
const ready = { type: "Ready", status: "True", reason: "Succeeded", message: "done" } as const;

describe("conditions", () => {
  it("KS-224: the transition time moves with status, reason or message only", () => {
    const first = setCondition([], ready, at(1));
    const same = setCondition(first, ready, at(2));
    expect(same[0]).toEqual({ ...first[0], observedGeneration: 2 });
    expect(setCondition(first, { ...ready, message: "again" }, at(2))[0]?.lastTransitionTime).toBe(
      "1970-01-01T00:00:02Z",
    );
  });

  it("KS-224: the order is Stalled, Reconciling, Ready, others", () => {
    let conditions: Condition[] = [];
    for (const type of ["Healthy", "Ready", "ArtifactInStorage", "Stalled", "Reconciling"]) {
      conditions = setCondition(conditions, { ...ready, type }, at(1));
    }
    expect(conditions.map(({ type }) => type)).toEqual([
      "Stalled",
      "Reconciling",
      "Ready",
      "ArtifactInStorage",
      "Healthy",
    ]);
    expect(removeCondition(conditions, "Ready")).toHaveLength(4);
  });

  it("KS-224: a message is cut to 32768 characters", () => {
    const message = setCondition([], { ...ready, message: "x".repeat(40_000) }, at(1))[0]?.message ?? "";
    expect(message).toHaveLength(32_768);
    expect(message.endsWith("...")).toBe(true);
  });
});
