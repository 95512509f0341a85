import { type Expansion, type Part, parseTemplate } from "./envsubst-parse.ts";
import { matchBeginning } from "./shell-pattern.ts";

/** Looks a variable up: its value, which may be empty, or undefined where there is none by that name. */
export type Lookup = (name: string) => string | undefined;

/** How much may still be done: characters that are looked at or written. Shared by the texts of one build, it bounds them all. */
export type Budget = { left: number };

/** A budget for the substitutions of one build: far more than manifests need, and about a second of work. */
export function substitutionBudget(): Budget {
  return { left: 64 * 1024 * 1024 };
}

/**
 * Puts variables into a text in the dialect of Flux (`fluxcd/pkg/envsubst`): `${v}`, defaults (`:-`, `-`, `=`, ... with nested
 * expansions), lengths and substrings in bytes, case, literal replacement, prefixes and suffixes by shell pattern, `$$` for `$`
 * (KS-120, KS-121). A variable that is not there fails unless a default was given for it. Throws an Error with the text of that
 * library, or where the budget is used up.
 */
export function substituteVariables(text: string, lookup: Lookup, budget: Budget = substitutionBudget()): string {
  if (!text.includes("${") && !text.includes("$$")) return text;
  return evaluateAll(parseTemplate(text), lookup, budget).join("");
}

function evaluateAll(parts: readonly Part[], lookup: Lookup, budget: Budget): string[] {
  return parts.map((part) => {
    const value = typeof part === "string" ? part : evaluate(part, lookup, budget);
    spend(budget, value.length);
    return value;
  });
}

/** These operators give their own value where the variable is not there. */
const defaultOperators = new Set(["-", "+", "=", "?", ":-", ":+", ":=", ":?"]);

function evaluate({ name, operator, arguments: parts }: Expansion, lookup: Lookup, budget: Budget): string {
  const given = evaluateAll(parts, lookup, budget);
  const value = lookup(name);
  if (value === undefined && !defaultOperators.has(operator))
    throw new Error(`variable not set (strict mode): ${JSON.stringify(name)}`);
  return operate(value ?? "", operator, given, budget);
}

function operate(value: string, operator: string, given: readonly string[], budget: Budget): string {
  const [first, second] = given;
  // What looks at every character costs several times as much as copying it.
  if (operator !== "" && !defaultOperators.has(operator)) spend(budget, value.length * 4);
  switch (operator) {
    case ",":
      return changeFirst(value, toLower);
    case ",,":
      return mapCharacters(value, toLower);
    case "^":
      return changeFirst(value, toUpper);
    case "^^":
      return mapCharacters(value, toUpper);
    case "#":
      return first === undefined ? String(Buffer.byteLength(value)) : trimBeginning(value, first, "shortest", budget);
    case "##":
      return trimBeginning(value, first ?? "", "longest", budget);
    case "%":
      return reverse(trimBeginning(reverse(value), reverse(first ?? ""), "shortest", budget));
    case "%%":
      return reverse(trimBeginning(reverse(value), reverse(first ?? ""), "longest", budget));
    case ":":
      return substring(value, first ?? "", second);
    case "/":
      return replace(value, first ?? "", second ?? "", budget, 1);
    case "//":
      return replace(value, first ?? "", second ?? "", budget);
    case "/#":
      return second !== undefined && value.startsWith(first ?? "") ? second + value.slice(first?.length) : value;
    case "/%":
      return second !== undefined && value.endsWith(first ?? "")
        ? value.slice(0, value.length - (first?.length ?? 0)) + second
        : value;
    default:
      return value === "" ? given.join("") : value;
  }
}

/** Positions and lengths are bytes of UTF-8; what is no number gives the value whole, as in bash. */
function substring(value: string, position: string, length: string | undefined): string {
  const [from, count] = [parseInteger(position), length === undefined ? undefined : parseInteger(length)];
  if (from === undefined || (length !== undefined && count === undefined)) return value;
  const bytes = Buffer.from(value);
  const start = from < 0 ? Math.max(bytes.length + from, 0) : from;
  if (count !== undefined && count < 0) throw new Error(`slice bounds out of range [${start}:${start + count}]`);
  const cut = bytes.subarray(start, count === undefined ? undefined : start + count);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(cut);
  } catch (error) {
    throw new Error("a substring begins or ends within a character", { cause: error });
  }
}

function parseInteger(text: string): number | undefined {
  return /^[+-]?[0-9]{1,18}$/.test(text) ? Number(text) : undefined;
}

/** Literal text for literal text, everywhere or in the first place alone; empty text is found between all characters. */
function replace(value: string, old: string, by: string, budget: Budget, most?: 1): string {
  if (most === 1) {
    const at = value.indexOf(old);
    return at < 0 ? value : value.slice(0, at) + by + value.slice(at + old.length);
  }
  const parts = old === "" ? ["", ...value, ""] : value.split(old);
  spend(budget, parts.length * by.length);
  return parts.join(by);
}

function trimBeginning(value: string, pattern: string, which: "shortest" | "longest", budget: Budget): string {
  spend(budget, value.length * pattern.length * 4);
  const characters = [...value];
  const codes = characters.map((character) => character.codePointAt(0) ?? 0);
  return characters.slice(matchBeginning(pattern, codes, which)).join("");
}

function reverse(text: string): string {
  return [...text].reverse().join("");
}

function changeFirst(value: string, change: (character: string) => string): string {
  const first = value.codePointAt(0);
  if (first === undefined) return value;
  const character = String.fromCodePoint(first);
  return change(character) + value.slice(character.length);
}

function mapCharacters(value: string, change: (character: string) => string): string {
  return Array.from(value, change).join("");
}

/** Go's mapping is one character to one; where Unicode's full mapping gives more, the character has none in Go, but for one. */
function toUpper(character: string): string {
  const upper = character.toUpperCase();
  return [...upper].length === 1 ? upper : character;
}

function toLower(character: string): string {
  if (character === "\u0130") return "i";
  const lower = character.toLowerCase();
  return [...lower].length === 1 ? lower : character;
}

function spend(budget: Budget, amount: number): void {
  budget.left -= amount;
  if (budget.left < 0) throw new Error("the substitutions of this build make too much text");
}
