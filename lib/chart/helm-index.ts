import { entriesIn } from "./index-collect.ts";
import type { Budget } from "./index-decode.ts";
import type { IndexEntry } from "./index-entry.ts";
import { quoted } from "./index-format.ts";
import { NoJson, readJsonIndex } from "./index-json.ts";
import { readYamlIndex } from "./index-yaml.ts";

/** A repository's index: every valid version of its charts. */
export type HelmIndex = {
  /** Names of its charts, in byte order. */
  names(): string[];
  /** The versions of a chart, highest first (HR-004); undefined where the index has no chart of that name. */
  versions(name: string): IndexEntry[] | undefined;
  /** The index as it is stored: JSON, indented. */
  json(): Buffer;
};

/** Bounds of an index. */
export type IndexLimits = {
  /** Bytes of the largest index (`--helm-index-max-size`, DEF-002). */
  size: number;
};

/**
 * Reads a repository's index, which is JSON or strict YAML (HR-005), one version of a chart at a time. Throws with a sentence where it
 * is none.
 */
export function parseIndex(bytes: Uint8Array, limits: IndexLimits): HelmIndex {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length === 0) throw new Error("empty index.yaml file");
  if (buffer.length > limits.size) throw indexTooLarge(limits.size);
  // What aliases make of an index must not be larger than an index may be.
  const budget: Budget = { left: Math.max(limits.size, buffer.length) };
  if (!/^\s*\{/.test(buffer.toString("latin1", 0, 64))) return readYamlIndex(buffer, budget);
  try {
    return readJsonIndex(buffer, { ...budget });
  } catch (error) {
    if (!(error instanceof NoJson)) throw error;
    return readYamlIndex(buffer, budget);
  }
}

/** The index as Flux stores it: indented JSON, the charts by name and their versions descending (HR-004). */
export function formatIndex(index: HelmIndex): Buffer {
  return index.json();
}

/** What is said of an index beyond the limit (ART-019). */
export function indexTooLarge(size: number): Error {
  return new Error(`index exceeds the maximum index file size of ${size} bytes`);
}

const start = Buffer.from('\n  "entries": {\n');
const end = Buffer.from("\n  }");

/**
 * Opens an index that `formatIndex` wrote. Only what is asked for is parsed: that takes no time, however large the index is. Throws
 * where the bytes were written by something else.
 */
export function readStoredIndex(bytes: Uint8Array): HelmIndex {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer[0] !== 0x7b || !buffer.subarray(-2).equals(Buffer.from("\n}"))) throw new Error("no stored index");
  const at = buffer.indexOf(start);
  const from = at + start.length - 1;
  const entries = at === -1 ? Buffer.alloc(0) : buffer.subarray(from, buffer.indexOf(end, from));
  return {
    names: () => namesIn(entries),
    versions: (name) => {
      const key = Buffer.from(`\n    ${quoted(name)}: `);
      const found = entries.indexOf(key);
      if (found === -1) return undefined;
      const list = found + key.length;
      const close = entries.indexOf("\n    ]", list);
      return entries[list] !== 0x5b || entries[list + 1] === 0x5d || close === -1
        ? []
        : entriesIn(entries.subarray(list, close + 6));
    },
    json: () => buffer,
  };
}

/** The keys of the entries: within a line of JSON they alone are indented by four. */
function namesIn(entries: Buffer): string[] {
  const names: string[] = [];
  const mark = Buffer.from('\n    "');
  for (let at = entries.indexOf(mark); at !== -1; at = entries.indexOf(mark, at + 1)) {
    const line = entries.indexOf(0x0a, at + 1);
    const text = entries.toString("utf8", at + 5, line === -1 ? entries.length : line);
    const name: unknown = JSON.parse(text.replace(/: (?:\[|\[\]|null),?$/, ""));
    if (typeof name === "string") names.push(name);
  }
  return names;
}
