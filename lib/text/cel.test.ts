import { describe, expect, it } from "vitest";
import { CelError } from "./cel/syntax.ts";
import { compileCel, parseCel } from "./cel.ts";

const problemOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof CelError) return error.message;
    throw error;
  }
  return "none";
};

describe("compileCel", () => {
  const compile = (text: string) => compileCel(text, ["self", "dep"]);

  it.each([
    ["dep.spec.suspend", "CEL expression output type mismatch: expected bool, got dyn"],
    ["self.metadata", "CEL expression output type mismatch: expected bool, got dyn"],
    ["1", "CEL expression output type mismatch: expected bool, got int"],
    ["null", "CEL expression output type mismatch: expected bool, got null_type"],
    ["duration('1s')", "CEL expression output type mismatch: expected bool, got google.protobuf.Duration"],
    [
      "deps.spec.suspend",
      "failed to parse the CEL expression 'deps.spec.suspend': ERROR: <input>:1:1: undeclared reference to 'deps' (in container '')\n | deps.spec.suspend\n | ^",
    ],
    [
      "dep.spec.",
      "failed to parse the CEL expression 'dep.spec.': ERROR: <input>:1:10: Syntax error: no viable alternative at input '.'\n | dep.spec.\n | .........^",
    ],
    ["dep.metadata.name.matches('[')", "failed to create CEL program: error parsing regexp: missing closing ]: `[`"],
  ])("KS-043: %s is refused", (text, problem) => {
    expect(problemOf(() => compile(text))).toBe(problem);
  });

  it.each([
    "dep.spec.suspend == true",
    "!dep.spec.suspend",
    "dep.spec.suspend || false",
    "optional.none().orValue(true)",
  ])("KS-043: %s is bool", (text) => {
    expect(problemOf(() => compile(text))).toBe("none");
  });

  it("KS-044: what is not there is told when it is asked for", () => {
    const expression = compile("dep.metadata.labels['x'] == '1'");
    expect(expression.evaluateBoolean({ self: {}, dep: { metadata: { labels: { x: "1" } } } })).toBe(true);
    expect(problemOf(() => expression.evaluateBoolean({ self: {}, dep: { metadata: { labels: {} } } }))).toBe(
      "failed to evaluate the CEL expression 'dep.metadata.labels['x'] == '1'': no such key: x",
    );
  });
});

describe("parseCel", () => {
  it("KS-201: names are looked for when they are asked for", () => {
    const expression = parseCel("has(status.x)");
    expect(expression.evaluateBoolean({ status: {} })).toBe(false);
    expect(expression.evaluateBoolean({ status: { x: 1 } })).toBe(true);
    expect(problemOf(() => expression.evaluateBoolean({ spec: {} }))).toBe(
      "failed to evaluate the CEL expression 'has(status.x)': no such attribute(s): status.x",
    );
  });

  it("KS-201: an answer that is neither true nor false is none", () => {
    expect(problemOf(() => parseCel("status.n").evaluateBoolean({ status: { n: 1 } }))).toBe(
      "failed to evaluate CEL expression as boolean: 'status.n'",
    );
  });

  it("KS-047: a name that every object of JavaScript has is no field", () => {
    expect(problemOf(() => parseCel("constructor == 1").evaluateBoolean({}))).toContain(
      "no such attribute(s): constructor",
    );
    expect(parseCel("has(status.constructor) || has(status.__proto__)").evaluateBoolean({ status: {} })).toBe(false);
    expect(parseCel("{'__proto__': 1}['__proto__'] == 1").evaluateBoolean({})).toBe(true);
  });
});

it("evaluations may share what they may cost", () => {
  const budget = { left: 100 };
  const expression = parseCel("l.all(x, x > 0)");
  expect(expression.evaluateBoolean({ l: [1, 2, 3] }, budget)).toBe(true);
  expect(budget.left).toBeLessThan(90);
  const again = () => Array.from({ length: 20 }, () => expression.evaluateBoolean({ l: [1, 2, 3] }, budget));
  expect(problemOf(again)).toContain("cost limit exceeded");
});

describe("what an expression may cost", () => {
  const list = `[${Array.from({ length: 100 }, (_, index) => index).join(",")}]`;
  const nested = (depth: number): string => (depth === 0 ? "true" : `l.all(x${depth}, ${nested(depth - 1)})`);
  const doubled = (depth: number): string => (depth === 0 ? "[s]" : `${doubled(depth - 1)}.map(x, x + x)`);
  const grown = (depth: number): string => (depth === 0 ? "[l]" : `${grown(depth - 1)}.map(x, x + x)`);
  const letters = "a".repeat(100_000);

  it.each([
    ["loops in loops", nested(12), "operation cancelled: actual cost limit exceeded"],
    ["a text that doubles", `${doubled(60)}.size() == 1`, "operation cancelled: actual cost limit exceeded"],
    ["a list that doubles", `${grown(60)}.size() == 1`, "operation cancelled: actual cost limit exceeded"],
    ["a long comparison in a loop", "l.all(a, l.all(b, s + 'a' == s + 'a'))", "cost limit exceeded"],
    ["a pattern in a loop", "l.all(a, l.all(b, s.matches('(a|a)*b') == false))", "cost limit exceeded"],
    [
      "a time zone in a loop",
      "l.all(a, l.all(b, timestamp(a).getHours('Asia/Tokyo') > 30 || true))",
      "cost limit exceeded",
    ],
    [
      "patterns that are made in a loop",
      "l.all(a, l.all(b, 'x'.matches(string(a) + '|x|' + string(b))))",
      "cost limit exceeded",
    ],
    ["a split in a loop", "l.all(a, s.split('').size() > 0)", "cost limit exceeded"],
    ["a failure that another operand would hide", `${nested(12)} || true`, "cost limit exceeded"],
  ])("%s ends", (_, text, problem) => {
    const started = performance.now();
    const variables = { l: JSON.parse(list), s: letters };
    expect(problemOf(() => parseCel(text).evaluateBoolean(variables))).toContain(problem);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it.each([
    ["brackets", "(".repeat(5000), "recursion limit exceeded"],
    ["lists", "[".repeat(5000), "recursion limit exceeded"],
    ["signs", `${"!".repeat(7001)}true`, "none"],
    ["operands", Array.from({ length: 1000 }, () => "true").join(" && "), "none"],
    ["sums", Array.from({ length: 4000 }, () => "1").join("+"), "recursion limit exceeded"],
    ["sums before brackets", `${"(".repeat(30)}1${`${"+1".repeat(120)})`.repeat(30)}`, "recursion limit exceeded"],
    ["fields", `a${".b".repeat(4000)}`, "recursion limit exceeded"],
    ["questions", "true?true:".repeat(800), "recursion limit exceeded"],
    ["characters", "a".repeat(8 * 1024 + 1), "exceeds limit"],
    ["a pattern", `'a'.matches('${"(a{1000})".repeat(200)}')`, "error parsing regexp"],
  ])("an expression of many %s ends", (_, text, problem) => {
    const started = performance.now();
    expect(problemOf(() => parseCel(text))).toContain(problem);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
