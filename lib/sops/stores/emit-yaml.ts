import { type Branch, type Documents, type Entry, isBranch, isList, isRemark, type Value } from "../tree.ts";
import { formatKey, formatYamlScalar } from "./format-yaml-scalar.ts";

/** Where a value is written: its indentation, in spaces, and whether it follows the dash of a list. */
type Place = { indent: number; inList: boolean };

/** Writes documents as SOPS does with go-yaml v3: in block style, indented by four. Remarks in lists are left out. */
export function emitYaml(documents: Documents): string {
  return documents.map((document) => (isEmpty(document) ? "{}\n" : `${formatMapping(document, 0)}\n`)).join("---\n");
}

function isEmpty(value: Branch | readonly Value[]): boolean {
  return isBranch(value) ? value.items.every(isRemark) : value.length === 0;
}

function formatMapping(branch: Branch, indent: number): string {
  const lines: string[] = [];
  let inline = "";
  for (const item of branch.items) {
    if (isRemark(item)) {
      if (item.inline) inline += ` ${formatRemark(item.comment)}`;
      else lines.push(...formatRemark(item.comment).split("\n"));
      continue;
    }
    const text = formatEntry(item, indent);
    if (inline !== "" && text.includes("\n")) lines.push(...inline.trim().split("\n"));
    lines.push(text.includes("\n") ? text : text + inline.replaceAll("\n", " "));
    inline = "";
  }
  return lines.map((line) => " ".repeat(indent) + line).join("\n");
}

/** Whatever begins a line for a reader of YAML begins one of the remark. */
function formatRemark(comment: string): string {
  return comment
    .split(/[\r\n\x85\u2028\u2029]/)
    .map((line) => `#${line}`)
    .join("\n");
}

function formatEntry({ key, value }: Entry, indent: number): string {
  const { text, explicit } = formatKey(key);
  const place = { indent, inList: false };
  // A key that is too long to be recognised without it is announced.
  if (explicit) return `? ${text}\n${" ".repeat(indent)}:${formatPart(value, place)}`;
  return `${text}:${formatPart(value, place)}`;
}

/** A value after the colon of its key. */
function formatPart(value: Value, place: Place): string {
  if (isBranch(value)) return isEmpty(value) ? " {}" : `\n${formatMapping(value, deeper(place))}`;
  if (isList(value)) return isEmpty(value) ? " []" : `\n${formatList(value, deeper(place))}`;
  return ` ${formatYamlScalar(value, place.indent, deeper(place))}`;
}

function formatList(values: readonly Value[], indent: number): string {
  return values.map((value) => `${" ".repeat(indent)}- ${formatItem(value, { indent, inList: true })}`).join("\n");
}

/** A value after the dash of a list, on whose line it begins. */
function formatItem(value: Value, place: Place): string {
  const within = deeper(place);
  if (isBranch(value)) return isEmpty(value) ? "{}" : formatMapping(value, within).slice(within);
  if (isList(value)) return isEmpty(value) ? "[]" : formatList(value, within).slice(within);
  return formatYamlScalar(value, place.indent, within);
}

/** go-yaml v3 goes to the next multiple of four, but by two after a dash. */
function deeper({ indent, inList }: Place): number {
  return inList ? indent + 2 : 4 * Math.floor((indent + 4) / 4);
}
