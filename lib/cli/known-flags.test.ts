import { describe, expect, it } from "vitest";
import { requireKnownFlags } from "./known-flags.ts";

const known = { context: {}, "admission-seed": {} };

describe("the flags of a command", () => {
  it("are taken in both spellings that citty reads", () => {
    expect(() => requireKnownFlags({ _: [], context: "a", "admission-seed": "b" }, known)).not.toThrow();
    expect(() => requireKnownFlags({ _: [], admissionSeed: "b" }, known)).not.toThrow();
  });

  it("are refused where the command does not know them", () => {
    expect(() => requireKnownFlags({ _: [], contxt: "a" }, known)).toThrow(
      "there is no flag --contxt: --help lists them",
    );
    expect(() => requireKnownFlags({ _: [], constructor: true }, known)).toThrow("there is no flag --constructor");
  });

  it("are all that a command takes", () => {
    expect(() => requireKnownFlags({ _: ["prod"] }, known)).toThrow("'prod' belongs to no flag: --help lists them");
  });
});
