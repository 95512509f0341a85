import { describe, expect, it } from "vitest";
import { batchesOf, byteLimit } from "./batch.ts";

const sizes = (messages: { body: string }[]) =>
  batchesOf(messages).map((batch) => batch.map(({ body }) => body.length));
const message = (length: number) => ({ body: "x".repeat(length) });

describe("batches of a queue", () => {
  it("SQS: nothing is no batch, and ten messages are one", () => {
    expect(sizes([])).toEqual([]);
    expect(sizes(Array.from({ length: 10 }, () => message(1)))).toEqual([Array.from({ length: 10 }, () => 1)]);
    expect(sizes(Array.from({ length: 21 }, () => message(1))).map(({ length }) => length)).toEqual([10, 10, 1]);
  });

  it("SQS: a batch is 256 KB at most, counted in bytes, and the order is kept", () => {
    expect(sizes([100_000, 100_000, 62_144, 1, byteLimit, 5].map(message))).toEqual([
      [100_000, 100_000, 62_144],
      [1],
      [byteLimit],
      [5],
    ]);
    const wide = { body: "ü".repeat(byteLimit / 2) };
    expect(batchesOf([wide, message(1)])).toEqual([[wide], [message(1)]]);
  });

  it("SQS: a message that no batch can hold is refused", () => {
    expect(() => batchesOf([message(1), message(byteLimit + 1)])).toThrow(
      "a message of 262145 bytes is larger than a queue takes (262144)",
    );
  });
});
