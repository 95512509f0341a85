import { describe, expect, it } from "vitest";
import { parseHelmIgnore } from "./helm-ignore.ts";

describe("parseHelmIgnore", () => {
  it("IGN-013: matches as helm's own table does", () => {
    for (const [rules, path, isDirectory, ignored] of [
      ["helm.txt", "helm.txt", false, true],
      ["helm.*", "helm.txt", false, true],
      ["rudder.*", "cargo/rudder.txt", false, true],
      ["cargo/a.txt", "cargo/a.txt", false, true],
      ["cargo/*.txt", "cargo/a.txt", false, true],
      ["cargo/*.*", "cargo/a.txt", false, true],
      ["cargo/*", "cargo/deep/a.txt", false, false],
      ["ru[c-e]?er.txt", "rudder.txt", false, true],
      ["templates/.?*", "templates/.dotfile", false, true],
      ["", "templates/.dotfile", false, true],
      [".*", ".joonix", false, true],
      ["cargo/", "cargo", true, true],
      ["cargo/", "mast/", true, false],
      ["cargo/", "cargo", false, false],
      ["/a.txt", "cargo/a.txt", false, false],
      ["/a.txt", "a.txt", false, true],
      ["!helm.txt", "helm.txt", false, false],
      ["!helm.txt", "tiller.txt", false, true],
      ["!*.txt", "cargo", true, true],
      ["!cargo/", "mast/a.txt", false, true],
      ["# helm.txt\n\n  mast  ", "mast", true, true],
    ] as const)
      expect(parseHelmIgnore(rules)(path, isDirectory), `${rules} ${path}`).toBe(ignored);
  });

  it("IGN-013: refuses double stars and broken classes", () => {
    expect(() => parseHelmIgnore("a/**/b")).toThrow("double-star (**) syntax is not supported");
    for (const rule of ["[", "a[", "[]a]", "x\\", "[a-"])
      expect(() => parseHelmIgnore(rule)).toThrow("syntax error in pattern");
    for (const rule of ["[a-z]", "[^a]x", "\\[", "[\\]]"]) expect(() => parseHelmIgnore(rule)).not.toThrow();
  });
});
