import type { HelmIndex } from "./helm-index.ts";
import { checkPiece, collectIndex, type IndexCollector } from "./index-collect.ts";
import type { Budget } from "./index-decode.ts";
import { fieldOf, indexFile } from "./index-shape.ts";

/** Says that a text is no JSON at all: it may still be YAML. */
export class NoJson extends Error {}

const [quote, backslash, comma, colon, openBrace, closeBrace, openBracket, closeBracket] = Buffer.from('"\\,:{}[]');

/**
 * Reads an index that is JSON (HR-005), one version of a chart at a time. As `encoding/json` does, it ignores fields that it does not
 * know, and of equal keys the last one counts. Throws NoJson where the text is none, and a sentence where it is another document.
 */
export function readJsonIndex(bytes: Buffer, budget: Budget): HelmIndex {
  const cursor: Cursor = { bytes, at: 0 };
  const collector = collectIndex("json", budget);
  const head: [string, unknown][] = [];
  let hasEntries = false;
  for (const key of keysOf(cursor)) {
    if (fieldOf(indexFile.fields, key)?.[0] === "entries" && peek(cursor) === openBrace) {
      hasEntries = true;
      for (const name of keysOf(cursor)) readChart(cursor, collector, name);
    } else head.push([key, readValue(cursor)]);
  }
  if (peek(cursor) !== undefined) throw new NoJson("text follows the document");
  return collector.finish(Object.fromEntries(head), hasEntries);
}

/** Where the reading is: `at` is the next byte. */
type Cursor = { bytes: Buffer; at: number };

function readChart(cursor: Cursor, collector: IndexCollector, name: string): void {
  if (peek(cursor) === openBracket) {
    collector.chart(name, itemsOf(cursor));
    return;
  }
  const value = readValue(cursor);
  if (value !== null) throw new Error(`entries.${name} has to be a list`);
  collector.nothing(name);
}

/** The keys of an object; whoever takes a key reads its value before the next. */
function* keysOf(cursor: Cursor): Generator<string> {
  take(cursor, openBrace);
  if (peek(cursor) === closeBrace) {
    cursor.at++;
    return;
  }
  for (;;) {
    if (peek(cursor) !== quote) throw new NoJson("a key is no string");
    const key = readValue(cursor);
    take(cursor, colon);
    if (typeof key === "string") yield key;
    if (!isFollowed(cursor, closeBrace)) return;
  }
}

function* itemsOf(cursor: Cursor): Generator<unknown> {
  take(cursor, openBracket);
  if (peek(cursor) === closeBracket) {
    cursor.at++;
    return;
  }
  do yield readValue(cursor);
  while (isFollowed(cursor, closeBracket));
}

/** Whether another element follows; the end of the object or list is consumed. */
function isFollowed(cursor: Cursor, end: number | undefined): boolean {
  const next = peek(cursor);
  cursor.at++;
  if (next === comma) return true;
  if (next === end) return false;
  throw new NoJson("an element does not end");
}

function take(cursor: Cursor, wanted: number | undefined): void {
  if (peek(cursor) !== wanted) throw new NoJson("it is written otherwise");
  cursor.at++;
}

/** The next byte that is no white space. */
function peek(cursor: Cursor): number | undefined {
  for (;;) {
    const byte = cursor.bytes[cursor.at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    cursor.at++;
  }
}

/** One whole value: its end is found by its brackets, all else is JSON.parse's to judge. */
function readValue(cursor: Cursor): unknown {
  peek(cursor);
  const { bytes, at: start } = cursor;
  let depth = 0;
  let at = start;
  for (; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) at = endOfString(bytes, at);
    else if (byte === openBrace || byte === openBracket) depth++;
    else if (depth === 0 && (byte === comma || byte === closeBrace || byte === closeBracket || byte === colon)) break;
    else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) {
      at++;
      break;
    } else continue;
    if (depth === 0) {
      at++;
      break;
    }
  }
  cursor.at = at;
  checkPiece(at - start, "a piece of the index");
  try {
    return JSON.parse(bytes.toString("utf8", start, at));
  } catch (error) {
    throw new NoJson("a value is no JSON", { cause: error });
  }
}

/** Position of the quote that ends a string. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === backslash) at++;
    else if (byte === quote) return at;
  }
  throw new NoJson("a string does not end");
}
