import { describe, expect, it } from "vitest";
import { parseLabelSelector, parseObjectSelector } from "./label-selector.ts";

const name = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const named =
  "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is";
const value = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${name})?')`;
const operators = "in, notin, =, ==, !=, gt, lt";

describe("parseLabelSelector", () => {
  it.each([
    ["a=b", { a: "b" }, true],
    ["a==b", { a: "c" }, false],
    ["a = b", {}, false],
    ["a!=b", {}, true],
    ["a!=b", { a: "b" }, false],
    ["a", { a: "" }, true],
    ["!a", { a: "" }, false],
    ["a in (b, c)", { a: "c" }, true],
    ["a in (b,c),!d", { a: "b", d: "x" }, false],
    ["a notin (b)", {}, true],
    ["a in (,)", { a: "" }, true],
    ["a in ()", { a: "" }, true],
    ["in in (in)", { in: "in" }, true],
    ["a>5,a<7", { a: "6" }, true],
    ["a>5", { a: "x" }, false],
    ["a=", { a: "" }, true],
    ["", {}, true],
    ["example.org/a=b", { "example.org/a": "b" }, true],
    ["constructor", {}, false],
  ])("%s", (selector, labels, selected) => {
    expect(parseLabelSelector(selector)(labels)).toBe(selected);
  });

  // As apimachinery v0.36.3 answers them.
  it.each([
    ["a b", `unable to parse requirement: found 'b', expected: ${operators}`],
    ["a in b", "unable to parse requirement: found 'b' expected: '('"],
    ["a in (b", "unable to parse requirement: found '', expected: ',' or ')'"],
    ["a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"],
    ["a,", "found '', expected: identifier after ','"],
    ["a,,b", "found ',', expected: identifier after ','"],
    ["=a", "found '=', expected: !, identifier, or 'end of string'"],
    [
      "a>x",
      "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    ["a!", `unable to parse requirement: found '!', expected: ${operators}`],
    ["a=b=c", "found '=', expected: ',' or 'end of string'"],
    [
      "a//b=c",
      `unable to parse requirement: <nil>: Invalid value: "a//b": a valid label key must consist of ${named} '${name}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ],
    ["-a=b", `unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of ${named} '${name}')`],
    ["a=-b", `unable to parse requirement: values[0][a]: Invalid value: "-b": ${value}`],
    ["/a=b", 'unable to parse requirement: <nil>: Invalid value: "/a": prefix part must be non-empty'],
    ["a===b", "unable to parse requirement: found '=', expected: identifier"],
    ["!=a", "found '!=', expected: !, identifier, or 'end of string'"],
    ["!", "unable to parse requirement: found '', expected: identifier"],
  ])("refuses %s", (selector, message) => {
    expect(() => parseLabelSelector(selector)).toThrow(new Error(message));
  });
});

describe("parseObjectSelector", () => {
  it.each([
    [
      "a=b,c==d",
      [
        ["a", "In", "b"],
        ["c", "In", "d"],
      ],
    ],
    ["a!=b", [["a", "NotIn", "b"]]],
    [
      "a in (c, b),d notin (e),f,!g",
      [
        ["a", "In", "b", "c"],
        ["d", "NotIn", "e"],
        ["f", "Exists"],
        ["g", "DoesNotExist"],
      ],
    ],
    ["a=", [["a", "In", ""]]],
    ["", []],
  ])("%s", (selector, expressions) => {
    const found = parseObjectSelector(selector).matchExpressions;
    expect(found.map(({ key, operator, values = [] }) => [key, operator, ...values])).toEqual(expressions);
  });

  it("selects more where the API cannot select as exactly, and never less", () => {
    expect(parseObjectSelector("a>5,a<7")).toEqual({
      matchExpressions: [
        { key: "a", operator: "Exists" },
        { key: "a", operator: "Exists" },
      ],
    });
  });

  it("refuses what is no selector", () => {
    expect(() => parseObjectSelector("a b")).toThrow("found 'b', expected");
    expect(() => parseObjectSelector("a".repeat(17_000))).toThrow("is too long");
  });
});
