import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergePatch } from "./status.ts";

/** RFC 7386, section 2. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = apply(result[key], value);
  }
  return result;
}

/** A status holds no nulls: a merge patch cannot write one. */
const status = fc.dictionary(
  fc.constantFrom("a", "b", "c", "d"),
  fc.letrec((tie) => ({
    value: fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("x", "y"), tie("value"), { maxKeys: 2 }),
    ),
  })).value,
);

describe("status patches", () => {
  it("KS-227: a patch turns the one status into the other, and equal ones need none", () => {
    fc.assert(
      fc.property(status, status, (from, to) => {
        const patch = mergePatch(from, to);
        expect(patch === undefined ? from : apply(from, patch)).toEqual(to);
        expect(mergePatch(to, structuredClone(to))).toBeUndefined();
      }),
    );
  });

  it("KS-227: only what differs is in the patch", () => {
    const from = { observedGeneration: 1, conditions: [{ type: "Ready" }], artifact: { revision: "a", size: 1 } };
    const to = { observedGeneration: 2, artifact: { revision: "b", size: 1 } };
    expect(mergePatch(from, to)).toEqual({ observedGeneration: 2, conditions: null, artifact: { revision: "b" } });
  });
});
