import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = new URL("..", import.meta.url);
const table = await readFile(new URL("test/conformance.md", root), "utf8");

/** One line of the table: the row, under its chapter, and the test files that show it. A row without files is still open. */
type Row = { chapter: string; id: string; files: string[] };

const rows = table.split(/^## /m).flatMap((section): Row[] => {
  const [chapter = "", ...lines] = section.split("\n");
  return lines.flatMap((line): Row[] => {
    const match = /^\| ([A-Z][A-Z0-9]*-\d+) \|(.*)\|$/.exec(line);
    if (match?.[1] === undefined) return [];
    const files = [...(match[2] ?? "").matchAll(/`([^`]+\.test\.ts)`/g)].map(([, file = ""]) => file);
    return [{ chapter, id: match[1], files }];
  });
});

/** The rows that the titles of a test file name: `it("KS-001, KS-002: ...")`. */
async function shownBy(file: string): Promise<Set<string>> {
  const text = await readFile(fileURLToPath(new URL(file, root)), "utf8");
  const titles = text.matchAll(/\(\s*["'`]([A-Z][A-Z0-9]*-\d+(?:, [A-Z][A-Z0-9]*-\d+)*): /g);
  return new Set([...titles].flatMap(([, ids = ""]) => ids.split(", ")));
}

describe("test/conformance.md", () => {
  const files = [...new Set(rows.flatMap((row) => row.files))].toSorted();

  it.each(files)("says of %s only what its titles say", async (file) => {
    const shown = await shownBy(file);
    const claimed = rows.filter((row) => row.files.includes(file)).map(({ id }) => id);
    expect(claimed.filter((id) => !shown.has(id))).toEqual([]);
  });

  it("has a line for every row of a chapter, once", () => {
    const ids = rows.map(({ chapter, id }) => `${chapter}: ${id}`);
    expect(ids.length).toBeGreaterThan(50);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });
});
