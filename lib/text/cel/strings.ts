import { formatText } from "./format.ts";
import type { CelFunction } from "./functions.ts";
import { matches } from "./pattern.ts";
import { EvaluationError, type Value } from "./value.ts";

/** What CEL itself asks of strings. */
export const stringTests: Record<string, CelFunction> = {
  contains: test((text, part) => text.includes(part)),
  startsWith: test((text, part) => text.startsWith(part)),
  endsWith: test((text, part) => text.endsWith(part)),
  matches: ([text, pattern], spend) => {
    if (typeof text !== "string" || typeof pattern !== "string") return undefined;
    return matches(pattern, text, spend);
  },
};

/** What the extensions for strings and encodings ask. Places count characters, not code units. */
export const stringFunctions: Record<string, CelFunction> = {
  charAt: ([text, at], spend) => {
    if (typeof text !== "string" || typeof at !== "bigint") return undefined;
    const characters = split(text, spend);
    if (at < 0n || at > characters.length) throw new EvaluationError(`index out of range: ${at}`);
    return characters[Number(at)] ?? "";
  },
  indexOf: ([text, part, from], spend) => place(text, part, from, spend, "first"),
  lastIndexOf: ([text, part, from], spend) => place(text, part, from, spend, "last"),
  lowerAscii: mapped((text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())),
  upperAscii: mapped((text) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())),
  trim: mapped((text) => text.replace(/^[\s\u0085]+|[\s\u0085]+$/gu, "")),
  reverse: mapped((text) => [...text].reverse().join("")),
  "strings.quote": mapped((text) => `"${[...text].map((character) => quoted[character] ?? character).join("")}"`),
  replace: ([text, old, by, limit = -1n], spend) => {
    if (typeof text !== "string" || typeof old !== "string" || typeof by !== "string") return undefined;
    if (typeof limit !== "bigint") return undefined;
    const pieces = pieceUp(text, old, limit < 0n ? Number.POSITIVE_INFINITY : Number(limit) + 1, spend);
    spend((text.length + (pieces.length - 1) * by.length) / 10);
    return pieces.join(by);
  },
  split: ([text, separator, limit = -1n], spend) => {
    if (typeof text !== "string" || typeof separator !== "string" || typeof limit !== "bigint") return undefined;
    if (limit === 0n) return [];
    const most = limit < 0n ? Number.POSITIVE_INFINITY : Number(limit);
    if (separator !== "") return pieceUp(text, separator, most, spend);
    const characters = split(text, spend);
    if (characters.length <= most) return characters;
    return [...characters.slice(0, most - 1), characters.slice(most - 1).join("")];
  },
  join: ([list, separator = ""], spend) => {
    if (!Array.isArray(list) || typeof separator !== "string") return undefined;
    const texts = list.map((item) => {
      if (typeof item === "string") return item;
      throw new EvaluationError("no such overload: join(list, string)");
    });
    spend(texts.reduce((sum, text) => sum + text.length + separator.length, 0) / 10 + texts.length);
    return texts.join(separator);
  },
  substring: ([text, start, end], spend) => {
    if (typeof text !== "string" || typeof start !== "bigint") return undefined;
    if (end !== undefined && typeof end !== "bigint") return undefined;
    const characters = split(text, spend);
    const to = end ?? BigInt(characters.length);
    if (end !== undefined && start > end) {
      throw new EvaluationError(`invalid substring range. start: ${start}, end: ${end}`);
    }
    if (start < 0n || start > characters.length) throw new EvaluationError(`index out of range: ${start}`);
    if (to < 0n || to > characters.length) throw new EvaluationError(`index out of range: ${to}`);
    return characters.slice(Number(start), Number(to)).join("");
  },
  format: ([text, list], spend) => {
    if (typeof text !== "string" || !Array.isArray(list)) return undefined;
    return formatText(text, list, spend);
  },
  "base64.encode": ([bytes], spend) => {
    if (!(bytes instanceof Uint8Array)) return undefined;
    spend(bytes.length / 5);
    return Buffer.from(bytes).toString("base64");
  },
  "base64.decode": ([text], spend) => {
    if (typeof text !== "string") return undefined;
    spend(text.length / 10);
    return decodeBase64(text);
  },
};

const quoted: Record<string, string> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

function test(holds: (text: string, part: string) => boolean): CelFunction {
  return ([text, part], spend) => {
    if (typeof text !== "string" || typeof part !== "string") return undefined;
    spend(text.length / 10);
    return holds(text, part);
  };
}

function mapped(change: (text: string) => string): CelFunction {
  return ([text], spend) => {
    if (typeof text !== "string") return undefined;
    spend(text.length / 5);
    return change(text);
  };
}

function split(text: string, spend: (cost: number) => void): string[] {
  spend(text.length);
  return [...text];
}

/** The text between the separators, `most` pieces at most; an empty separator is between all characters and at both ends. */
function pieceUp(text: string, separator: string, most: number, spend: (cost: number) => void): string[] {
  spend(text.length / 10);
  const pieces = separator === "" ? ["", ...split(text, spend), ""] : text.split(separator);
  spend(pieces.length);
  if (pieces.length <= most) return pieces;
  return [...pieces.slice(0, most - 1), pieces.slice(most - 1).join(separator)];
}

function place(
  text: Value | undefined,
  part: Value | undefined,
  from: Value | undefined,
  spend: (cost: number) => void,
  which: "first" | "last",
): Value | undefined {
  if (typeof text !== "string" || typeof part !== "string") return undefined;
  if (from !== undefined && typeof from !== "bigint") return undefined;
  const characters = split(text, spend);
  if (from !== undefined && (from < 0n || from > characters.length)) {
    if (which === "first" && from > 0n) return -1n;
    throw new EvaluationError(`index out of range: ${from}`);
  }
  const wanted = [...part];
  if (wanted.length === 0) return from ?? (which === "first" ? 0n : BigInt(characters.length));
  const units = from === undefined ? undefined : characters.slice(0, Number(from)).join("").length;
  const found = which === "first" ? text.indexOf(part, units) : text.lastIndexOf(part, units);
  return found === -1 ? -1n : BigInt([...text.slice(0, found)].length);
}

function decodeBase64(text: string): Uint8Array {
  const plain = text.replace(/[\r\n]/g, "");
  const wrong = plain.search(/[^A-Za-z\d+/=]/);
  const body = plain.replace(/=+$/, "");
  const padding = plain.length - body.length;
  if (wrong !== -1 || body.includes("=") || body.length % 4 === 1 || (padding > 0 && plain.length % 4 !== 0)) {
    const at = wrong !== -1 ? wrong : body.includes("=") ? body.indexOf("=") : plain.length;
    throw new EvaluationError(`illegal base64 data at input byte ${at}`);
  }
  return new Uint8Array(Buffer.from(body, "base64"));
}
