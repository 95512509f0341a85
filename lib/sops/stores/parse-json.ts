import { type Branch, depthLimit, type Entry, type Value, valueLimit } from "../tree.ts";

type Reader = { text: string; at: number; values: number };

/**
 * Reads the JSON object at the beginning of a text, in the order of its keys, with integers of 64 bits as they are; what follows it
 * is not looked at, as in SOPS. Throws where there is none, without showing what is there.
 */
export function parseJsonObject(text: string): Branch {
  const reader: Reader = { text, at: 0, values: 0 };
  skipBlanks(reader);
  if (reader.text[reader.at] !== "{")
    throw new Error(
      "SOPS only supports JSON files with a top-level object (starting with '{'), not arrays or other types",
    );
  return readObject(reader, 0);
}

function readValue(reader: Reader, depth: number): Value {
  skipBlanks(reader);
  reader.values += 1;
  if (reader.values > valueLimit) throw new Error(`it has more than ${valueLimit} values`);
  switch (reader.text[reader.at]) {
    case "{":
      return readObject(reader, depth + 1);
    case "[":
      return readArray(reader, depth + 1);
    case '"':
      return readString(reader);
    case "t":
      return readWord(reader, "true", true);
    case "f":
      return readWord(reader, "false", false);
    case "n":
      return readWord(reader, "null", null);
    default:
      return readNumber(reader);
  }
}

function readObject(reader: Reader, depth: number): Branch {
  if (depth > depthLimit) throw new Error(`it nests deeper than ${depthLimit} levels`);
  const items: Entry[] = [];
  reader.at += 1;
  if (skips(reader, "}")) return { items };
  for (;;) {
    skipBlanks(reader);
    if (reader.text[reader.at] !== '"') throw wrong(reader, "a key");
    const key = readString(reader);
    if (!skips(reader, ":")) throw wrong(reader, "':'");
    items.push({ key, value: readValue(reader, depth) });
    if (skips(reader, "}")) return { items };
    if (!skips(reader, ",")) throw wrong(reader, "',' or '}'");
  }
}

function readArray(reader: Reader, depth: number): Value[] {
  if (depth > depthLimit) throw new Error(`it nests deeper than ${depthLimit} levels`);
  const values: Value[] = [];
  reader.at += 1;
  if (skips(reader, "]")) return values;
  for (;;) {
    values.push(readValue(reader, depth));
    if (skips(reader, "]")) return values;
    if (!skips(reader, ",")) throw wrong(reader, "',' or ']'");
  }
}

function readString(reader: Reader): string {
  const start = reader.at;
  for (let at = start + 1; at < reader.text.length; at += 1) {
    const code = reader.text.charCodeAt(at);
    if (code === 0x5c) at += 1;
    else if (code === 0x22) {
      reader.at = at + 1;
      try {
        const text: unknown = JSON.parse(reader.text.slice(start, at + 1));
        // Half of a surrogate pair is no character: Go puts the replacement character in its place.
        if (typeof text === "string") return text.toWellFormed();
      } catch {
        reader.at = start;
        throw wrong(reader, "a string");
      }
    }
  }
  throw wrong(reader, "a string that ends");
}

function readNumber(reader: Reader): bigint | number {
  const pattern = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
  pattern.lastIndex = reader.at;
  const [number, fraction, exponent] = pattern.exec(reader.text) ?? [];
  if (number === undefined) throw wrong(reader, "a value");
  reader.at += number.length;
  if (fraction === undefined && exponent === undefined && number.length <= 20) {
    const integer = BigInt(number);
    if (integer === BigInt.asIntN(64, integer)) return integer;
  }
  const float = Number(number);
  if (!Number.isFinite(float)) throw new Error("it has a number that is out of range");
  return float;
}

function readWord<T>(reader: Reader, word: string, value: T): T {
  if (!reader.text.startsWith(word, reader.at)) throw wrong(reader, "a value");
  reader.at += word.length;
  return value;
}

function skips(reader: Reader, character: string): boolean {
  skipBlanks(reader);
  if (reader.text[reader.at] !== character) return false;
  reader.at += 1;
  return true;
}

function skipBlanks(reader: Reader): void {
  for (
    let code = reader.text.charCodeAt(reader.at);
    code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
  ) {
    reader.at += 1;
    code = reader.text.charCodeAt(reader.at);
  }
}

function wrong({ text, at }: Reader, expected: string): Error {
  return at >= text.length ? new Error("unexpected EOF") : new Error(`character ${at + 1} does not begin ${expected}`);
}
