/** A part of a template: text as it is, or a variable with what is done to its value. */
export type Part = string | Expansion;

/** `${name}`, or `${name<operator><arguments>}`. The length, `${#name}`, is the operator `#` without arguments. */
export type Expansion = { name: string; operator: string; arguments: Part[] };

/** Where the parser is in the text. */
type Reader = { text: string; at: number; depth: number };

/** How deep expansions may lie within each other; the stack of the program is not for the text to exhaust. */
const depthLimit = 200;

/**
 * Parses the templates of Flux's variable substitution (`fluxcd/pkg/envsubst`, a fork of `drone/envsubst`): `$$` stands for `$`,
 * and `${` always begins an expansion. Throws an Error with the text of that library. Linear in the length of the text.
 */
export function parseTemplate(text: string): Part[] {
  const reader: Reader = { text, at: 0, depth: 0 };
  const parts: Part[] = [];
  while (reader.at < text.length) parts.push(atExpansion(reader) ? readExpansion(reader) : readText(reader));
  return parts;
}

function readText(reader: Reader): string {
  const { text } = reader;
  let result = "";
  for (;;) {
    const dollar = text.indexOf("$", reader.at);
    const end = dollar < 0 ? text.length : dollar;
    result += text.slice(reader.at, end);
    reader.at = end;
    if (end === text.length || atExpansion(reader)) return result;
    result += "$";
    reader.at += text[end + 1] === "$" ? 2 : 1;
  }
}

function atExpansion({ text, at }: Reader): boolean {
  return text.startsWith("${", at);
}

function readExpansion(reader: Reader): Expansion {
  reader.at += 2;
  reader.depth += 1;
  if (reader.depth > depthLimit) throw new Error(`substitutions are nested deeper than ${depthLimit}`);
  const expansion = reader.text[reader.at] === "#" ? readLength(reader) : readVariable(reader);
  reader.depth -= 1;
  return expansion;
}

function readLength(reader: Reader): Expansion {
  reader.at += 1;
  const name = readName(reader);
  if (name === undefined) throw badSubstitution();
  return closed(reader, { name, operator: "#", arguments: [] });
}

function readVariable(reader: Reader): Expansion {
  const name = readName(reader);
  if (name === undefined) throw new Error("unable to parse variable name");
  const { text, at } = reader;
  switch (text[at]) {
    case ":":
      return /[=\-?+]/.test(text.charAt(at + 1))
        ? readDefault(reader, name, text.slice(at, at + 2))
        : readSubstring(reader, name);
    case "=":
      return readDefault(reader, name, "=");
    case ",":
    case "^":
      return closed(reader, { name, operator: readOperator(reader, /[,^]{1,2}/y), arguments: [] });
    case "/":
      return readReplacement(reader, name);
    case "#":
    case "%": {
      const operator = readOperator(reader, /##?|%%?/y);
      return closed(reader, { name, operator, arguments: [readArgument(reader, "}")] });
    }
    case "}":
      reader.at += 1;
      return { name, operator: "", arguments: [] };
    default:
      throw new Error("missing closing brace");
  }
}

function readDefault(reader: Reader, name: string, operator: string): Expansion {
  reader.at += operator.length;
  const parts: Part[] = [];
  while (reader.text[reader.at] !== "}") parts.push(readArgument(reader, "}"));
  return closed(reader, { name, operator, arguments: parts });
}

function readSubstring(reader: Reader, name: string): Expansion {
  // The library steps back over what follows the colon as if it were the colon, so it must be one byte long.
  if (!/[\0-\x7f]/.test(reader.text.charAt(reader.at + 1))) throw badSubstitution();
  reader.at += 1;
  const position = readArgument(reader, ":}");
  if (reader.text[reader.at] === "}") return closed(reader, { name, operator: ":", arguments: [position] });
  if (readOperator(reader, /:+/y) === "") throw badSubstitution();
  return closed(reader, { name, operator: ":", arguments: [position, readArgument(reader, "}")] });
}

function readReplacement(reader: Reader, name: string): Expansion {
  const operator = readOperator(reader, /\/[/#%]?/y);
  const pattern = readArgument(reader, "/", true);
  if (readOperator(reader, /\/+/y) === "") throw badSubstitution();
  if (reader.text[reader.at] === "}") return closed(reader, { name, operator, arguments: [pattern] });
  return closed(reader, { name, operator, arguments: [pattern, readArgument(reader, "}", true)] });
}

/**
 * One argument: an expansion, or the text up to the next expansion or to one of `ends`. Where `escapes` are known, `$$`, `\/` and
 * `\\` stand for their second character.
 */
function readArgument(reader: Reader, ends: string, escapes = false): Part {
  if (atExpansion(reader)) return readExpansion(reader);
  const { text } = reader;
  const start = reader.at;
  let from = start;
  let result = "";
  while (reader.at < text.length && !atExpansion(reader)) {
    const character = text.charAt(reader.at);
    const next = text[reader.at + 1];
    const isEscaped = escapes && (character === "$" ? next === "$" : character === "\\" && /[/\\]/.test(next ?? ""));
    if (isEscaped) {
      result += text.slice(from, reader.at);
      from = reader.at + 1;
      reader.at += 2;
    } else if (ends.includes(character)) break;
    else reader.at += 1;
  }
  if (reader.at === start) throw new Error("unable to parse substitution within function");
  return result + text.slice(from, reader.at);
}

function readName(reader: Reader): string | undefined {
  return readOperator(reader, /[\p{L}\p{Nd}_]+/uy) || undefined;
}

/** What a pattern of this file matches here, which is then passed; empty where it does not match. */
function readOperator(reader: Reader, pattern: RegExp): string {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text)?.[0] ?? "";
  reader.at += found.length;
  return found;
}

function closed(reader: Reader, expansion: Expansion): Expansion {
  if (reader.text[reader.at] !== "}") throw badSubstitution();
  reader.at += 1;
  return expansion;
}

function badSubstitution(): Error {
  return new Error("bad substitution");
}
