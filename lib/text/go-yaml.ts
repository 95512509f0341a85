import { compareKeys } from "./go-yaml-keys.ts";
import { formatScalar } from "./go-yaml-number.ts";
import { isPlainText } from "./go-yaml-plain.ts";

/** Where the writer is, as in the emitter of go-yaml (and libyaml), whose decisions depend on it. */
type Emitter = {
  out: string;
  /** Characters since the last line break. */
  column: number;
  /** Whether what was written last was white space, so that an indicator needs none before it. */
  whitespace: boolean;
  /** Whether the line holds nothing but indentation and indicators such as `- `. */
  indention: boolean;
};

type Style = "plain" | "single" | "double" | "literal";

/** Columns after which a scalar is broken at its next space. */
const bestWidth = 80;
/** Bytes of the longest key that is written without `? `. */
const simpleKeyLimit = 128;

/**
 * Writes a value of JSON (BigInt for an integer beyond 2^53) as one YAML document, byte for byte as kustomize 5.8.1 and all that
 * marshals with sigs.k8s.io/yaml does: go-yaml v2 with keys in its natural order, sequences not indented below their key, scalars
 * quoted where YAML 1.1 would read them otherwise and folded after 80 columns. Keys without a value (undefined) are left out.
 */
export function formatGoYaml(value: unknown): string {
  const emitter: Emitter = { out: "", column: 0, whitespace: true, indention: true };
  writeNode(emitter, value, -1, false);
  writeIndent(emitter, -1);
  return emitter.out;
}

function writeNode(emitter: Emitter, value: unknown, indent: number, inMapping: boolean): void {
  if (typeof value === "string") writeText(emitter, value, below(indent), false);
  else if (Array.isArray(value)) writeSequence(emitter, value, indent, inMapping);
  else if (typeof value === "object" && value !== null) writeMapping(emitter, value, indent);
  else writePlain(emitter, formatScalar(value), below(indent), false);
}

function writeSequence(emitter: Emitter, items: unknown[], indent: number, inMapping: boolean): void {
  if (items.length === 0) writeEmpty(emitter, "[]");
  const own = inMapping && !emitter.indention ? Math.max(indent, 0) : deeper(indent);
  for (const item of items) {
    writeIndent(emitter, own);
    writeIndicator(emitter, "-");
    writeNode(emitter, item, own, false);
  }
}

function writeMapping(emitter: Emitter, mapping: object, indent: number): void {
  const entries = Object.entries(mapping).filter(([, value]) => value !== undefined);
  if (entries.length === 0) writeEmpty(emitter, "{}");
  const own = deeper(indent);
  for (const [key, value] of entries.length === 1 ? entries : entries.sort(([a], [b]) => compareKeys(a, b))) {
    writeIndent(emitter, own);
    if (isSimpleKey(key)) {
      writeText(emitter, key, below(own), true);
      emitter.out += ":";
      emitter.column += 1;
      emitter.whitespace = false;
      emitter.indention = false;
    } else {
      writeIndicator(emitter, "?");
      writeText(emitter, key, below(own), false);
      writeIndent(emitter, own);
      writeIndicator(emitter, ":");
    }
    writeNode(emitter, value, own, true);
  }
}

/** The indentation of a collection in one at `indent`, where -1 is the document itself. */
function deeper(indent: number): number {
  return indent < 0 ? 0 : indent + 2;
}

/** The indentation of the lines of a scalar in a collection at `indent`. */
function below(indent: number): number {
  return indent < 0 ? 2 : indent + 2;
}

function isSimpleKey(key: string): boolean {
  return !breaks.test(key) && (key.length <= simpleKeyLimit / 3 || Buffer.byteLength(key) <= simpleKeyLimit);
}

function writeEmpty(emitter: Emitter, brackets: string): void {
  separate(emitter);
  emitter.out += brackets;
  emitter.column += 2;
  emitter.whitespace = false;
  emitter.indention = false;
}

/** `-`, `?` and `:`, which count as indentation for what follows on the line. */
function writeIndicator(emitter: Emitter, indicator: string): void {
  separate(emitter);
  emitter.out += indicator;
  emitter.column += 1;
  emitter.whitespace = false;
}

function separate(emitter: Emitter): void {
  if (emitter.whitespace) return;
  emitter.out += " ";
  emitter.column += 1;
}

function writeIndent(emitter: Emitter, indent: number): void {
  const wanted = Math.max(indent, 0);
  if (!emitter.indention || emitter.column > wanted || (emitter.column === wanted && !emitter.whitespace)) {
    emitter.out += "\n";
    emitter.column = 0;
  }
  if (emitter.column < wanted) {
    emitter.out += " ".repeat(wanted - emitter.column);
    emitter.column = wanted;
  }
  emitter.whitespace = true;
  emitter.indention = true;
}

/** Line breaks of YAML 1.1. */
const breaks = /[\n\r\u0085\u2028\u2029]/;
/** What go-yaml escapes: all but LF and what it calls printable, which ends with the Basic Multilingual Plane. */
const special = /[^\n\u0020-\u007e\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;
/** Texts that need no second look: most of all that is in manifests. */
const simple = /^[A-Za-z/_][A-Za-z0-9/_.=+@;()~$-]{2,60}$/;

function writeText(emitter: Emitter, text: string, indent: number, isKey: boolean): void {
  if (simple.test(text) && isPlainText(text)) {
    separate(emitter);
    emitter.out += text;
    emitter.column += text.length;
    emitter.whitespace = false;
    emitter.indention = false;
    return;
  }
  const style = styleOf(text, isKey);
  if (style === "literal") writeLiteral(emitter, text, indent);
  else if (style === "double") writeDouble(emitter, text, indent, isKey);
  else if (style === "single") writeSingle(emitter, text, indent, isKey);
  else writePlain(emitter, text, indent, isKey);
}

function styleOf(text: string, isKey: boolean): Style {
  const spaceBeforeBreak = / [\n\r\u0085\u2028\u2029]/.test(text);
  const escaped = special.test(text) || spaceBeforeBreak;
  if (text.includes("\n")) return isKey || escaped || text.endsWith(" ") ? "double" : "literal";
  if (escaped || !isPlainText(text)) return "double";
  if (!breaks.test(text) && !/^ | $/.test(text) && !hasIndicator(text)) return "plain";
  return /[\u2028\u2029] /.test(text) ? "double" : "single";
}

/** Whether a text in block context would be taken for something else if it were not quoted. */
function hasIndicator(text: string): boolean {
  return /^(?:---|\.\.\.|[#,[\]{}&*!|>'"%@`]|[?:-](?:[ \t]|$))|:(?:[ \t]|$)|[ \t\n\r\u0085\u2028\u2029\0]#/.test(text);
}

function writePlain(emitter: Emitter, text: string, indent: number, isKey: boolean): void {
  separate(emitter);
  writeFolded(emitter, text, indent, !isKey, false);
  emitter.whitespace = false;
  emitter.indention = false;
}

function writeSingle(emitter: Emitter, text: string, indent: number, isKey: boolean): void {
  writeQuote(emitter, "'");
  writeFolded(emitter, text, indent, !isKey, true);
  emitter.out += "'";
  emitter.column += 1;
  emitter.whitespace = false;
  emitter.indention = false;
}

function writeQuote(emitter: Emitter, quote: string): void {
  separate(emitter);
  emitter.out += quote;
  emitter.column += 1;
  emitter.whitespace = false;
  emitter.indention = false;
}

/** The characters of a plain or a single quoted scalar. There is no LF in it, but there may be another line break. */
function writeFolded(emitter: Emitter, text: string, indent: number, mayFold: boolean, quoted: boolean): void {
  if (emitter.column + text.length <= bestWidth && !text.includes("'") && !breaks.test(text)) {
    emitter.out += text;
    emitter.column += text.length;
    return;
  }
  let afterSpace = false;
  let afterBreak = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === " ") {
      const inside = !quoted || (at > 0 && at < text.length - 1);
      if (mayFold && !afterSpace && emitter.column > bestWidth && inside && text[at + 1] !== " ")
        writeIndent(emitter, indent);
      else put(emitter, " ");
      afterSpace = true;
    } else if (character === "\u2028" || character === "\u2029") {
      emitter.out += character;
      emitter.column = 0;
      emitter.indention = true;
      afterBreak = true;
    } else {
      if (afterBreak) writeIndent(emitter, indent);
      put(emitter, quoted && character === "'" ? "''" : character);
      emitter.indention = false;
      afterSpace = false;
      afterBreak = false;
    }
  }
}

function put(emitter: Emitter, characters: string): void {
  emitter.out += characters;
  emitter.column += characters.length;
}

const escapes = new Map([
  [0x00, "\\0"],
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0b, "\\v"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x1b, "\\e"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
  [0x85, "\\N"],
  [0xa0, "\\_"],
  [0x2028, "\\L"],
  [0x2029, "\\P"],
]);

function writeDouble(emitter: Emitter, text: string, indent: number, isKey: boolean): void {
  writeQuote(emitter, '"');
  // go-yaml asks for a byte order mark at the start of the text, whatever character it is at.
  const marked = text.startsWith("\ufeff");
  let afterSpace = false;
  let at = 0;
  for (const character of text) {
    const next = at + character.length;
    if (marked || special.test(character) || breaks.test(character) || character === '"' || character === "\\") {
      put(emitter, escapeOf(character.codePointAt(0) ?? 0));
      afterSpace = false;
    } else if (character === " ") {
      if (!isKey && !afterSpace && emitter.column > bestWidth && at > 0 && next < text.length) {
        writeIndent(emitter, indent);
        if (text[next] === " ") put(emitter, "\\");
      } else put(emitter, " ");
      afterSpace = true;
    } else {
      put(emitter, character);
      afterSpace = false;
    }
    at = next;
  }
  emitter.out += '"';
  emitter.column += 1;
  emitter.whitespace = false;
  emitter.indention = false;
}

function escapeOf(code: number): string {
  const short = escapes.get(code);
  if (short !== undefined) return short;
  const digits = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${digits.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}

function writeLiteral(emitter: Emitter, text: string, indent: number): void {
  separate(emitter);
  emitter.out += `|${/^[ \n\u2028\u2029]/.test(text) ? "2" : ""}${chomping(text)}\n`;
  const padding = " ".repeat(indent);
  emitter.out += text.replace(/[^\n\u2028\u2029]+/g, (line) => padding + line);
  const complete = /[\n\u2028\u2029]$/.test(text);
  emitter.column = complete ? 0 : indent + 1;
  emitter.indention = complete;
  emitter.whitespace = true;
}

/** What is said of the line breaks at the end of a literal: one is usual. */
function chomping(text: string): string {
  if (!/[\n\u2028\u2029]$/.test(text)) return "-";
  return text.length === 1 || /[\n\u2028\u2029]{2}$/.test(text) ? "+" : "";
}
