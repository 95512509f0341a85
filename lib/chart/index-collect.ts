import { compareVersions, parseLooseVersion, type Version } from "../text/semver.ts";
import type { HelmIndex } from "./helm-index.ts";
import { byBytes } from "./index-by-bytes.ts";
import { type Budget, type Decoded, decodeStruct } from "./index-decode.ts";
import { isIndexEntry } from "./index-entry.ts";
import { formatFields, formatValue, listed, mapped, quoted } from "./index-format.ts";
import { chartVersion, indexFile } from "./index-shape.ts";
import { objectionTo } from "./index-validate.ts";

/** Takes an index in, piece by piece, so that never more than one version of a chart is there as an object. */
export type IndexCollector = {
  /** The versions of one chart as they are parsed. A chart that is named again replaces the first, as in JSON. */
  chart(name: string, versions: Iterable<unknown>): void;
  /** A chart whose list is null. */
  nothing(name: string): void;
  /** Everything of the index but its entries; `entries: null` where it has none. Ends it. */
  finish(head: unknown, hasEntries: boolean): HelmIndex;
};

/** Charts and versions of one index. Fifty megabytes hold fewer of them where each says what every version says. */
const countLimit = 262_144;
/** Bytes of one version, or of what an index has besides: pieces are objects in memory one at a time. */
const pieceLimit = 1024 * 1024;

/** Refuses a piece of an index that is too large to become objects. */
export function checkPiece(bytes: number, place: string): void {
  if (bytes > pieceLimit) throw new Error(`${place} has ${bytes} bytes: more than ${pieceLimit} are not read`);
}

/** Indentation of a version within the stored index. */
const versionIndent = "      ";

/**
 * Collects an index as Flux reads it (HR-005): entries that are no valid charts are dropped, the others sorted by descending version.
 * `budget` bounds what aliases may make of it.
 */
export function collectIndex(source: "yaml" | "json", budget: Budget): IndexCollector {
  const decoding = { source, budget };
  const charts = new Map<string, Buffer>();
  const most = budget.left * 2.5;
  let written = 0;
  let count = 0;
  const another = () => {
    if (++count > countLimit) throw new Error(`the index has more than ${countLimit} charts and versions`);
  };
  return {
    chart: (name, versions) => {
      another();
      const valid: { version: Version; text: string }[] = [];
      let position = 0;
      for (const value of versions) {
        another();
        const place = `entries.${name}[${position++}]`;
        const entry = decodeStruct(value, chartVersion, place, decoding);
        if (entry === undefined) continue;
        if (entry.apiVersion === undefined || entry.apiVersion === "") entry.apiVersion = "v1";
        if (objectionTo(entry) !== undefined) continue;
        const version = typeof entry.version === "string" ? parseLooseVersion(entry.version) : undefined;
        if (version === undefined) continue;
        const text = mapped(formatFields(entry, chartVersion, versionIndent), versionIndent);
        written += text.length;
        if (written > most) throw new Error(`the index becomes more than ${most} bytes of JSON`);
        valid.push({ version, text });
      }
      // Stable, where Go's sort of more than twelve is not: versions that differ in build metadata alone stay as they came.
      valid.sort((a, b) => compareVersions(b.version, a.version));
      const texts = valid.map(({ text }) => text);
      charts.set(name, Buffer.from(listed(texts, "    ")));
    },
    nothing: (name) => {
      another();
      charts.set(name, Buffer.from("null"));
    },
    finish: (value, hasEntries) => {
      const head = decodeStruct(value, indexFile, "", decoding) ?? {};
      if (typeof head.apiVersion !== "string" || head.apiVersion === "") throw new Error("no API version specified");
      const names = [...charts.keys()].sort(byBytes);
      return {
        names: () => [...names],
        versions: (name) => {
          const text = charts.get(name);
          return text === undefined ? undefined : entriesIn(text);
        },
        json: () => joined(head, hasEntries ? names : undefined, charts),
      };
    },
  };
}

/** The versions in the JSON of one chart's list. */
export function entriesIn(text: Buffer): ReturnType<HelmIndex["versions"]> {
  const value: unknown = JSON.parse(text.toString());
  return Array.isArray(value) ? value.filter(isIndexEntry) : [];
}

/** The whole index in the order of Go's struct. */
function joined(head: Decoded, names: readonly string[] | undefined, charts: ReadonlyMap<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  let started = false;
  const write = (text: string) => parts.push(Buffer.from(text));
  for (const [name, { shape, kept }] of indexFile.fields) {
    const value = head[name];
    if (!kept && isAbsent(value)) continue;
    write(`${started ? "," : "{"}\n  ${quoted(name)}: `);
    started = true;
    if (name !== "entries") write(formatValue(value, shape, "  "));
    else if (names === undefined) write("null");
    else if (names.length === 0) write("{}");
    else {
      names.forEach((chart, index) => {
        write(`${index === 0 ? "{" : ","}\n    ${quoted(chart)}: `);
        parts.push(charts.get(chart) ?? Buffer.from("null"));
      });
      write("\n  }");
    }
  }
  write("\n}");
  return Buffer.concat(parts);
}

function isAbsent(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) ? value.length === 0 : value instanceof Map && value.size === 0);
}
