import { messageOf } from "../../text/error-message.ts";
import {
  type Branch,
  type Documents,
  isBranch,
  isList,
  isRemark,
  isTimestamp,
  type Scalar,
  type Value,
} from "../tree.ts";
import { parseJsonObject } from "./parse-json.ts";
import type { Store } from "./store.ts";

/** JSON as SOPS reads and writes it: one object, indented with tabs. Remarks are lost. */
export const jsonStore: Store = { parse: parseJson, emit: emitJson, metadata: "nested" };

function parseJson(content: Uint8Array): Documents {
  try {
    return [parseJsonObject(new TextDecoder("utf-8", { ignoreBOM: true }).decode(content))];
  } catch (error) {
    throw new Error(`Could not unmarshal input data: ${messageOf(error)}`);
  }
}

function emitJson([first = { items: [] }]: Documents): Uint8Array {
  return Buffer.from(`${formatJson(first, "\n")}\n`);
}

/** A value as JSON; `newline` begins a line at its level. */
function formatJson(value: Value, newline: string): string {
  if (isBranch(value)) return formatObject(value, newline);
  if (isList(value))
    return formatParts(
      "[",
      value.map((part) => formatJson(part, `${newline}\t`)),
      "]",
      newline,
    );
  return formatScalar(value);
}

function formatObject(branch: Branch, newline: string): string {
  const parts = branch.items.flatMap((item) =>
    isRemark(item) ? [] : [`${formatText(item.key)}: ${formatJson(item.value, `${newline}\t`)}`],
  );
  return formatParts("{", parts, "}", newline);
}

function formatParts(open: string, parts: readonly string[], close: string, newline: string): string {
  if (parts.length === 0) return open + close;
  return `${open}${newline}\t${parts.join(`,${newline}\t`)}${newline}${close}`;
}

function formatScalar(value: Scalar): string {
  if (typeof value === "string") return formatText(value);
  if (typeof value === "number") return formatNumber(value);
  if (typeof value === "bigint" || typeof value === "boolean" || value === null) return String(value);
  return formatText(isTimestamp(value) ? value.time : new TextDecoder().decode(value));
}

function formatNumber(value: number): string {
  if (!Number.isFinite(value)) throw new Error("Error marshaling to json: a number that is infinite or none");
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A text as Go's encoding/json writes it, safe within HTML. */
function formatText(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
