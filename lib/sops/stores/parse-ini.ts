import { trimSpace, trimStart } from "./go-space.ts";

/** A key's value, and the remark before or after it with the sign that begins it; empty where there is none. */
export type IniKey = { value: string; comment: string };

/** A section. Of keys of the same name the last value counts, at the place of the first. */
export type IniSection = { name: string; comment: string; keys: Map<string, IniKey> };

/** The lines that are left, and the remarks that belong to what comes next. */
type Reader = { lines: string[]; at: number; comment: string };

/** The most lines and sections of a file. */
const lineLimit = 200_000;

/**
 * Reads INI as go-ini does: keys end at `=` or `:`; values may be quoted by `"""` or a backtick over several lines, or by `"` or `'`
 * in one; a backslash at the end goes on in the next line; `#` and `;` begin a remark. The first section is `DEFAULT`, always.
 * Throws without showing what the file holds.
 */
export function parseIniSections(text: string): IniSection[] {
  const lines = text.split("\n").map((line, index, all) => (index < all.length - 1 ? `${line}\n` : line));
  if (lines.length > lineLimit) throw new Error(`it has more than ${lineLimit} lines`);
  const reader: Reader = { lines, at: 0, comment: "" };
  let section: IniSection = { name: "DEFAULT", comment: "", keys: new Map() };
  const sections = [section];
  let unnamed = 1;
  while (reader.at < lines.length) {
    const line = trimStart(nextLine(reader));
    if (line === "") continue;
    if (/^[#;]/.test(line)) {
      reader.comment += line;
      continue;
    }
    if (line.startsWith("[")) {
      section = readSection(line, reader);
      sections.push(section);
      unnamed = 1;
      continue;
    }
    let { name, rest } = readName(line, reader);
    if (name === "-") {
      name = `#${unnamed}`;
      unnamed += 1;
    }
    const value = readValue(rest, reader);
    if (name === "") throw new Error("error creating new key: empty key name");
    section.keys.set(name, { value, comment: takeComment(reader) });
  }
  return sections;
}

function nextLine(reader: Reader): string {
  const line = reader.lines[reader.at] ?? "";
  reader.at += 1;
  return line;
}

function takeComment(reader: Reader): string {
  const comment = trimSpace(reader.comment);
  reader.comment = "";
  return comment;
}

function readSection(line: string, reader: Reader): IniSection {
  const end = line.lastIndexOf("]");
  if (end === -1) throw new Error(`unclosed section in line ${reader.at}`);
  const name = line.slice(1, end);
  if (name === "") throw new Error("empty section name");
  reader.comment += line.slice(end + 1).replace(/^[^#;]*/, "");
  return { name, comment: takeComment(reader), keys: new Map() };
}

function readName(line: string, reader: Reader): { name: string; rest: string } {
  const quote = /^(?:"""(?=....)|"|`)/s.exec(line)?.[0];
  if (quote === undefined) {
    const end = line.search(/[=:]/);
    if (end === -1) throw new Error(`key-value delimiter not found in line ${reader.at}`);
    if (end === 0) throw new Error(`empty key name in line ${reader.at}`);
    return { name: trimSpace(line.slice(0, end)), rest: line.slice(end + 1) };
  }
  const close = line.indexOf(quote, quote.length);
  if (close === -1) throw new Error(`missing closing key quote in line ${reader.at}`);
  const delimiter = line.slice(close + quote.length).search(/[=:]/);
  if (delimiter === -1) throw new Error(`key-value delimiter not found in line ${reader.at}`);
  return { name: trimSpace(line.slice(quote.length, close)), rest: line.slice(close + quote.length + delimiter + 1) };
}

function readValue(rest: string, reader: Reader): string {
  const line = trimStart(rest);
  if (line === "") return "";
  const quote = /^(?:"""(?=.)|`)/s.exec(line)?.[0];
  if (quote !== undefined) {
    const end = line.slice(quote.length).lastIndexOf(quote);
    return end === -1
      ? readLines(line.slice(quote.length), quote, reader)
      : line.slice(quote.length, quote.length + end);
  }
  const trimmed = trimSpace(line);
  if (trimmed.endsWith("\\")) return readContinued(trimmed.slice(0, -1), reader);
  const sign = trimmed.search(/[#;]/);
  if (sign === -1) return unquoted(trimmed);
  reader.comment += trimmed.slice(sign);
  return unquoted(trimSpace(trimmed.slice(0, sign)));
}

/** A value in quotes over several lines. */
function readLines(begun: string, quote: string, reader: Reader): string {
  const start = reader.at;
  let value = begun;
  while (reader.at < reader.lines.length) {
    const next = nextLine(reader);
    const end = next.lastIndexOf(quote);
    if (end !== -1) {
      reader.comment += trimSpace(next.slice(end).replace(/^[^#;]*/, ""));
      return value + next.slice(0, end);
    }
    value += next;
  }
  throw new Error(`missing closing key quote from line ${start}`);
}

function readContinued(begun: string, reader: Reader): string {
  let value = begun;
  while (reader.at < reader.lines.length) {
    const next = trimSpace(nextLine(reader));
    if (next === "") break;
    value += next;
    if (!value.endsWith("\\")) break;
    value = value.slice(0, -1);
  }
  return value;
}

function unquoted(value: string): string {
  const [, inner] = /^"([^"]*)"$/s.exec(value) ?? /^'([^']*)'$/s.exec(value) ?? [];
  return inner ?? value;
}
