import { describe, expect, it } from "vitest";
import { humanSize } from "./human-size.ts";

describe("the size of an index in an event", () => {
  it.each([
    [0, "0B"],
    [999, "999B"],
    [1000, "1kB"],
    [1234, "1.234kB"],
    [123_456, "123.5kB"],
    [1_000_000, "1MB"],
    [72_592_513, "72.59MB"],
    [2_000_000_000, "2GB"],
  ])("HR-012: %i bytes are %s", (bytes, told) => {
    expect(humanSize(bytes)).toBe(told);
  });
});
