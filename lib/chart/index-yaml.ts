import { isUtf8 } from "node:buffer";
import { isFields } from "../text/fields.ts";
import { parseStrictYaml, yamlProblem } from "../text/yaml.ts";
import type { HelmIndex } from "./helm-index.ts";
import { byBytes } from "./index-by-bytes.ts";
import { checkPiece, collectIndex } from "./index-collect.ts";
import type { Budget } from "./index-decode.ts";
import { readBlockItem } from "./index-lines.ts";
import { fieldOf, indexFile } from "./index-shape.ts";

/** Bytes of YAML that are parsed as one document: the parser takes up to eighty times as much memory. */
const wholeLimit = 4 * 1024 * 1024;

/**
 * Reads an index that is YAML (HR-005). The index is taken apart at the indentation of its charts and their versions, as every
 * program writes them, and each version is parsed alone: the memory for all of it as objects is never needed. Where a piece is
 * not a document of its own (an alias of another piece, text within quotes that looks like a version), or the index is written in
 * another style, it is parsed as a whole, if it is not too large for that. Throws a sentence where it cannot be read.
 */
export function readYamlIndex(text: Buffer, budget: Budget): HelmIndex {
  if (!isUtf8(text)) throw new Error("the index is not valid UTF-8");
  const bytes = text.includes("\r\n") ? Buffer.from(text.toString("latin1").replaceAll("\r\n", "\n"), "latin1") : text;
  try {
    return readPieces(bytes, { ...budget });
  } catch (error) {
    // Whatever the reason: the document as a whole decides, and says what is wrong with it.
    if (bytes.length <= wholeLimit) return readWhole(bytes, budget);
    if (!(error instanceof Unusual)) throw error;
    throw new Error(
      `the index has ${bytes.length} bytes and is written unusually: ${error.message}; up to ${wholeLimit} bytes are read so`,
    );
  }
}

/** The index is written in a style in which it cannot be taken apart. */
class Unusual extends Error {}

/** The value of a document, or what is wrong with it and where, without the text around. */
function parse(text: string): unknown {
  try {
    return parseStrictYaml(text);
  } catch (error) {
    throw new Error(`error converting YAML to JSON: ${yamlProblem(error)}`, { cause: error });
  }
}

function readWhole(bytes: Buffer, budget: Budget): HelmIndex {
  const value = parse(bytes.toString());
  const collector = collectIndex("yaml", budget);
  if (!isFields(value)) return collector.finish(value, false);
  const key = Object.keys(value)
    .sort(byBytes)
    .findLast((name) => fieldOf(indexFile.fields, name)?.[0] === "entries");
  const { [key ?? "entries"]: entries, ...head } = value;
  if (entries === undefined || entries === null) return collector.finish(head, false);
  if (!isFields(entries)) throw new Error("entries has to be a map");
  for (const [name, versions] of Object.entries(entries)) {
    if (Array.isArray(versions)) collector.chart(name, versions);
    else if (versions === null) collector.nothing(name);
    else throw new Error(`entries.${name} has to be a list`);
  }
  return collector.finish(head, true);
}

function readPieces(bytes: Buffer, budget: Budget): HelmIndex {
  const collector = collectIndex("yaml", budget);
  const lines: Lines = { bytes, at: 0, end: 0, indent: 0, line: 0 };
  const head: string[] = [];
  let hasEntries = false;
  for (let started = false; advance(lines); ) {
    if (lines.indent < 0) continue;
    const text = textOf(lines);
    if (text === "---" && !started) continue;
    started = true;
    // Another document may follow, which nobody reads.
    if (/^(?:---|\.\.\.)(?:\s|$)/.test(text)) break;
    if (!/^["'a-zA-Z]/.test(text)) throw new Unusual(`line ${lines.line} is no key`);
    if (!/^entries:\s*(?:#.*)?$/.test(text)) {
      if (/^["']?entries\b/i.test(text)) throw new Unusual("its entries are");
      head.push(`${text}\n${bodyOf(lines, 0)}`);
    } else {
      if (hasEntries) throw new Unusual(`entries are there twice`);
      hasEntries = readCharts(lines, collector);
      // With its key, so that the head has no other of the name.
      head.push("entries: null\n");
    }
    if (head.length > 64) throw new Unusual("it has many keys");
  }
  const text = head.join("");
  checkPiece(text.length, "what the index has besides its entries");
  return collector.finish(parse(text), hasEntries);
}

/** The charts of the lines that follow; whether there are some. */
function readCharts(lines: Lines, collector: ReturnType<typeof collectIndex>): boolean {
  const names = new Set<string>();
  for (let indent = 0; follows(lines, (next) => next > 0); ) {
    advance(lines);
    if (lines.indent < 0) continue;
    if (names.size === 0) indent = lines.indent;
    const { name, isEmpty } = lines.indent === indent ? chartKey(textOf(lines), lines.line) : {};
    if (name === undefined) throw new Unusual(`line ${lines.line} is no chart's name`);
    if (names.has(name)) throw new Error(`line ${lines.line}: duplicated chart ${name}`);
    names.add(name);
    collector.chart(name, isEmpty === true ? [] : versionsIn(lines, indent));
  }
  return names.size > 0;
}

/** The chart that a line names, and whether the line says that it has no versions; nothing where it says anything else. */
function chartKey(line: string, number: number): { name?: string; isEmpty?: boolean } {
  const simple = /^ *([a-zA-Z][a-zA-Z0-9._-]{5,}):$/.exec(line)?.[1];
  if (simple !== undefined) return { name: simple, isEmpty: false };
  checkPiece(line.length, `line ${number}`);
  const value = parse(line);
  const [name, ...others] = isFields(value) ? Object.keys(value) : [];
  if (!isFields(value) || name === undefined || others.length > 0 || !/:\s*(?:\[\]\s*)?(?:#.*)?$/.test(line)) return {};
  const versions = value[name];
  return versions === null || Array.isArray(versions) ? { name, isEmpty: versions !== null } : {};
}

/** The versions of one chart, each parsed when it is asked for. */
function* versionsIn(lines: Lines, parent: number): Generator<unknown> {
  let found = 0;
  let indent = parent;
  const isItem = (next: number, dash: boolean) => next > parent || (next === parent && dash);
  while (follows(lines, isItem)) {
    advance(lines);
    if (lines.indent < 0) continue;
    if (found === 0) indent = lines.indent;
    const text = textOf(lines);
    if (lines.indent !== indent || !text.startsWith("- ", indent))
      throw new Unusual(`line ${lines.line} is no version`);
    found++;
    const start = lines.at;
    const line = lines.line;
    skipBody(lines, indent);
    checkPiece(lines.end - start, `line ${line}: a version`);
    const item = lines.bytes.toString("utf8", start, lines.end);
    const read = readBlockItem(item, indent);
    if (read !== undefined) yield read;
    else {
      const parsed = parse(item);
      if (!Array.isArray(parsed) || parsed.length !== 1) throw new Unusual(`line ${line} is no version`);
      yield parsed[0];
    }
  }
  if (found === 0) throw new Unusual(`line ${lines.line} has no versions`);
}

/** The current line: from `at` to `end`, indented by `indent`, which is -1 where it is blank or a comment. Lines count from 1. */
type Lines = { bytes: Buffer; at: number; end: number; indent: number; line: number };

const [newline, blank, hash, hyphen] = Buffer.from("\n #-");

/** Goes on to the next line; false where there is none. */
function advance(lines: Lines): boolean {
  const at = lines.line === 0 ? 0 : lines.end + 1;
  if (at >= lines.bytes.length) return false;
  const found = lines.bytes.indexOf(0x0a, at);
  lines.at = at;
  lines.end = found === -1 ? lines.bytes.length : found;
  lines.indent = indentAt(lines.bytes, at);
  lines.line++;
  return true;
}

function indentAt(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] === blank) at++;
  const byte = bytes[at];
  return byte === undefined || byte === newline || byte === hash ? -1 : at - start;
}

function textOf({ bytes, at, end }: Lines): string {
  return bytes.toString("utf8", at, end);
}

/** Whether the next line is there and is blank, a comment, or indented as wanted. */
function follows(lines: Lines, wanted: (indent: number, dash: boolean) => boolean): boolean {
  const at = lines.end + 1;
  if (at >= lines.bytes.length) return false;
  const indent = indentAt(lines.bytes, at);
  return indent < 0 || wanted(indent, lines.bytes[at + indent] === hyphen && lines.bytes[at + indent + 1] === blank);
}

/** Goes to the last line that is indented deeper than `parent`, or is blank or a comment. */
function skipBody(lines: Lines, parent: number): void {
  while (follows(lines, (indent) => indent > parent)) advance(lines);
}

/** The lines that belong to a key of the head: those indented deeper, and items of a list that are not. */
function bodyOf(lines: Lines, parent: number): string {
  const start = lines.end + 1;
  while (follows(lines, (indent, dash) => indent > parent || (indent === parent && dash))) advance(lines);
  return lines.end >= start ? `${lines.bytes.toString("utf8", start, lines.end)}\n` : "";
}
