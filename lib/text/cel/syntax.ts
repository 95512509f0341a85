import type { Value } from "./value.ts";

/** A node of an expression. `at` is where cel-go points to when the node is wrong: an offset into the text. */
export type Expr = { at: number } & (
  | { op: "literal"; value: Value }
  | { op: "ident"; name: string }
  /** `test` asks whether the field is there: `has(operand.field)`. */
  | { op: "select"; operand: Expr; field: string; test: boolean }
  /** Functions, and operators by cel-go's names for them (`_+_`). */
  | { op: "call"; name: string; target?: Expr; args: Expr[] }
  | { op: "logical"; name: "_&&_" | "_||_"; terms: Expr[] }
  | { op: "list"; items: { value: Expr; optional: boolean }[] }
  | { op: "map"; entries: MapEntry[] }
  | { op: "message"; name: string }
  | Fold
  /** `target.optMap(variable, body)`, and `optFlatMap`. */
  | { op: "optional"; flat: boolean; target: Expr; variable: string; body: Expr }
);

/** `at` is the colon. */
export type MapEntry = { at: number; key: Expr; value: Expr; optional: boolean };

/** A macro that goes over a list, or over the keys of a map. */
export type Fold = {
  op: "fold";
  name: "all" | "exists" | "exists_one" | "map" | "filter";
  range: Expr;
  variable: string;
  /** The condition of a `map` with three arguments. */
  condition?: Expr;
  body: Expr;
};

/** The nodes that a node is made of. */
export function childrenOf(node: Expr): Expr[] {
  switch (node.op) {
    case "select":
      return [node.operand];
    case "call":
      return node.target === undefined ? node.args : [node.target, ...node.args];
    case "logical":
      return node.terms;
    case "list":
      return node.items.map(({ value }) => value);
    case "map":
      return node.entries.flatMap(({ key, value }) => [key, value]);
    case "fold":
      return node.condition === undefined ? [node.range, node.body] : [node.range, node.condition, node.body];
    case "optional":
      return [node.target, node.body];
    default:
      return [];
  }
}

/** Whether a node is more than so many levels below the first. */
export function isDeeperThan(root: Expr, levels: number): boolean {
  let level = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levels) return true;
    level = level.flatMap(childrenOf);
  }
  return false;
}

/** `a.b.c` where an expression is that and no more. */
export function qualifiedName(expression: Expr): string | undefined {
  if (expression.op === "ident") return expression.name;
  if (expression.op !== "select" || expression.test) return undefined;
  const operand = qualifiedName(expression.operand);
  return operand === undefined ? undefined : `${operand}.${expression.field}`;
}

/** Something that is wrong with an expression. `at` is an offset into its text. */
export type Issue = { at: number; message: string };

/** An expression that cannot be used, with what is wrong as cel-go writes it. */
export class CelError extends Error {
  override name = "CelError";
}

/** Issues as cel-go shows them to users: place, message, and the line with a mark below the place. */
export function formatIssues(text: string, issues: readonly Issue[]): string {
  const lines = text.split("\n");
  let told = 0;
  return issues
    .toSorted((a, b) => a.at - b.at)
    .slice(0, 100)
    .flatMap(({ at, message }) => {
      const before = text.slice(0, at).split("\n");
      const line = lines[before.length - 1] ?? "";
      const characters = [...(before.at(-1) ?? "")];
      const column = characters.length;
      const [marked = ""] = line.slice(before.at(-1)?.length);
      // What is not ASCII counts as wide.
      const dots = characters.map((character) => (character > "\x7f" ? "．" : ".")).join("");
      // A condition of a status has room for so much.
      if (told > 8 * 1024) return [];
      told += 2 * line.length + message.length;
      const place = `ERROR: <input>:${before.length}:${line === "" ? 0 : column + 1}: ${message}`;
      if (line === "") return [place];
      return [`${place}\n | ${line.replaceAll("\t", " ")}\n | ${dots}${marked > "\x7f" ? "＾" : "^"}`];
    })
    .join("\n");
}
