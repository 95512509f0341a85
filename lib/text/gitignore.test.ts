import { describe, expect, it } from "vitest";
import { fileMatcher, matchIgnorePattern, parseIgnorePattern } from "./gitignore.ts";

/** `-` excludes, `+` includes, nothing says nothing. A path that ends with a slash is a directory. */
function verdict(pattern: string, path: string, domain: readonly string[] = []): string {
  const isDirectory = path.endsWith("/");
  const components = path.replace(/\/$/, "").split("/");
  const match = matchIgnorePattern(parseIgnorePattern(pattern, domain), components, isDirectory);
  return match === undefined ? "" : match === "exclude" ? "-" : "+";
}

// Every row was run against fluxcd/pkg/sourceignore 0.18, and 60,000 random pairs besides.
const rows: [row: string, pattern: string, path: string, verdict: string][] = [
  ["IGN-005", "foo", "foo", "-"],
  ["IGN-005", "foo", "a/foo/b", "-"],
  ["IGN-005", "!foo", "a/foo", "+"],
  ["IGN-005", "foo/", "foo", ""],
  ["IGN-005", "foo/", "foo/", "-"],
  ["IGN-005", "foo/", "foo/bar", "-"],
  ["IGN-005", "foo ", "foo", "-"],
  ["IGN-005", "foo\\ ", "foo ", "-"],
  ["IGN-005", "/foo", "foo", "-"],
  ["IGN-005", "/foo", "a/foo", ""],
  ["IGN-005", "a/b", "a/b/c", "-"],
  ["IGN-005", "a/b", "x/a/b", ""],
  ["IGN-005", "a/b/", "a/b", ""],
  ["IGN-005", "a/b/", "a/b/c", "-"],
  ["IGN-005", "/", "a", ""],
  ["IGN-006", "**/foo", "foo", "-"],
  ["IGN-006", "**/foo", "a/b/foo/c", "-"],
  ["IGN-006", "a/**", "a/b", "-"],
  ["IGN-006", "a/**", "a", "-"],
  ["IGN-006", "a/**/b", "a/b", "-"],
  ["IGN-006", "a/**/b", "a/x/y/b", "-"],
  ["IGN-006", "a/**/b", "a/x/y", ""],
  ["IGN-006", "a/b**", "a/bc", ""],
  ["IGN-006", "b**", "bcd", "-"],
  ["IGN-006", "[ab]c", "bc", "-"],
  ["IGN-006", "[!a]c", "bc", ""],
  ["IGN-006", "[^a]c", "bc", "-"],
  ["IGN-006", "[a", "[a", ""],
  ["IGN-006", "a/[", "a/[", ""],
  ["IGN-006", "\\*", "*", "-"],
  ["IGN-006", "\\*", "x", ""],
  ["IGN-006", "a\\", "a\\", ""],
  ["IGN-006", "?", "é", "-"],
  ["IGN-006", "?", "🦥", "-"],
  ["IGN-006", "*.md", "a/b.md", "-"],
];

describe("ignore patterns", () => {
  it.each(rows)("%s: %j on %j says %j", (_, pattern, path, expected) => {
    expect(verdict(pattern, path)).toBe(expected);
  });

  it("IGN-004: below its domain only, and not the domain itself", () => {
    expect(verdict("foo", "a/foo", ["a"])).toBe("-");
    expect(verdict("/foo", "a/foo", ["a"])).toBe("-");
    expect(verdict("/foo", "a/b/foo", ["a"])).toBe("");
    expect(verdict("*", "b/foo", ["a"])).toBe("");
    expect(verdict("*", "a/", ["a"])).toBe("");
  });

  it("IGN-006: many stars take no time", () => {
    const started = performance.now();
    expect(fileMatcher(`${"*a".repeat(100)}b`)("a".repeat(5000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
