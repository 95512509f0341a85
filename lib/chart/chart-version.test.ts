import { describe, expect, it } from "vitest";
import { chooseVersion } from "./chart-version.ts";
import { formatIndex, parseIndex, readStoredIndex } from "./helm-index.ts";

/** Versions of a chart, with the times that they were created at where that counts. */
function indexOf(versions: readonly (string | [version: string, created: string])[]) {
  const entries = versions.map((version) => {
    const [text, created] = typeof version === "string" ? [version, "2024-01-01T00:00:00Z"] : version;
    return { name: "app", version: text, created, urls: [`app-${text}-${created}.tgz`] };
  });
  const index = { apiVersion: "v1", entries: { app: entries, empty: [] } };
  return readStoredIndex(formatIndex(parseIndex(Buffer.from(JSON.stringify(index)), { size: 1024 * 1024 })));
}

describe("the version of a chart", () => {
  it.each([
    ["1.0.0", ["1.0.0", "2.0.0"], "1.0.0"],
    ["", ["1.0.0", "2.0.0-rc.1", "1.10.0"], "1.10.0"],
    ["*", ["1.0.0", "2.0.0-rc.1", "1.10.0"], "1.10.0"],
    [">=1.0.0-0", ["1.0.0", "2.0.0-rc.1", "1.10.0"], "2.0.0-rc.1"],
    ["1.x", ["1.0.0", "1.2.0", "2.0.0"], "1.2.0"],
    ["^1.0", ["1.0.0", "1.2.0", "2.0.0"], "1.2.0"],
    ["~1.0", ["1.0.0", "1.0.9", "1.2.0"], "1.0.9"],
    ["v1.2.0", ["1.2.0", "1.3.0"], "1.2.0"],
    ["0.1.5+a/b/c", ["0.1.5", "0.1.6"], undefined],
    ["1.2", ["1.2", "1.2.5", "1.3.0"], "1.2"],
    [">1.0", ["v1.5", "1.1.0"], "1.1.0"],
    ["<2 || >=3.0.0", ["1.0.0", "2.5.0", "3.1.0"], "3.1.0"],
  ])("HC-011: %j of %j is %j", (range, versions, wanted) => {
    const index = indexOf(versions);
    if (wanted === undefined) expect(() => chooseVersion(index, "app", range)).toThrow();
    else expect(chooseVersion(index, "app", range).version).toBe(wanted);
  });

  it("HC-011: of versions that differ in build metadata alone the one created last wins, to the nanosecond and in any zone", () => {
    const choose = (...created: string[]) =>
      chooseVersion(
        indexOf(created.map((time, position): [string, string] => [`1.0.0+b${position}`, time])),
        "app",
        ">=1.0.0",
      ).version;
    expect(choose("2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-02T00:00:00Z")).toBe("1.0.0+b1");
    expect(choose("2024-01-01T00:00:00.000000002Z", "2024-01-01T00:00:00.000000001Z")).toBe("1.0.0+b0");
    expect(choose("2024-01-01T12:00:00+02:00", "2024-01-01T11:00:00Z")).toBe("1.0.0+b1");
    expect(choose("2024-01-01T12:00:00Z", "2024-01-01T12:00:00Z")).toBe("1.0.0+b1");
    const exact = indexOf([
      ["1.0.0+b0", "2024-01-01T00:00:00Z"],
      ["1.0.0+b1", "2024-01-02T00:00:00Z"],
    ]);
    expect(chooseVersion(exact, "app", "1.0.0+b0").version).toBe("1.0.0+b0");
  });

  it("HC-012: says in Flux's words what there is not", () => {
    const index = indexOf(["1.0.0"]);
    expect(() => chooseVersion(index, "app", ">2.0.0")).toThrow("no 'app' chart with version matching '>2.0.0' found");
    expect(() => chooseVersion(index, "other", "*")).toThrow("no chart name found");
    expect(() => chooseVersion(index, "empty", "*")).toThrow("no chart version found");
    expect(() => chooseVersion(index, "app", "not a range")).toThrow("improper constraint");
  });
});
