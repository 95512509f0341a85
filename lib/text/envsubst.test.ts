// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these texts are what is tested
import { describe, expect, it } from "vitest";
import { substituteVariables } from "./envsubst.ts";

const variables = new Map([
  ["v", "abcdef"],
  ["e", ""],
  ["f", "a/b/c"],
  ["n", "2"],
  ["g", "a.b.c"],
  ["q", '"'],
  ["w", "Grüße"],
  ["d", "$&"],
]);
const strict = (text: string) => substituteVariables(text, (name) => variables.get(name));
const lenient = (text: string) => substituteVariables(text, (name) => variables.get(name) ?? "");
const upstream = (text: string, values: Record<string, string> = {}) =>
  substituteVariables(text, (name) => values[name] ?? "");

describe("the substitution dialect of Flux", () => {
  it.each([
    ["${v}", "abcdef"],
    ["$v", "$v"],
    ["$(v)", "$(v)"],
    ["{{ .x }}", "{{ .x }}"],
    ["$${v}", "${v}"],
    ["$$v", "$v"],
    ["$$$${v}", "$${v}"],
    ["$$${v}", "$abcdef"],
    ["\\${v}", "\\abcdef"],
    ["$", "$"],
    ["a$", "a$"],
    ["}", "}"],
    ["${u:-x}", "x"],
    ["${u:=x}", "x"],
    ["${u=x}", "x"],
    ["${e:-x}", "x"],
    ["${e=x}", "x"],
    ["${u:+x}", "x"],
    ["${u:?x}", "x"],
    ["${v:+x}", "abcdef"],
    ["${u:-${v}}", "abcdef"],
    ["${u:-a${v}b}", "aabcdefb"],
    ["${u:-${t:-z}}", "z"],
    ["${u:-}", ""],
    ["${u:-}}", "}"],
    ["${u:-$$x}", "$$x"],
    ["${v:2}", "cdef"],
    ["${v:2:3}", "cde"],
    ["${v:2:30}", "cdef"],
    ["${v:9}", ""],
    ["${v: -2}", "abcdef"],
    ["${v:-2}", "abcdef"],
    ["${v:x}", "abcdef"],
    ["${v:0:x}", "abcdef"],
    ["${v:${n}}", "cdef"],
    ["${v:0:${n}}", "ab"],
    ["${v::2}", new Error("unable to parse substitution within function")],
    ["${v^}", "Abcdef"],
    ["${v^^}", "ABCDEF"],
    ["${v,}", "abcdef"],
    ["${v,,}", "abcdef"],
    ["${v,^}", "abcdef"],
    ["${#v}", "6"],
    ["${#w}", "7"],
    ["${w^^}", "GRÜßE"],
    ["${f/\\//-}", "a-b/c"],
    ["${f//\\//-}", "a-b-c"],
    ["${v/bc/X}", "aXdef"],
    ["${v/bc/}", "adef"],
    ["${v/b*/X}", "abcdef"],
    ["${v/bc/${d}}", "a$&def"],
    ["${v//${e}/-}", "-a-b-c-d-e-f-"],
    ["${v/#ab/X}", "Xcdef"],
    ["${v/#b/X}", "abcdef"],
    ["${v/#ab/}", "abcdef"],
    ["${v/%ef/X}", "abcdX"],
    ["${v/%ab/X}", "abcdef"],
    ["${f#*/}", "b/c"],
    ["${f##*/}", "c"],
    ["${f%/*}", "a/b"],
    ["${f%%/*}", "a"],
    ["${g#?.}", "b.c"],
    ["${v#[ab]}", "bcdef"],
    ["${v#[^b]}", "bcdef"],
    ["${v##[a-c]*d}", "ef"],
    ["${v#[a}", "abcdef"],
    ["${v#\\a}", "bcdef"],
    ["${v#b}", "abcdef"],
    ["${v#*}", "bcdef"],
    ["${v##*}", ""],
    ["${w##*ß}", "e"],
    ["${q}${n}${q}", '"2"'],
  ])("KS-121: %s", (text, expected) => {
    if (typeof expected === "string") expect(strict(text)).toBe(expected);
    else expect(() => strict(text)).toThrow(expected);
  });

  it.each([
    ["${u-x}", "missing closing brace"],
    ["${v-x}", "missing closing brace"],
    ["${v.x}", "missing closing brace"],
    ["${v }", "missing closing brace"],
    ["${v@Q}", "missing closing brace"],
    ["${v[0]}", "missing closing brace"],
    ["${v", "missing closing brace"],
    ["${a.b}", "missing closing brace"],
    ["${}", "unable to parse variable name"],
    ["${ v}", "unable to parse variable name"],
    ["${{ x }}", "unable to parse variable name"],
    ["${!v}", "unable to parse variable name"],
    ["${", "unable to parse variable name"],
    ["${v:-x", "unable to parse substitution within function"],
    ["${v:}", "unable to parse substitution within function"],
    ["${v#}", "unable to parse substitution within function"],
    ["${v:", "bad substitution"],
    ["${v:é}", "bad substitution"],
    ["${v^^^}", "bad substitution"],
    ["${v/a}", "bad substitution"],
    ["${v%${n}x}", "bad substitution"],
    ["${#}", "bad substitution"],
    ["${#v:1}", "bad substitution"],
    ["${v:0:-1}", "slice bounds out of range [0:-1]"],
  ])("KS-120, KS-121: %s is refused", (text, message) => {
    expect(() => lenient(text)).toThrow(new Error(message));
  });

  it.each([
    "${u}",
    "${1}",
    "${#u}",
    "${u^}",
    "${u,,}",
    "${u:0}",
    "${u:0:10}",
    "${u/p/r}",
    "${u//p/r}",
    "${u/#p/r}",
    "${u/%p/r}",
    "${u#p}",
    "${u##p}",
    "${u%p}",
    "${u%%p}",
    "${v:-${u}}",
  ])("KS-114, KS-121: %s fails where the variable is not set", (text) => {
    const name = text.includes("1}") ? "1" : "u";
    expect(() => strict(text)).toThrow(new Error(`variable not set (strict mode): "${name}"`));
    expect(lenient(text)).toBe(text === "${#u}" ? "0" : text === "${v:-${u}}" ? "abcdef" : "");
  });

  it("KS-114: a variable that is set but empty is no failure", () => expect(strict("[${e}]")).toBe("[]"));

  it.each([
    ["abcdEFGH28ij", "abcdEFGH28ij", {}],
    ["${#s}", "12", { s: "abcdEFGH28ij" }],
    ["${s^}", "AbcdEFGH28ij", { s: "abcdEFGH28ij" }],
    ["${s^^}", "ABCDEFGH28IJ", { s: "abcdEFGH28ij" }],
    ["${s,}", "aBCDEFGH28IJ", { s: "ABCDEFGH28IJ" }],
    ["${s,,}", "abcdefgh28ij", { s: "ABCDEFGH28IJ" }],
    ["${p:11}", "ideas/thoughts.for.today", { p: "/home/bozo/ideas/thoughts.for.today" }],
    ["${p:11:5}", "ideas", { p: "/home/bozo/ideas/thoughts.for.today" }],
    ["${var=xyz}", "abc", { var: "abc" }],
    ["something ${var=${default_var}}", "something foo", { default_var: "foo" }],
    ["foo: ${var=${default_var}-suffix}", "foo: foo1-suffix", { default_var: "foo1" }],
    ["foo: ${var=prefix${default_var}-suffix}", "foo: prefixfoo1-suffix", { default_var: "foo1" }],
    ["${s/%abc/XYZ}", "abcABC123ABCXYZ", { s: "abcABC123ABCabc" }],
    ["${s/#abc/XYZ}", "XYZABC123ABCabc", { s: "abcABC123ABCabc" }],
    ["${s//abc/xyz}", "xyzABC123ABCxyz", { s: "abcABC123ABCabc" }],
    ["${s/abc/xyz}", "xyzABC123ABCabc", { s: "abcABC123ABCabc" }],
    ["${s#*.}", "string.txt", { s: "bash.string.txt" }],
    ["${s#*/}", "path/to/file", { s: "/path/to/file" }],
    ["${s##*.}", "txt", { s: "bash.string.txt" }],
    ["${s##*/}", "file", { s: "/path/to/file" }],
    ["${s%.*}", "bash.string", { s: "bash.string.txt" }],
    ["${s%%.*}", "bash", { s: "bash.string.txt" }],
    ["${var=${s^^}}", "ABCDEFGH28IJ", { s: "abcdEFGH28ij" }],
    ["some text ${s}$${var$${s}$var01${s}", "some text abc${var${s}$var01abc", { s: "abc" }],
    ["something $${var=${default_var}}", "something ${var=foo}", { default_var: "foo" }],
    ["\\\\something ${var=${default_var}}", "\\\\something foo", { default_var: "foo" }],
    ["${s/./}", "foobar", { s: "foo.bar" }],
    ["}text", "}text", {}],
    ["http://github.com", "http://github.com", {}],
    ["\\\\.\\pipe\\pipename", "\\\\.\\pipe\\pipename", {}],
    ["${s:-3:2}", "123456789", { s: "123456789" }],
    ["${s:${m}:2}", "78", { s: "123456789", m: "-3" }],
    ["${s:${m}:3}", "123", { s: "123456789", m: "-300" }],
    ["${s:9:1}", "", { s: "12345678" }],
  ])("KS-121: what the library's own tests say of %s", (text, expected, values) => {
    expect(upstream(text, values)).toBe(expected);
  });

  it("KS-121: takes no longer than the text is", () => {
    const million = "a".repeat(1_000_000);
    const values = new Map([["m", million]]);
    const evaluate = (text: string) => substituteVariables(text, (name) => values.get(name));
    expect(evaluate(`${"$$".repeat(500_000)}\${m:0:1}`)).toHaveLength(500_001);
    expect(evaluate("${m##*b}")).toHaveLength(1_000_000);
    expect(evaluate("${m%%*a}")).toBe("");
    for (const text of [
      "${m}".repeat(100),
      "${m//a/${m}}",
      `\${m#${"*a".repeat(200)}b}`,
      "${u:-".repeat(5_000),
      "${#m}".repeat(1_000),
    ])
      expect(() => evaluate(text), text.slice(0, 20)).toThrow(/too much text|nested deeper/);
  });

  it("cuts no character in two", () => {
    expect(strict("${w:0:2}")).toBe("Gr");
    expect(() => strict("${w:0:3}")).toThrow("within a character");
  });
});
