import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatIndex, parseIndex, readStoredIndex } from "./helm-index.ts";

const size = 52_428_800;
const parse = (text: string | Buffer) => parseIndex(Buffer.from(text), { size });
const json = (text: string) => formatIndex(parse(text)).toString();

/** Indexes and what Flux's own code made of them: JSON, or null where it refused them. */
const corpus: { index: string; json: string | null }[] = JSON.parse(
  readFileSync(new URL("./testdata/index-corpus.json", import.meta.url), "utf8"),
);

describe("an index", () => {
  it("HR-004, HR-005: becomes the same JSON as in Flux, or is refused as there", () => {
    for (const known of corpus) {
      if (known.json === null) expect(() => parse(known.index), known.index).toThrow();
      else expect(json(known.index), known.index).toBe(known.json);
    }
    expect(corpus.filter((known) => known.json !== null).length).toBeGreaterThan(100);
    expect(corpus.filter((known) => known.json === null).length).toBeGreaterThan(40);
  });

  it("HR-004, HC-012: is opened again as it was stored, without reading more than what is asked for", () => {
    for (const known of corpus) {
      if (known.json === null) continue;
      const parsed = parse(known.index);
      const stored = readStoredIndex(Buffer.from(known.json));
      expect(stored.names()).toEqual(parsed.names());
      for (const name of [...parsed.names(), "nowhere", "a", "name"])
        expect(stored.versions(name), name).toEqual(parsed.versions(name));
      expect(formatIndex(stored).toString()).toBe(known.json);
    }
    expect(() => readStoredIndex(Buffer.from("apiVersion: v1\n"))).toThrow("no stored index");
  });

  it("HR-004: takes no key of its annotations for a chart", () => {
    const text = 'apiVersion: v1\nserverInfo:\n  app: [x]\nannotations:\n  app: "["\nentries:\n  other: []\n';
    const stored = readStoredIndex(Buffer.from(json(text)));
    expect(stored.names()).toEqual(["other"]);
    expect(stored.versions("app")).toBeUndefined();
    expect(stored.versions("other")).toEqual([]);
  });

  it("HR-005: names the place of what it refuses, and nothing of the text around it", () => {
    const index = (field: string) =>
      `apiVersion: v1\nentries:\n  app:\n  - name: app\n    version: 1.0.0\n    ${field}\n`;
    expect(() => parse(index("bogus: 1"))).toThrow('entries.app[0]: json: unknown field "bogus"');
    expect(() => parse(index("keywords: x"))).toThrow("entries.app[0].keywords has to be a list, and is a string");
    expect(() => parse(index('home: "canary'))).toThrow(/^error converting YAML to JSON: line \d+: (?!.*canary)/);
    expect(() => parse("")).toThrow("empty index.yaml file");
    expect(() => parse("entries: {}")).toThrow("no API version specified");
    expect(() => parse(Buffer.from([0x61, 0x3a, 0xff]))).toThrow("not valid UTF-8");
    expect(() => parseIndex(Buffer.alloc(11), { size: 10 })).toThrow(
      "index exceeds the maximum index file size of 10 bytes",
    );
  });

  it("refuses aliases that make much of little, deep nesting, and pieces or numbers that memory is not meant for", () => {
    const levels = Array.from({ length: 12 }, (_, level) =>
      level === 0
        ? "  a0: &a0 [x, x, x, x]"
        : `  a${level}: &a${level} [${Array(9)
            .fill(`*a${level - 1}`)
            .join(", ")}]`,
    );
    expect(() => parse(`apiVersion: v1\nserverInfo:\n${levels.join("\n")}\n`)).toThrow("excessive aliasing");
    const long = `&l ${"x".repeat(500_000)}`;
    const version = `\n  - name: app\n    version: 1.0.0\n    keywords: [${long}, ${"*l, ".repeat(300)}]`;
    expect(() => parse(`apiVersion: v1\nentries:\n  app:${version}\n`)).toThrow("excessive aliasing");
    expect(() => parse(`apiVersion: v1\nserverInfo:\n  a: ${"[".repeat(5000)}${"]".repeat(5000)}`)).toThrow("maxDepth");
    expect(() => parse(`{"apiVersion":"v1","serverInfo":{"a":${"[".repeat(5000)}${"]".repeat(5000)}}}`)).toThrow(
      "nests",
    );
    const many = `{"apiVersion":"v1","entries":{"app":[${"{},".repeat(300_000)}{}]}}`;
    expect(() => parse(many)).toThrow("more than 262144 charts and versions");
    const keywords = `"a",`.repeat(500_000);
    const large = `{"apiVersion":"v1","entries":{"app":[{"name":"app","version":"1.0.0","keywords":[${keywords}"b"]}]}}`;
    expect(() => parse(large)).toThrow("more than 1048576 are not read");
  });
});
