import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseStrictYaml } from "../text/yaml.ts";
import { readBlockItem } from "./index-lines.ts";
import { itemText } from "./testdata/index-text.ts";

describe("the fast reader of versions", () => {
  it("HR-005: reads what the general parser reads, or leaves it to it", () => {
    let read = 0;
    fc.assert(
      fc.property(itemText("  "), (text) => {
        const value = readBlockItem(text, 2);
        if (value === undefined) return;
        read++;
        expect([value]).toEqual(parseStrictYaml(text));
      }),
      { numRuns: 5000 },
    );
    expect(read).toBeGreaterThan(500);
  });
});
