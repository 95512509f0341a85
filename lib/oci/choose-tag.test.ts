import { describe, expect, it } from "vitest";
import { type TagChoice, tagChooser } from "./choose-tag.ts";

const signal = AbortSignal.timeout(20_000);
const choose = async (tags: readonly string[], choice: TagChoice) => (await tagChooser(choice))(tags, signal);

describe("the tag of a range", () => {
  it("OCI-004: is of the highest version, in thousands of tags, and only of what the filter finds", async () => {
    const tags = Array.from({ length: 3000 }, (_, index) => `1.0.${index}`);
    expect(await choose([...tags, "latest", "v2", "2.0.0-rc.1"], { semver: "1.x" })).toBe("1.0.2999");
    expect(
      await choose(["6.1.0", "6.1.6-rc.1", "6.2.0-rc.0", "7.0.0"], { semver: ">= 6.1.x-0", filter: ".*-rc.*" }),
    ).toBe("6.2.0-rc.0");
    expect(await choose(["v1.0.0", "1.0.0"], { semver: "1", filter: "^v" })).toBe("v1.0.0");
  });

  it("OCI-006: reads _ as + in the tags of charts alone", async () => {
    expect(await choose(["6.1.4_b1", "6.1.3"], { semver: "6.x", isChart: true })).toBe("6.1.4_b1");
    expect(await choose(["6.1.4_b1", "6.1.3"], { semver: "6.x" })).toBe("6.1.3");
  });

  it("OCI-005: is none where nothing matches or the choice cannot be read", async () => {
    await expect(choose(["1.0.0"], { semver: ">= 2" })).rejects.toThrow("no match found for semver: >= 2");
    await expect(choose([], { semver: "six" })).rejects.toThrow("semver 'six' parse error: improper constraint");
    await expect(choose([], { semver: "*", filter: "(" })).rejects.toThrow("error parsing regexp: missing closing )");
    await expect(choose([], { semver: "*", filter: "(?=a)" })).rejects.toThrow("error parsing regexp");
    await expect(choose([], { semver: "*", filter: "((a{30}){30}){30}" })).rejects.toThrow("error parsing regexp");
  });

  it("SN-012: takes no time that hostile expressions and tags would like it to", async () => {
    const tags = Array.from({ length: 100 }, (_, index) => `${"a".repeat(120)}!${index}`);
    const chooser = await tagChooser({ semver: "*", filter: "(a+)+$" });
    const begun = performance.now();
    await expect(chooser(tags, signal)).rejects.toThrow("no match found");
    expect(performance.now() - begun).toBeLessThan(100);
    const many = Array.from({ length: 100_000 }, () => "a".repeat(128));
    const heavy = await tagChooser({ semver: "*", filter: "(?:a?b?c?){300}[xy]" });
    const late = Date.now();
    await expect(heavy(many, AbortSignal.timeout(200))).rejects.toThrow("timeout");
    expect(Date.now() - late).toBeLessThan(3_000);
  });
});
