import { isUtf8 } from "node:buffer";

/** A time, as RFC 3339 writes it. */
export type Timestamp = { readonly time: string };

/**
 * A value without parts. Integers are bigint and floats are number, as SOPS's types are Go's `int` and `float64`. Bytes stand for a
 * text that is no UTF-8.
 */
export type Scalar = string | boolean | bigint | number | null | Uint8Array | Timestamp;

/** A remark between the entries of a mapping, without the sign that begins it; `inline` where it is on the line of the next entry. */
export type Remark = { readonly comment: string; readonly inline?: true };

/** A key with its value. Keys may repeat where the format allows it. */
export type Entry = { readonly key: string; readonly value: Value };

/** A mapping, in the order of the file. */
export type Branch = { readonly items: readonly (Entry | Remark)[] };

/** Everything a file can hold. */
export type Value = Scalar | Branch | readonly Value[];

/** What a file holds: one mapping a document. */
export type Documents = readonly Branch[];

/** The formats that SOPS encrypts; `binary` is anything, as one text within JSON. */
export type Format = "binary" | "dotenv" | "ini" | "json" | "yaml";

/** The most levels of mappings and lists within each other. */
export const depthLimit = 128;

/** The most values that a file may have, with those that aliases repeat. */
export const valueLimit = 1_000_000;

/** The most bytes of an encrypted file (KS-095). */
export const sizeLimit = 5 * 1024 * 1024;

/** Whether a value is a mapping. */
export function isBranch(value: Value): value is Branch {
  return typeof value === "object" && value !== null && "items" in value;
}

/** Whether a value is a list. */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** Whether a value is a time. */
export function isTimestamp(value: Value): value is Timestamp {
  return typeof value === "object" && value !== null && "time" in value;
}

/** Whether something between the entries of a mapping is a remark. */
export function isRemark(item: Entry | Remark): item is Remark {
  return "comment" in item;
}

/** The value of a key; undefined where the mapping has no such key. */
export function valueAt(branch: Branch, key: string): Value | undefined {
  for (const item of branch.items) if (!isRemark(item) && item.key === key) return item.value;
  return undefined;
}

/** The text that bytes are; the bytes themselves where they are no UTF-8. */
export function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8") : bytes;
}
