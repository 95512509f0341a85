import { describe, expect, it } from "vitest";
import { compileIgnoreRules } from "./ignore.ts";

const selecting = (name: string, times = 1) =>
  compileIgnoreRules(Array.from({ length: times }, () => ({ paths: ["/data"], target: { name } })));
const named = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", name });

describe("expressions of ignore rules", () => {
  it("KS-150: take time that is linear in the name, whatever they are", async () => {
    const [rule] = await selecting("(a+)+$");
    const before = performance.now();
    expect(rule?.mayMatch(named(`${"a".repeat(252)}b`))).toBe(false);
    expect(performance.now() - before).toBeLessThan(500);
  });

  it("KS-150: that are too large, one by one or together, are refused", async () => {
    const prefix = "failed to create ignore rule selector: invalid name regex:";
    await expect(selecting("(a?){1000}".repeat(50))).rejects.toThrow(
      `${prefix} the expressions of all rules are too large`,
    );
    await expect(selecting("(a?){1000}", 10)).rejects.toThrow(`${prefix} the expressions of all rules are too large`);
    await expect(selecting("a".repeat(1001))).rejects.toThrow(`${prefix} it is longer than 1000 characters`);
    await expect(selecting("app-[a-z0-9]{1,50}", 40)).resolves.toHaveLength(40);
  });
});
