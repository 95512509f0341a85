import type { Issue } from "./syntax.ts";
import type { Value } from "./value.ts";

/** A piece of an expression. `value` is that of a literal, undefined where it is out of range. */
export type Token = {
  type: "end" | "identifier" | "keyword" | "int" | "uint" | "double" | "string" | "bytes" | "symbol";
  text: string;
  at: number;
  value?: Value;
  /** What is wrong with a literal that has the right shape. */
  wrong?: string;
};

/** Words that no variable can have as its name. */
export const reserved: ReadonlySet<string> = new Set(
  "as break const continue else false for function if import in let loop null package namespace return true var void while".split(
    " ",
  ),
);

const keywords = new Set(["true", "false", "null", "in"]);
const symbols = /(?:==|!=|<=|>=|&&|\|\||[<>[\]{}().,\-!?:+*/%])/y;
const spaces = /(?:[\t \r\n\f]+|\/\/[^\n]*)/y;
const identifier = /[_a-zA-Z]\w*/y;
const escaped = /`[\w.\-/ ]+`/y;
const numbers = /(?:0x[\da-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+[uU]?)/y;
const quotes = /(?:[bB]?[rR]?)("""|'''|"|')/y;
const escapes = /\\(?:[abfnrtv"'\\?`]|[xX]([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-3][0-7]{2}))/y;
const simpleEscapes: Record<string, string> = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/** The pieces of an expression, an `end` last; what is none is left out, and told. */
export function tokenise(text: string): { tokens: Token[]; issues: Issue[] } {
  const tokens: Token[] = [];
  const issues: Issue[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  while (at < text.length) {
    const space = match(spaces);
    if (space !== null) {
      at += space[0].length;
      continue;
    }
    const quote = match(quotes);
    if (quote !== null) {
      const literal = readString(text, at, quote[0], quote[1] ?? "");
      const prefix = quote[0].slice(0, -(quote[1] ?? "").length);
      if ("token" in literal) tokens.push(literal.token);
      else if (prefix !== "") {
        // What is no literal is a name, and what follows it.
        tokens.push({ type: "identifier", text: prefix, at });
        at += prefix.length;
        continue;
      } else issues.push({ at, message: `Syntax error: token recognition error at: '${literal.wrong}'` });
      at = literal.end;
      continue;
    }
    const word = match(identifier);
    const found = word ?? match(numbers) ?? match(symbols);
    if (found === null) {
      const name = match(escaped);
      if (name !== null) {
        issues.push({ at, message: "unsupported syntax: '`'" });
        at += name[0].length;
        continue;
      }
      const wrong = /^[=&|]/.test(text.slice(at))
        ? text.slice(at, at + 2)
        : String.fromCodePoint(text.codePointAt(at) ?? 0);
      issues.push({ at, message: `Syntax error: token recognition error at: '${wrong}'` });
      at += wrong.length;
      continue;
    }
    const piece = found[0];
    if (word !== null) tokens.push({ type: keywords.has(piece) ? "keyword" : "identifier", text: piece, at });
    else if (/^\.?\d/.test(piece)) tokens.push(readNumber(piece, at));
    else tokens.push({ type: "symbol", text: piece, at });
    at += piece.length;
  }
  tokens.push({ type: "end", text: "<EOF>", at: text.length });
  return { tokens, issues };
}

/** A number, without its sign; the parser knows of that, and of the bounds. */
function readNumber(text: string, at: number): Token {
  if (/^0x|^\d+[uU]?$/.test(text)) {
    const isUint = /[uU]$/.test(text);
    const value = BigInt(isUint ? text.slice(0, -1) : text);
    if (!isUint) return { type: "int", text, at, value };
    if (value >= 2n ** 64n) return { type: "uint", text, at, wrong: "invalid uint literal" };
    return { type: "uint", text, at, value: { tag: "uint", value } };
  }
  const value = Number(text);
  return Number.isFinite(value)
    ? { type: "double", text, at, value }
    : { type: "double", text, at, wrong: "invalid double literal" };
}

type StringLiteral = { token: Token; end: number } | { wrong: string; end: number };

/** A string or bytes: raw or with escapes, on one line or between three quotes. */
function readString(text: string, start: number, opening: string, quote: string): StringLiteral {
  const prefix = opening.slice(0, -quote.length).toLowerCase();
  const isBytes = prefix.includes("b");
  const parts: (string | number)[] = [];
  let at = start + opening.length;
  for (;;) {
    if (at >= text.length) return { wrong: text.slice(start), end: text.length };
    if (text.startsWith(quote, at)) break;
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
    if (quote.length === 1 && (character === "\n" || character === "\r")) {
      return { wrong: text.slice(start, at + 1), end: at + 1 };
    }
    if (character !== "\\" || prefix.includes("r")) {
      parts.push(character);
      at += character.length;
      continue;
    }
    escapes.lastIndex = at;
    const found = escapes.exec(text);
    if (found === null) return { wrong: text.slice(start, at + 2), end: Math.min(at + 2, text.length) };
    const [whole, byte, short, long, octal] = found;
    const code = byte ?? short ?? long;
    if (octal !== undefined || code !== undefined) {
      const point = octal === undefined ? Number.parseInt(code ?? "", 16) : Number.parseInt(octal, 8);
      if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000) || (isBytes && (short ?? long) !== undefined)) {
        const token: Token = { type: isBytes ? "bytes" : "string", text: text.slice(start, at), at: start };
        return { token: { ...token, wrong: "unable to unescape string" }, end: skipString(text, at, quote) };
      }
      parts.push(isBytes ? point : String.fromCodePoint(point));
    } else {
      const letter = whole.charAt(1);
      parts.push(simpleEscapes[letter] ?? letter);
    }
    at += whole.length;
  }
  const end = at + quote.length;
  const token = { text: text.slice(start, end), at: start };
  if (!isBytes) return { token: { ...token, type: "string", value: parts.join("") }, end };
  const bytes = Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part))));
  return { token: { ...token, type: "bytes", value: new Uint8Array(bytes) }, end };
}

function skipString(text: string, from: number, quote: string): number {
  const end = text.indexOf(quote, from);
  return end === -1 ? text.length : end + quote.length;
}
