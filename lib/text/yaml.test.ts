import { describe, expect, it } from "vitest";
import { aliasedSize, formatYaml, formatYamlDocuments, parseYamlDocuments, yamlProblem } from "./yaml.ts";

const scalar = (text: string) => (parseYamlDocuments(`v: ${text}`)[0] as { v: unknown }).v;

describe("Kubernetes YAML", () => {
  it.each([
    ["yes", true],
    ["Off", false],
    ["y", true],
    ["n", false],
    ["true", true],
    ["0777", 511],
    ["0o777", 511],
    ["0x1F", 31],
    ["0b11", 3],
    ["1_000", 1000],
    ["1e3", 1000],
    ["1.5", 1.5],
    ["-12", -12],
    ["~", null],
    ["", null],
    ["1:30", "1:30"],
    ["12:30:45", "12:30:45"],
    ["2001-12-14", "2001-12-14"],
    ["1.2.3", "1.2.3"],
    ["09", 9],
    ['"8080"', "8080"],
    ["!!str 123", "123"],
    ["1e400", "1e400"],
    ["+0x1F", 31],
    ["0o8", "0o8"],
    ["18446744073709551615", 18446744073709551615n],
    ["18446744073709551616", 2 ** 64],
    ["9007199254740993", 9007199254740993n],
  ])("KS-118: %s is read as go-yaml reads it", (text, value) => expect(scalar(text)).toEqual(value));

  it("KS-118: a plain key is read as a scalar, and becomes a text", () => {
    expect(parseYamlDocuments("n: 1\non: 2\n0x10: 3\n1.5: 4\n")).toEqual([{ false: 1, true: 2, 16: 3, "1.5": 4 }]);
  });

  it.each([
    ["a: s3cret: b", /^line 1: bad indentation/],
    ["a: 1\nb: *s3cret\n", /^line 2: unidentified alias$/],
    ["a: !s3cret b", /^line 1: unknown scalar tag$/],
    ['a: "s3cret', /^line \d: unexpected end of the stream within a double quoted scalar$/],
    ["a: &s3cret\n%s3cret\n", /^line/],
  ])("says what is wrong with %j without showing it", (text, problem) => {
    let said = "";
    try {
      parseYamlDocuments(text);
    } catch (error) {
      said = yamlProblem(error);
    }
    expect(said).toMatch(problem);
    expect(said).not.toContain("s3cret");
  });

  it("takes the last of equal keys and resolves merges", () => {
    expect(parseYamlDocuments("a: 1\na: 2\n")).toEqual([{ a: 2 }]);
    expect(parseYamlDocuments("a: &a {p: 1}\nb: {<<: *a, q: 2}\n")).toEqual([{ a: { p: 1 }, b: { p: 1, q: 2 } }]);
  });

  it("refuses depth and alias bombs", () => {
    expect(() => parseYamlDocuments(`${"[".repeat(300)}${"]".repeat(300)}`)).toThrow();
    expect(() => parseYamlDocuments(`a: &a [1]\nb: [${"*a,".repeat(1001)}]`)).toThrow();
  });

  it("writes what it reads", () => {
    const values = [
      { s: "yes", n: 1, octal: "0777", empty: null, text: "a\nb\n", date: "1:30", list: [true, "on"] },
      { b: "n" },
    ];
    expect(parseYamlDocuments(formatYamlDocuments(values))).toEqual(values);
    expect(formatYaml({ v: "true" })).toMatch(/v: ['"]true['"]/);
  });
});

describe("aliasedSize", () => {
  const multiplied = (levels: number) =>
    ["a0: &a0 [x]", ...Array.from({ length: levels }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`)].join("\n");

  it("counts every alias as a copy, however many there are", () => {
    const long = "x".repeat(1000);
    const size = aliasedSize(`a: &a {b: ${long}}\nc: [*a, *a]\n---\nd: &d ${long}\ne: *d\n`);
    expect(size).toBeGreaterThan(2900);
    expect(size).toBeLessThan(3000);
    expect(aliasedSize(multiplied(60))).toBeGreaterThan(2 ** 60);
    expect(aliasedSize(`a: &a ${long}\nb: [${"*a, ".repeat(5000)}]`)).toBeGreaterThan(4_900_000);
  });

  it("has no end where a value holds itself, or nests without end", () => {
    expect(aliasedSize("&a [*a]")).toBe(Number.POSITIVE_INFINITY);
    expect(aliasedSize(`a: &a 1\nb: *a\nc: ${"[".repeat(100_000)}`)).toBe(Number.POSITIVE_INFINITY);
  });

  it.each(["a: 1", 'a: "R&D"\nb: "*x"', "a: [&a *", "", `a: &a 1\nb: *a\nc: [${"1, ".repeat(100_000)}]`])(
    "is nothing for %#.",
    (text) => {
      expect(aliasedSize(text)).toBe(0);
    },
  );
});
