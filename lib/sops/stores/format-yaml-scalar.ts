import { isPlainText } from "../../text/go-yaml-plain.ts";
import { formatGeneral } from "../go-float.ts";
import { isTimestamp, type Scalar } from "../tree.ts";

/**
 * A value as go-yaml v3 writes it: plain where it can be, a block where it has lines, quoted otherwise. `outer` is the indentation
 * of what it belongs to, `inner` the one of its lines.
 */
export function formatYamlScalar(value: Scalar, outer: number, inner: number): string {
  if (typeof value === "string") return formatText(value, outer, inner);
  if (typeof value === "number") return formatFloat(value);
  if (typeof value === "boolean" || typeof value === "bigint" || value === null) return String(value);
  if (isTimestamp(value)) return value.time;
  const lines =
    Buffer.from(value)
      .toString("base64")
      .match(/.{1,70}/g) ?? [];
  if (lines.length < 2) return `!!binary ${lines.join("")}`;
  return `!!binary |\n${lines.map((line) => " ".repeat(inner) + line).join("\n")}`;
}

/** A key; `explicit` where it has to be announced by a question mark. */
export function formatKey(key: string): { text: string; explicit: boolean } {
  const text = key.includes("\n") ? quoteDouble(key) : formatText(key, 0, 0);
  return { text, explicit: text.length > 128 };
}

function formatFloat(value: number): string {
  const text = formatGeneral(value);
  return { "+Inf": ".inf", "-Inf": "-.inf", NaN: ".nan" }[text] ?? text;
}

function formatText(text: string, outer: number, inner: number): string {
  if (text.includes("\n")) return canBeBlock(text) ? formatBlock(text, outer, inner) : quoteDouble(text);
  if (text === "<<") return "!!merge <<";
  if (text === "" || !isPlainText(text)) return quoteDouble(text);
  if (hasSpecial(text) || text.includes("\t")) return quoteDouble(text);
  return canBePlain(text) ? text : `'${text.replaceAll("'", "''")}'`;
}

/** Characters that go-yaml v3 escapes: it prints nothing beyond the first plane. */
const special = /[^\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;

function hasSpecial(text: string): boolean {
  return special.test(text);
}

function canBePlain(text: string): boolean {
  return !(
    /^(?:---|\.\.\.)/.test(text) ||
    /^[#,[\]{}&*!|>'"%@`]/.test(text) ||
    /^[?:-](?: |$)/.test(text) ||
    /:(?: |$)/.test(text) ||
    / #/.test(text) ||
    /^ | $/.test(text)
  );
}

/** No block where a line ends with a blank, or a character needs an escape. */
function canBeBlock(text: string): boolean {
  return !(/ (?:\n|$)/.test(text) || hasSpecial(text));
}

function formatBlock(text: string, outer: number, inner: number): string {
  const hint = /^[ \n]/.test(text) ? String(inner - outer) : "";
  const chomping = text.endsWith("\n\n") || text === "\n" ? "+" : text.endsWith("\n") ? "" : "-";
  const lines = text.replace(/\n$/, "").split("\n");
  return `|${hint}${chomping}\n${lines.map((line) => (line === "" ? "" : " ".repeat(inner) + line)).join("\n")}`;
}

const escapes = new Map([
  ["\0", "\\0"],
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\t", "\\t"],
  ["\n", "\\n"],
  ["\v", "\\v"],
  ["\f", "\\f"],
  ["\r", "\\r"],
  ["\x1b", "\\e"],
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\x85", "\\N"],
  ["\u2028", "\\L"],
  ["\u2029", "\\P"],
]);

function quoteDouble(text: string): string {
  let out = "";
  for (const character of text.toWellFormed())
    out += escapes.get(character) ?? (hasSpecial(character) ? numbered(character.codePointAt(0) ?? 0) : character);
  return `"${out}"`;
}

function numbered(code: number): string {
  const digits = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${digits.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}
