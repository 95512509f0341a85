import {
  type AliasEvent,
  COLLECTION_STYLE,
  EVENT_ID,
  type Event,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE,
  type ScalarEvent,
} from "js-yaml";
import { messageOf } from "../../text/error-message.ts";
import {
  type Branch,
  type Documents,
  depthLimit,
  type Entry,
  isBranch,
  isList,
  type Remark,
  type Scalar,
  type Value,
  valueLimit,
} from "../tree.ts";
import { resolvePlain, resolveTagged } from "./yaml-scalar.ts";

type Reader = {
  text: string;
  events: readonly Event[];
  at: number;
  /** Where in the text the last event ended: what is between it and the next one can only be remarks and punctuation. */
  end: number;
  values: number;
  anchors: Map<string, Value>;
};

/**
 * Reads a stream of YAML documents, each a mapping, in the order of the keys. Aliases become what they stand for; a document that is
 * empty is an empty mapping. Throws where it is no such YAML, without showing what it holds.
 */
export function parseYaml(text: string): Documents {
  const reader: Reader = { text, events: eventsOf(text), at: 0, end: 0, values: 0, anchors: new Map() };
  const documents: Branch[] = [];
  while (reader.at < reader.events.length) {
    // Anchors live within a document.
    reader.anchors = new Map();
    reader.at += 1;
    documents.push(documentOf(peek(reader).type === EVENT_ID.POP ? null : readValue(reader, 0)));
    reader.at += 1;
  }
  return documents;
}

function eventsOf(text: string): Event[] {
  if (text.trim() === "") return [];
  try {
    return parseEvents(text, { maxDepth: depthLimit });
  } catch (error) {
    // The parser's message quotes the text: its first line, without the quotation, tells the place.
    const [reason = ""] = messageOf(error).split("\n");
    throw new Error(`Error unmarshaling input YAML: ${reason.replace(/"[^"]*"/g, '"..."').slice(0, 200)}`);
  }
}

function documentOf(value: Value): Branch {
  if (value === null) return { items: [] };
  if (isBranch(value)) return value;
  if (isList(value))
    throw new Error("Error unmarshaling input YAML: YAML documents that are sequences are not supported");
  throw new Error("Error unmarshaling input YAML: YAML documents that are values are not supported");
}

function peek(reader: Reader): Event {
  const event = reader.events[reader.at];
  if (event === undefined) throw new Error("Error unmarshaling input YAML: unexpected end");
  return event;
}

function readValue(reader: Reader, depth: number): Value {
  const event = peek(reader);
  reader.at += 1;
  reader.end = endOf(event, reader.end);
  count(reader, 1);
  if (event.type === EVENT_ID.ALIAS) return aliased(reader, event);
  if (event.type === EVENT_ID.SCALAR) return anchored(reader, event, scalarOf(reader, event));
  if (event.type === EVENT_ID.SEQUENCE) return anchored(reader, event, readList(reader, depth));
  if (event.type === EVENT_ID.MAPPING)
    return anchored(reader, event, readMapping(reader, depth, event.style === COLLECTION_STYLE.BLOCK));
  throw new Error("Error unmarshaling input YAML: unexpected end");
}

function readList(reader: Reader, depth: number): Value[] {
  const values: Value[] = [];
  while (peek(reader).type !== EVENT_ID.POP) values.push(readValue(reader, depth + 1));
  reader.at += 1;
  return values;
}

function readMapping(reader: Reader, depth: number, isBlock: boolean): Branch {
  const items: (Entry | Remark)[] = [];
  const names = new Set<string>();
  const column = isBlock ? columnOf(reader, startOf(peek(reader)) ?? 0) : 0;
  // Remarks within braces are lost.
  const remarksUntil = (least: number) => (isBlock ? takeRemarks(reader, least) : []);
  while (peek(reader).type !== EVENT_ID.POP) {
    addRemarks(items, remarksUntil(0));
    const key = readKey(reader);
    if (names.has(key)) throw new Error("Error unmarshaling input YAML: a mapping key is already defined");
    names.add(key);
    for (const { comment } of remarksUntil(Number.POSITIVE_INFINITY)) items.push({ comment });
    items.push({ key, value: readValue(reader, depth + 1) });
  }
  reader.at += 1;
  addRemarks(items, remarksUntil(column));
  return { items };
}

/** A remark on the line of an entry counts before it, as in SOPS. */
function addRemarks(items: (Entry | Remark)[], remarks: readonly Remark[]): void {
  for (const remark of remarks) {
    if (remark.inline && items.length > 0) items.splice(items.length - 1, 0, remark);
    else items.push({ comment: remark.comment });
  }
}

/**
 * Takes the remarks before the next event that are on the line of the last one, and those on lines of their own as long as they
 * are indented by `column` at least.
 */
function takeRemarks(reader: Reader, column: number): Remark[] {
  const end = nextPlace(reader);
  const remarks: Remark[] = [];
  const gap = reader.text.slice(reader.end, end);
  for (const found of gap.matchAll(/(?<=^|\s)#(.*)/g)) {
    const at = reader.end + found.index;
    const inline = reader.text.slice(reader.text.lastIndexOf("\n", at) + 1, at).trim() !== "";
    if (!inline && columnOf(reader, at) < column) return endAt(reader, at, remarks);
    remarks.push(inline ? { comment: found[1] ?? "", inline } : { comment: found[1] ?? "" });
  }
  reader.end = end;
  return remarks;
}

/** Where the next event begins, or the document ends. */
function nextPlace({ events, at, text, end }: Reader): number {
  let isLast = false;
  for (let index = at; index < events.length; index += 1) {
    const event = events[index];
    const start = event === undefined ? undefined : startOf(event);
    isLast ||= event?.type === EVENT_ID.DOCUMENT;
    if (start !== undefined && !isLast) return start;
    if (isLast) break;
  }
  const mark = isLast ? text.slice(end).search(/^(?:---|\.\.\.)/m) : -1;
  return mark === -1 ? text.length : end + mark;
}

function endAt(reader: Reader, at: number, remarks: Remark[]): Remark[] {
  reader.end = at;
  return remarks;
}

function columnOf({ text }: Reader, at: number): number {
  return at - (text.lastIndexOf("\n", at - 1) + 1);
}

/** Where an event begins in the text; undefined for those that have no place. */
function startOf(event: Event): number | undefined {
  const starts =
    event.type === EVENT_ID.SCALAR
      ? [event.valueStart, event.tagStart, event.anchorStart]
      : event.type === EVENT_ID.ALIAS
        ? [event.anchorStart]
        : event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE
          ? [event.start, event.tagStart, event.anchorStart]
          : [];
  const known = starts.filter((start) => start >= 0);
  return known.length === 0 ? undefined : Math.min(...known);
}

function endOf(event: Event, before: number): number {
  if (event.type === EVENT_ID.SCALAR) return Math.max(before, event.valueEnd);
  if (event.type === EVENT_ID.ALIAS) return Math.max(before, event.anchorEnd);
  return before;
}

function readKey(reader: Reader): string {
  const event = peek(reader);
  const key = readValue(reader, 0);
  if (typeof key === "string") return key;
  const kind = event.type === EVENT_ID.SCALAR ? "a number, truth value, null or time" : "a list or mapping";
  throw new Error(`Tree contains a non-string key (${kind}). Only string keys are supported`);
}

function scalarOf(reader: Reader, event: ScalarEvent): Scalar {
  const text = getScalarValue(reader.text, event);
  const isPlain = event.style === SCALAR_STYLE.PLAIN;
  if (event.tagStart >= 0) return resolveTagged(text, reader.text.slice(event.tagStart, event.tagEnd), isPlain);
  return isPlain ? resolvePlain(text) : text;
}

function anchored(reader: Reader, event: { anchorStart: number; anchorEnd: number }, value: Value): Value {
  if (event.anchorStart >= 0) reader.anchors.set(reader.text.slice(event.anchorStart, event.anchorEnd), value);
  return value;
}

function aliased(reader: Reader, event: AliasEvent): Value {
  const value = reader.anchors.get(reader.text.slice(event.anchorStart, event.anchorEnd));
  if (value === undefined) throw new Error("Error unmarshaling input YAML: unknown anchor referenced");
  count(reader, sizeOf(value));
  return value;
}

function count(reader: Reader, more: number): void {
  reader.values += more;
  if (reader.values > valueLimit)
    throw new Error(`Error unmarshaling input YAML: it has more than ${valueLimit} values`);
}

/** How many values there are in a value. What aliases repeat is counted as often: the count ends where the limit is passed. */
function sizeOf(value: Value): number {
  const left = [value];
  let size = 0;
  for (let next = left.pop(); next !== undefined && size <= valueLimit; next = left.pop()) {
    size += 1;
    if (isBranch(next)) for (const item of next.items) "key" in item && left.push(item.value);
    else if (isList(next)) for (const part of next) left.push(part);
  }
  return size;
}
