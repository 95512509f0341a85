import { describe, expect, it } from "vitest";
import { type DelayedMessage, delaySeconds, formatDelayedMessage, parseDelayedMessage } from "./delayed-message.ts";

const delayed: DelayedMessage = {
  queue: "apply",
  message: { body: "{}", group: "g", deduplication: "d" },
  dueAt: 1_800_000_000_000,
};

describe("messages of the delay queue", () => {
  it("what is written is read", () => {
    expect(parseDelayedMessage(formatDelayedMessage(delayed))).toEqual(delayed);
  });

  it.each([
    "null",
    "[]",
    "{}",
    JSON.stringify({ ...delayed, queue: "delay" }),
    JSON.stringify({ ...delayed, queue: "toString" }),
    JSON.stringify({ ...delayed, dueAt: "soon" }),
    JSON.stringify({ ...delayed, message: { body: "{}", group: "g" } }),
  ])("%s is refused", (body) => {
    expect(() => parseDelayedMessage(body)).toThrow("the message is not a delayed message");
  });

  it("SQS: a delay is rounded up to whole seconds, and 900 at most", () => {
    const now = 1_000_000;
    expect([-5_000, 0, 1, 1_000, 1_001, 899_500, 900_001, 86_400_000].map((ms) => delaySeconds(now + ms, now))).toEqual(
      [0, 0, 1, 1, 2, 900, 900, 900],
    );
  });
});
