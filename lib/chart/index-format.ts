import { byBytes } from "./index-by-bytes.ts";
import type { Decoded } from "./index-decode.ts";
import { zeroTime } from "./index-decode.ts";
import type { Shape } from "./index-shape.ts";

/** Writes a decoded value as Go's `json.MarshalIndent(value, "", "  ")` does, for a place that is indented by `indent` (HR-004). */
export function formatValue(value: unknown, shape: Shape, indent: string): string {
  switch (shape.kind) {
    case "string":
      return quoted(typeof value === "string" ? value : "");
    case "boolean":
      return value === true ? "true" : "false";
    case "time":
      return typeof value === "string" ? `"${value}"` : `"${zeroTime}"`;
    case "any":
      return formatAny(value, indent);
    case "list":
      return Array.isArray(value)
        ? listed(
            value.map((item: unknown) => formatItem(item, shape.of, `${indent}  `)),
            indent,
          )
        : "null";
    case "map":
      return value instanceof Map
        ? mapped(
            sorted(value).map(([key, item]) => [key, formatItem(item, shape.of, `${indent}  `)]),
            indent,
          )
        : "null";
    case "struct":
      return mapped(formatFields(isDecoded(value) ? value : {}, shape, indent), indent);
  }
}

/** The fields of a struct that are written, each with its text: what is empty is left out, but for what is kept. */
export function formatFields(value: Decoded, shape: Shape & { kind: "struct" }, indent: string): [string, string][] {
  const fields: [string, string][] = [];
  for (const [name, { shape: of, kept }] of shape.fields) {
    const item = value[name];
    if (kept || !isEmpty(item)) fields.push([name, formatValue(item, of, `${indent}  `)]);
  }
  return fields;
}

/** Entries of a JSON object, in their order. */
export function mapped(entries: readonly [string, string][], indent: string): string {
  if (entries.length === 0) return "{}";
  const lines = entries.map(([key, text]) => `${indent}  ${quoted(key)}: ${text}`);
  return `{\n${lines.join(",\n")}\n${indent}}`;
}

/** Items of a JSON array. */
export function listed(items: readonly string[], indent: string): string {
  return items.length === 0 ? "[]" : `[\n${items.map((item) => `${indent}  ${item}`).join(",\n")}\n${indent}]`;
}

/** A string of JSON with what Go escapes besides: what would mean something within HTML or JavaScript. */
export function quoted(text: string): string {
  // Most of an index has nothing to escape.
  if (!/["\\<>&]|[^\x20-\x7e]/.test(text)) return `"${text}"`;
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** An element of a list or map: a struct behind a pointer may be null. */
function formatItem(item: unknown, shape: Shape, indent: string): string {
  return shape.kind === "struct" && item === undefined ? "null" : formatValue(item, shape, indent);
}

function formatAny(value: unknown, indent: string): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value))
    return listed(
      value.map((item: unknown) => formatAny(item, `${indent}  `)),
      indent,
    );
  if (value instanceof Map)
    return mapped(
      sorted(value).map(([key, item]) => [key, formatAny(item, `${indent}  `)]),
      indent,
    );
  return value === true ? "true" : value === false ? "false" : "null";
}

function sorted(map: Map<unknown, unknown>): [string, unknown][] {
  return [...map].map(([key, value]): [string, unknown] => [String(key), value]).sort(([a], [b]) => byBytes(a, b));
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (value instanceof Map) return value.size === 0;
  return value === undefined || value === "" || value === false;
}

function isDecoded(value: unknown): value is Decoded {
  return typeof value === "object" && value !== null;
}
