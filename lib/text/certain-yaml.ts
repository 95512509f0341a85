import {
  CHOMPING_KEEP,
  COLLECTION_STYLE_FLOW,
  EVENT_ID,
  type Event,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
} from "js-yaml";
import { compareKeys } from "./go-yaml-keys.ts";
import { isPlainText } from "./go-yaml-plain.ts";

/** A text of which it is not certain that Go reads it as it is read here. The message says why, for who tunes this. */
export class Doubtful extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "Doubtful";
  }
}

/**
 * Reads the documents of a YAML file where nothing in it is in doubt: go-yaml v3, which kustomize reads manifests with, writes and
 * reads again before it prints them, must come to the same values. Documents that hold nothing are left out. The keys of a mapping
 * are in go-yaml's order. Throws Doubtful for all else, whether it is an error, a dialect or only rare: merges, tags, directives,
 * dates, numbers that are not decimal, keys that are no text or given twice, tabs, indented starts of blocks, bytes beyond UTF-8.
 */
export function readCertainYaml(content: Uint8Array): unknown[] {
  return split(decode(content)).flatMap((document) => readDocument(document));
}

/** Characters that one of the readers treats as its own: controls, line breaks of YAML 1.1, a byte order mark, non-characters. */
const strange = /[^\t\n\u0020-\u007e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

function decode(content: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    throw new Doubtful("not UTF-8");
  }
  if (strange.test(text)) throw new Doubtful("a character beyond the usual");
  if (/^\.\.\.(?:\s|$)/m.test(text)) throw new Doubtful("an explicit end");
  return text;
}

/** As kyaml parts documents: at lines that begin with three dashes, whatever they are in. */
function split(text: string): string[] {
  const documents: string[] = [];
  let start = 0;
  for (const match of text.matchAll(/\n---.*\n/g)) {
    const rest = match[0].slice(4).trim();
    if (rest !== "" && !rest.startsWith("#")) throw new Doubtful("text after a separator");
    documents.push(`${text.slice(start, match.index)}\n`);
    start = match.index + match[0].length;
  }
  return [...documents, text.slice(start)];
}

type Anchored = { anchorStart: number; anchorEnd: number };

/** A document under construction. */
type Reading = {
  text: string;
  events: Event[];
  at: number;
  flow: boolean;
  flowEnd: number;
  anchors: Map<string, unknown>;
  aliases: number;
};

function readDocument(text: string): unknown[] {
  let events: Event[];
  try {
    events = parseEvents(text, { maxDepth: 100 });
  } catch {
    throw new Doubtful("no YAML");
  }
  const [document, root] = events;
  if (document === undefined) return readNothing(text);
  if (document.type !== EVENT_ID.DOCUMENT || document.explicitEnd || document.directives.length > 0)
    throw new Doubtful("a directive or an explicit end");
  if (root?.type === EVENT_ID.SCALAR && root.valueStart < 0) return readNothing(text.replace(/^---(?=[ \n])/, ""));
  if (document.explicitStart && !/^(?: *(?:#.*)?\n)*---/.test(text)) throw new Doubtful("an indented start");
  const reading: Reading = { text, events, at: 1, flow: false, flowEnd: 0, anchors: new Map(), aliases: 0 };
  const value = readNode(reading);
  if (reading.at !== events.length - 1) throw new Doubtful("more than one document");
  if (text.includes("\t")) refuseTabs(text, events);
  return [value];
}

function readNothing(text: string): unknown[] {
  if (!text.split("\n").every((line) => /^ *(?:#.*)?$/.test(line)))
    throw new Doubtful("more than comments, but no value");
  return [];
}

function next(reading: Reading): Event {
  const event = reading.events[reading.at];
  reading.at += 1;
  if (event === undefined) throw new Doubtful("no end");
  return event;
}

function readNode(reading: Reading): unknown {
  const event = next(reading);
  if (event.type === EVENT_ID.ALIAS) return readAlias(reading, event);
  if (event.type === EVENT_ID.SCALAR) return anchor(reading, event, readScalar(reading, event));
  if (event.type !== EVENT_ID.MAPPING && event.type !== EVENT_ID.SEQUENCE) throw new Doubtful("no node");
  if (event.tagStart >= 0) throw new Doubtful("a tag");
  const outer = reading.flow;
  reading.flow = event.style === COLLECTION_STYLE_FLOW;
  // go-yaml takes a colon without a blank for the end of a key only after quotes.
  if (outer && /[^"'\s]:$/.test(reading.text.slice(Math.max(event.start - 2, 0), event.start)))
    throw new Doubtful("a key without a blank after it");
  if (reading.flow) reading.flowEnd = event.start;
  const value = event.type === EVENT_ID.MAPPING ? readMapping(reading) : readSequence(reading);
  if (reading.flow && !outer) refuseFlowComment(reading, event.start);
  reading.flow = outer;
  return anchor(reading, event, value);
}

/** Aliases that are followed in one document: each is a copy. */
const aliasLimit = 200;

function anchor<T>({ text, anchors }: Reading, { anchorStart, anchorEnd }: Anchored, value: T): T {
  if (anchorStart >= 0) anchors.set(anchorName(text, anchorStart, anchorEnd), value);
  return value;
}

/** kyaml puts a copy of what was anchored in the place of its alias, before anything else is done. */
function readAlias(reading: Reading, { anchorStart, anchorEnd }: Anchored): unknown {
  const { text, anchors, flow } = reading;
  const name = anchorName(text, anchorStart, anchorEnd);
  reading.aliases += 1;
  if (!anchors.has(name) || flow || reading.aliases > aliasLimit) throw new Doubtful("an unusual alias");
  return structuredClone(anchors.get(name));
}

function anchorName(text: string, start: number, end: number): string {
  const name = text.slice(start, end);
  if (!/^[A-Za-z0-9_-]+$/.test(name) || !/^ *(?:\n|$| #| [^ ])/.test(text.slice(end, end + 80)))
    throw new Doubtful("an unusual anchor");
  return name;
}

function readSequence(reading: Reading): unknown[] {
  const items: unknown[] = [];
  while (reading.events[reading.at]?.type !== EVENT_ID.POP) items.push(readNode(reading));
  reading.at += 1;
  return items;
}

function readMapping(reading: Reading): Record<string, unknown> {
  const entries: [string, unknown][] = [];
  while (reading.events[reading.at]?.type !== EVENT_ID.POP) entries.push([readKey(reading), readNode(reading)]);
  reading.at += 1;
  if (entries.length > 1) entries.sort(([a], [b]) => compareKeys(a, b));
  const mapping = Object.fromEntries(entries);
  if (Object.keys(mapping).length !== entries.length) throw new Doubtful("a key twice");
  return mapping;
}

/** Keys as they are usual: short, in ASCII, and text even without quotes. */
function readKey(reading: Reading): string {
  const event = next(reading);
  if (event.type !== EVENT_ID.SCALAR || event.valueStart < 0 || event.anchorStart >= 0)
    throw new Doubtful("a key that is no text");
  const key = readScalar(reading, event, true);
  if (
    typeof key !== "string" ||
    key.length > 128 ||
    !/^[\u0020-\u007e]+$/.test(key) ||
    key === "<<" ||
    key === "__proto__"
  )
    throw new Doubtful("a key that is unusual");
  if (following(reading, event) !== ":") throw new Doubtful("an explicit key");
  if (reading.text.slice(event.valueStart, event.valueEnd).includes("\n")) throw new Doubtful("a key of several lines");
  return key;
}

/** The character that follows a scalar, but for spaces; a comment is as good as the end of its line. */
function following({ text }: Reading, event: ScalarEvent): string {
  const end = event.valueEnd + (event.style === SCALAR_STYLE.PLAIN ? 0 : 1);
  let after = end;
  while (text[after] === " ") after += 1;
  return (after > end && text[after] === "#") || after >= text.length ? "\n" : text.charAt(after);
}

function readScalar(reading: Reading, event: ScalarEvent, isKey = false): unknown {
  if (event.tagStart >= 0) throw new Doubtful("a tag");
  if (event.valueStart < 0) {
    if (reading.flow) throw new Doubtful("nothing in a flow collection");
    return null;
  }
  if (reading.flow) reading.flowEnd = event.valueEnd;
  const value = getScalarValue(reading.text, event);
  if (event.style === SCALAR_STYLE.PLAIN) return resolvePlain(reading, value);
  if (event.style === SCALAR_STYLE.LITERAL_BLOCK || event.style === SCALAR_STYLE.FOLDED_BLOCK)
    return checkBlock(reading, event, value);
  if (!isKey && !(reading.flow ? /[\n,\]}]/ : /\n/).test(following(reading, event)))
    throw new Doubtful("something behind a quoted text");
  if (event.style === SCALAR_STYLE.DOUBLE_QUOTED) checkEscapes(reading.text.slice(event.valueStart, event.valueEnd));
  if (value.includes("\n") && /^[ \n]|\n[ \t]/.test(value)) throw new Doubtful("a quoted text with indented lines");
  return value;
}

function resolvePlain(reading: Reading, value: string): unknown {
  if (reading.flow && !/^[A-Za-z0-9_./-]+$/.test(value)) throw new Doubtful("an unusual text in a flow collection");
  if (value.includes("\n")) throw new Doubtful("an unquoted text with empty lines");
  if (isPlainText(value)) return value;
  if (value === "true" || value === "True" || value === "TRUE") return true;
  if (value === "false" || value === "False" || value === "FALSE") return false;
  if (value === "" || value === "~" || value === "null" || value === "Null" || value === "NULL") return null;
  if (/^(0|-?[1-9][0-9]{0,14})$/.test(value)) return Number(value);
  if (/^0[0-7]{1,10}$/.test(value)) return Number.parseInt(value, 8);
  if (/^-?(0|[1-9][0-9]{0,9})\.[0-9]{1,10}$/.test(value) && Number(value) !== 0) return Number(value);
  throw new Doubtful("a text that may be a number, a date or a word of YAML 1.1");
}

/** go-yaml writes a block with an indentation of its own, and a folded one with breaks of its own, before it reads it again. */
function checkBlock({ text }: Reading, event: ScalarEvent, value: string): string {
  const headerEnd = text.lastIndexOf("\n", event.valueStart - 1);
  const header = text.slice(text.lastIndexOf("\n", headerEnd - 1) + 1, headerEnd);
  if (!/[|>][+-]? *$/.test(header)) throw new Doubtful("a block with an indentation indicator or a comment");
  if (event.valueEnd >= text.length && !text.endsWith("\n"))
    throw new Doubtful("a block that ends without a line break");
  if (/^[ \t\n]/.test(value)) throw new Doubtful("a block that begins with white space");
  if (event.style === SCALAR_STYLE.FOLDED_BLOCK && (event.chomping === CHOMPING_KEEP || /\n[ \t]/.test(value)))
    throw new Doubtful("a folded block with indented lines");
  return value;
}

function checkEscapes(raw: string): void {
  if (raw.includes("\\") && raw.replace(/\\[nt"\\]/g, "").includes("\\")) throw new Doubtful("an unusual escape");
}

/** A flow collection is written anew in one line: its comments are better not in it. Nothing but one may be behind it. */
function refuseFlowComment({ text, flowEnd }: Reading, start: number): void {
  const rest = text.slice(flowEnd);
  if (text.slice(start, flowEnd + rest.search(/[\]}]/)).includes("#"))
    throw new Doubtful("a comment in a flow collection");
  if (!/^["']?[\s,[\]{}]*?[\]}](?: *(?:\n|$)| +#)/.test(rest)) throw new Doubtful("something behind a flow collection");
}

function refuseTabs(text: string, events: Event[]): void {
  let within = 0;
  for (const event of events) {
    const block = event.type === EVENT_ID.SCALAR && event.style >= SCALAR_STYLE.LITERAL_BLOCK;
    if (block) within += text.slice(event.valueStart, event.valueEnd).split("\t").length - 1;
  }
  if (within !== text.split("\t").length - 1) throw new Doubtful("a tab outside of a block");
}
