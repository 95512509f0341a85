import { describe, expect, it } from "vitest";
import { formatGoYaml } from "../text/go-yaml.ts";
import {
  confinedPath,
  effectiveValuesFiles,
  mergeFileValues,
  mergeValues,
  readValues,
  readValuesFile,
} from "./values.ts";

const bytes = (text: string) => Buffer.from(text);
const merged = (...files: string[]) =>
  formatGoYaml(
    mergeFileValues(
      (path) => ({ name: path, content: bytes(files[Number(path)] ?? "") }),
      files.map((_, index) => String(index)),
      false,
    ).values,
  );

describe("values", () => {
  it("HC-040: merges maps deep, and replaces lists, scalars and nulls by the later", () => {
    for (const [files, result] of [
      [["a: 1\nb: {c: 1, d: 2}\n", "b: {c: 3}\n"], "a: 1\nb:\n  c: 3\n  d: 2\n"],
      [["a: [1, 2]\n", "a: [3]\n"], "a:\n- 3\n"],
      [["a: {b: 1}\n", "a: null\n"], "a: null\n"],
      [["a: null\n", "a: {b: 1}\n"], "a:\n  b: 1\n"],
      [["a: {b: 1}\n", "a: {b: null}\n"], "a:\n  b: null\n"],
      [["a: {b: 1}\n", "a: text\n"], "a: text\n"],
      [
        ["a: 0777\nb: yes\nc: 1.0\nd: 9007199254740993\ne: 1e3\n"],
        "a: 511\nb: true\nc: 1\nd: 9007199254740992\ne: 1000\n",
      ],
      [["z: 1\na: '1'\nB: 'yes'\n10: x\n"], '"10": x\nB: "yes"\na: "1"\nz: 1\n'],
      [["a: &a {b: 1}\nc: {<<: *a, d: 2}\n"], "a:\n  b: 1\nc:\n  b: 1\n  d: 2\n"],
      [["# nothing\n", "a: 1\n---\nb: 2\n"], "a: 1\n"],
      [["__proto__: {polluted: true}\n", "__proto__: {x: 1}\n"], "__proto__:\n  polluted: true\n  x: 1\n"],
    ] as const)
      expect(merged(...files), files.join("---\n")).toBe(result);
    expect(Object.prototype).not.toHaveProperty("polluted");
  });

  it("HC-040: takes all documents of a chart's own values", () => {
    expect(readValues(bytes("a: {b: 1}\n---\na: {c: 2}\n"), "values.yaml")).toEqual({ a: { b: 1, c: 2 } });
    expect(mergeValues({ a: 1 }, {})).toEqual({ a: 1 });
  });

  it("HC-044: refuses what is no map, no YAML or a bomb, and tells nothing of it", () => {
    const laughs = Array.from({ length: 12 }, (_, index) =>
      index === 0 ? "a0: &a0 [x, x, x]\n" : `a${index}: &a${index} [${`*a${index - 1},`.repeat(9)}]\n`,
    ).join("");
    for (const [text, words] of [
      ["- secret\n", "the document is no map"],
      ["a: [secret\n", "unmarshaling values from 'x' failed: line"],
      ["a: .inf\n", "a number is not one of JSON"],
      [laughs, "document contains excessive aliasing"],
    ] as const) {
      const read = () => readValuesFile(bytes(text), "x");
      expect(read).toThrow(words);
      expect(read).not.toThrow("secret");
    }
  });

  it("HC-041, HC-044: knows the chart's own values in any spelling, and lets no path out", () => {
    expect(effectiveValuesFiles(["./x/../values.yaml"])).toEqual([]);
    expect(effectiveValuesFiles(["values.yaml", "values.yaml"])).toHaveLength(2);
    expect(confinedPath("/../a/./../../b//c")).toBe("b/c");
    expect(confinedPath("..")).toBe("");
  });
});
