import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTree, parseTree, type TreeEntry } from "./tree.ts";

const entry = fc.record<TreeEntry>({
  name: fc
    .uint8Array({ minLength: 1, maxLength: 40 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
    .filter((name) => !/git|\\|^\.\.?$/i.test(name.toString("latin1"))),
  type: fc.constantFrom("file", "executable", "symlink", "directory", "submodule"),
  id: fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("hex")),
});

const raw = (mode: string, name: string): Buffer =>
  Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.alloc(20, 7)]);

describe("a tree object", () => {
  it("GE-005: what is written is read, byte for byte", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        expect(parseTree(formatTree(entries))).toEqual(entries);
      }),
    );
  });

  it("GIT-024: a single execute bit makes a file executable, and odd modes are read", () => {
    const types = ["100664", "100755", "100700", "040000"].map((mode) => parseTree(raw(mode, "a"))[0]?.type);
    expect(types).toEqual(["file", "executable", "executable", "directory"]);
  });

  it.each([
    ...[
      ".",
      "..",
      ".git",
      ".GIT",
      "a/b",
      "/etc/passwd",
      "",
      "git~1",
      "GIT~1",
      ".git ",
      ".git.",
      ".git...",
      ".git::$INDEX",
    ],
    ...["a\\..\\b", ".git\\config", ".g\u200cit", "\ufeff.git", "..\\x"],
  ])("GE-016: the name %j is refused", (name) => {
    expect(() => parseTree(raw("100644", name))).toThrow(/forbidden name/);
  });

  it("GE-016: names that only look alike, also those that differ by case alone, are kept", () => {
    const names = [".gitignore", "git", ".gitx", "README", "readme", "a..b", "...", "git~2", "x.git", "\u00e9.git"];
    const entries = parseTree(Buffer.concat(names.map((name) => raw("100644", name))));
    expect(entries.map(({ name }) => name.toString())).toEqual(names);
  });

  it("GE-016: a tree that ends early or has an unknown mode is refused", () => {
    expect(() => parseTree(raw("100644", "a").subarray(0, 20))).toThrow(/ends early/);
    expect(() => parseTree(raw("150000", "a"))).toThrow(/unknown mode/);
    expect(() => parseTree(raw("9", "a"))).toThrow(/unknown mode/);
  });
});
