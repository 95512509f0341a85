import { messageOf } from "../../text/error-message.ts";
import { type Branch, type Documents, type Entry, isBranch, isRemark, type Remark } from "../tree.ts";
import { trimSpace } from "./go-space.ts";
import { type IniKey, type IniSection, parseIniSections } from "./parse-ini.ts";
import { plainBytes } from "./plain-text.ts";
import type { Store } from "./store.ts";

/** INI as go-ini reads and writes it: sections of keys, those before the first section in `DEFAULT`. */
export const iniStore: Store = { parse: parseIni, emit: emitIni, metadata: "below" };

function parseIni(content: Uint8Array): Documents {
  try {
    const sections = parseIniSections(new TextDecoder().decode(content));
    return [{ items: sections.map((section) => ({ key: section.name, value: branchOf(section) })) }];
  } catch (error) {
    throw new Error(`Could not unmarshal input data: ${messageOf(error)}`);
  }
}

/** The keys of a section; a remark on the section is the first item, one on a key follows the key. */
function branchOf(section: IniSection): Branch {
  const items: (Entry | Remark)[] = [];
  if (section.comment !== "") items.push({ comment: withoutSign(section.comment) });
  for (const [key, { value, comment }] of section.keys) {
    items.push({ key, value });
    if (comment !== "") items.push({ comment: withoutSign(comment) });
  }
  return { items };
}

function withoutSign(comment: string): string {
  if (comment.startsWith(";")) return comment.replace(/^[; ]+/, "");
  return comment.startsWith("#") ? comment.replace(/^[# ]+/, "") : comment;
}

function emitIni(documents: Documents): Uint8Array {
  const sections = documents.flatMap(({ items }) => items).flatMap((item) => (isRemark(item) ? [] : [sectionOf(item)]));
  let out = "";
  for (const [index, section] of sections.entries()) {
    if (section.comment !== "") out += formatComment(section.comment, "section");
    const isDefault = index === 0 && section.name.toUpperCase() === "DEFAULT";
    if (isDefault && section.keys.size === 0) continue;
    if (!isDefault) out += `[${section.name}]\n`;
    out += formatKeys(section.keys);
    if (index < sections.length - 1) out += "\n";
  }
  return Buffer.from(out);
}

function sectionOf({ key: name, value }: Entry): IniSection {
  if (name === "") throw new Error("Error marshaling to INI: Error encoding section : empty section name");
  if (!isBranch(value))
    throw new Error("Error marshaling to INI: Error encoding section: Section values should always be TreeBranches");
  const section: IniSection = { name, comment: "", keys: new Map() };
  let last: IniKey | undefined;
  for (const [index, item] of value.items.entries()) {
    if (isRemark(item)) {
      if (index === 0) section.comment = item.comment;
      else if (last !== undefined) last.comment = item.comment;
      continue;
    }
    if (item.key === "") throw new Error("Error marshaling to INI: Error encoding key: empty key name");
    const known = section.keys.get(item.key);
    last = known ?? { value: "", comment: "" };
    last.value = textOf(item);
    section.keys.set(item.key, last);
  }
  return section;
}

function textOf({ key, value }: Entry): string {
  if (
    isBranch(value) ||
    Array.isArray(value) ||
    (typeof value === "object" && value !== null && !("time" in value) && !(value instanceof Uint8Array))
  )
    throw new Error(`Error marshaling to INI: the value of '${key.slice(0, 200)}' is no text`);
  return new TextDecoder().decode(plainBytes(value));
}

function formatComment(comment: string, of: "section" | "key"): string {
  const lines = comment.split("\n").map((line) => {
    if (line === "") throw new Error("Error marshaling to INI: a comment has an empty line");
    if (/^[#;]/.test(line)) return `${line[0]} ${trimSpace(line.slice(1))}`;
    return `; ${of === "key" ? trimSpace(line) : line}`;
  });
  return `${lines.join("\n")}\n`;
}

function formatKeys(keys: IniSection["keys"]): string {
  const names = [...keys.keys()].map(formatName);
  const width = Math.max(0, ...names.map((name) => Buffer.byteLength(name)));
  let out = "";
  for (const [index, { value, comment }] of [...keys.values()].entries()) {
    const name = names[index] ?? "";
    if (comment !== "") out += formatComment(comment, "key");
    out += `${name}${" ".repeat(width - Buffer.byteLength(name))} = ${formatValue(value)}\n`;
  }
  return out;
}

function formatName(name: string): string {
  if (/["=:]/.test(name)) return `\`${name}\``;
  return name.includes("`") ? `"""${name}"""` : name;
}

function formatValue(value: string): string {
  if (/[\n`]/.test(value)) return `"""${value}"""`;
  if (/[#;]/.test(value)) return `\`${value}\``;
  return trimSpace(value) === value ? value : `"${value}"`;
}
