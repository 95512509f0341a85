import { reserved, type Token, tokenise } from "./lexer.ts";
import { expandMacro } from "./macros.ts";
import { CelError, type Expr, formatIssues, type Issue, isDeeperThan, qualifiedName } from "./syntax.ts";

/** Longest expression that is read, in characters. */
const longest = 8 * 1024;
/** How deep an expression may be nested, as in cel-go. */
const deepest = 250;

/** What an expression may begin with, as cel-go lists it; `)` and `?` only where they may come as well. */
function startsOf(closing = "", optional = ""): string {
  const literals = "'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER";
  return `{'[', '{', '(', ${closing}'.', '-', '!', ${optional}${literals}}`;
}
const starts = startsOf();

/** Thrown where reading cannot go on. */
class SyntaxIssue extends Error {
  readonly issue: Issue;

  constructor(at: number, message: string) {
    super(message);
    this.issue = { at, message };
  }
}

/**
 * Reads an expression in CEL's syntax and expands its macros. Throws a CelError with cel-go's texts. cel-go goes on after a
 * syntax error and may add others that follow from it; the first one is told.
 */
export function parseExpression(text: string): Expr {
  if (text.length > longest) {
    throw new CelError(`expression code point size exceeds limit: size: ${text.length}, limit ${longest}`);
  }
  const { tokens, issues } = tokenise(text);
  try {
    const expression = readExpression(tokens, issues);
    // Whoever walks the tree may go into each node from the one above it.
    if (isDeeperThan(expression, 2 * deepest)) {
      throw new SyntaxIssue(expression.at, `expression recursion limit exceeded: ${2 * deepest}`);
    }
    if (issues.length === 0) return expression;
  } catch (error) {
    if (!(error instanceof SyntaxIssue)) throw error;
    issues.push(error.issue);
  }
  throw new CelError(formatIssues(text, issues));
}

function readExpression(tokens: readonly Token[], issues: Issue[]): Expr {
  let position = 0;
  let depth = 0;
  const end: Token = { type: "end", text: "<EOF>", at: 0 };
  const peek = (ahead = 0): Token => tokens[Math.min(position + ahead, tokens.length - 1)] ?? end;
  const next = (): Token => {
    const token = peek();
    position++;
    return token;
  };
  const isSymbol = (text: string, ahead = 0) => peek(ahead).type === "symbol" && peek(ahead).text === text;
  const take = (text: string): boolean => {
    if (!isSymbol(text)) return false;
    position++;
    return true;
  };
  const mismatch = (token: Token, expected: string) =>
    new SyntaxIssue(token.at, `Syntax error: mismatched input '${token.text}' expecting ${expected}`);
  const close = (text: string, expected = `'${text}'`): void => {
    const token = peek();
    if (take(text)) return;
    if (token.type === "end" && expected.startsWith("{")) throw mismatch(token, expected);
    if (token.type === "end") throw new SyntaxIssue(token.at, `Syntax error: missing '${text}' at '<EOF>'`);
    if (!isSymbol(text, 1)) throw mismatch(token, expected);
    throw new SyntaxIssue(token.at, `Syntax error: extraneous input '${token.text}' expecting ${expected}`);
  };
  const refuseDeep = (levels: number): void => {
    if (levels > deepest) throw new SyntaxIssue(peek().at, `expression recursion limit exceeded: ${deepest}`);
  };
  const deeper = <T>(read: () => T): T => {
    refuseDeep(++depth);
    const result = read();
    depth--;
    return result;
  };

  const expression = (first = starts): Expr =>
    deeper(() => {
      const condition = logical("_||_", first);
      const { at } = peek();
      if (!take("?")) return condition;
      const yes = logical("_||_");
      if (!isSymbol(":")) throw mismatch(peek(), "':'");
      next();
      return { op: "call", at, name: "_?_:_", args: [condition, yes, expression()] };
    });

  const logical = (name: "_||_" | "_&&_", first = starts): Expr => {
    const term = (expected?: string) => (name === "_||_" ? logical("_&&_", expected) : relation(expected));
    const one = term(first);
    const { at } = peek();
    const terms = [one];
    while (take(name === "_||_" ? "||" : "&&")) terms.push(term());
    return terms.length === 1 ? one : { op: "logical", at, name, terms };
  };

  const relation = (first = starts): Expr => {
    let left = sum(first);
    for (let links = 0; ; links++) {
      refuseDeep(links);
      const { at, text, type } = peek();
      const isIn = type === "keyword" && text === "in";
      if (!isIn && (type !== "symbol" || !/^(?:[<>]=?|[=!]=)$/.test(text))) return left;
      next();
      left = { op: "call", at, name: isIn ? "@in" : `_${text}_`, args: [left, sum()] };
    }
  };

  const chain = (operators: string, operand: (first?: string) => Expr, first?: string): Expr => {
    let left = operand(first);
    for (let links = 0; ; links++) {
      refuseDeep(links);
      const { at, text, type } = peek();
      if (type !== "symbol" || !operators.includes(text)) return left;
      next();
      left = { op: "call", at, name: `_${text}_`, args: [left, operand()] };
    }
  };
  const sum = (first?: string): Expr => chain("+-", product, first);
  const product = (first?: string): Expr => chain("*/%", unary, first);

  const unary = (first = starts): Expr => {
    const { at, text } = peek();
    if (!isSymbol("!") && !isSymbol("-")) return member(first);
    let count = 0;
    while (isSymbol(text) && !(text === "-" && /^(?:int|double)$/.test(peek(1).type))) {
      next();
      count++;
    }
    if (text === "-" && isSymbol("!")) {
      throw new SyntaxIssue(peek().at, "Syntax error: no viable alternative at input '-!'");
    }
    if (text === "!" && isSymbol("-") && !/^(?:int|double)$/.test(peek(1).type)) {
      throw new SyntaxIssue(peek(1).at, `Syntax error: no viable alternative at input '-${peek(1).text}'`);
    }
    const operand = member();
    // Two of them cancel each other before anything looks at types.
    return count % 2 === 0 ? operand : { op: "call", at, name: `${text}_`, args: [operand] };
  };

  const member = (first = starts): Expr => {
    let operand = primary(first);
    for (let links = 0; ; links++) {
      refuseDeep(links);
      const { at } = peek();
      if (take(".")) {
        const optional = take("?");
        const name = next();
        if (name.type === "keyword" && name.text !== "in") throw mismatch(name, "IDENTIFIER");
        if (name.type !== "identifier") {
          const seen = name.type === "end" ? "" : name.text;
          throw new SyntaxIssue(
            name.at,
            `Syntax error: no viable alternative at input '.${optional ? "?" : ""}${seen}'`,
          );
        }
        const field: Expr = { op: "literal", at: name.at, value: name.text };
        const call = peek();
        if (optional) operand = { op: "call", at, name: "_?._", args: [operand, field] };
        else if (take("(")) operand = called(name, operand, list(")"), call.at);
        else operand = { op: "select", at, operand, field: name.text, test: false };
      } else if (take("[")) {
        const optional = take("?");
        const key = expression(optional ? starts : startsOf("", "'?', "));
        close("]");
        operand = { op: "call", at, name: optional ? "_[?_]" : "_[_]", args: [operand, key] };
      } else if (isSymbol("{") && qualifiedName(operand) !== undefined) {
        next();
        skipFields();
        operand = { op: "message", at, name: qualifiedName(operand) ?? "" };
      } else return operand;
    }
  };

  const called = (name: Token, target: Expr | undefined, args: Expr[], at: number): Expr => {
    const call: Expr =
      target === undefined
        ? { op: "call", at, name: name.text, args }
        : { op: "call", at, name: name.text, target, args };
    const expanded = expandMacro(call);
    if (!("message" in expanded)) return expanded;
    issues.push(expanded);
    return call;
  };

  /** Arguments up to the bracket. */
  const list = (closing: string): Expr[] => {
    const args: Expr[] = [];
    if (take(closing)) return args;
    let first = startsOf("')', ");
    do {
      args.push(expression(first));
      first = starts;
    } while (take(","));
    close(closing);
    return args;
  };

  /** Fields of a message: no message can be made here, but its syntax is read. */
  const skipFields = (): void => {
    while (!take("}")) {
      take("?");
      const name = next();
      if (name.type !== "identifier") throw mismatch(name, "IDENTIFIER");
      if (!take(":")) throw mismatch(peek(), "':'");
      expression();
      if (!take(",") && !isSymbol("}")) close("}");
    }
  };

  const primary = (first: string): Expr => {
    const token = next();
    const { at, text, type } = token;
    if (type === "keyword" && text !== "in") {
      return { op: "literal", at, value: text === "null" ? null : text === "true" };
    }
    if (type === "symbol" && text === "-" && /^(?:int|double)$/.test(peek().type)) return literal(next(), true, at);
    if (type === "int" || type === "uint" || type === "double" || type === "string" || type === "bytes") {
      return literal(token, false, at);
    }
    if (type === "identifier" || (type === "symbol" && text === "." && peek().type === "identifier")) {
      const name = type === "identifier" ? token : next();
      if (reserved.has(name.text)) issues.push({ at: name.at, message: `reserved identifier: ${name.text}` });
      const call = peek();
      return take("(") ? called(name, undefined, list(")"), call.at) : { op: "ident", at, name: name.text };
    }
    if (type === "symbol" && text === ".") {
      throw new SyntaxIssue(
        peek().at,
        `Syntax error: no viable alternative at input '.${peek().type === "end" ? "" : peek().text}'`,
      );
    }
    if (type === "symbol" && text === "(") {
      const inner = expression();
      close(")");
      return inner;
    }
    if (type === "symbol" && text === "[") return listLiteral(at);
    if (type === "symbol" && text === "{") return mapLiteral(at);
    const another = peek();
    const goesOn = another.type !== "end" && (another.type !== "symbol" || first.includes(`'${another.text}'`));
    if (type === "end" || !goesOn) throw mismatch(token, first);
    throw new SyntaxIssue(at, `Syntax error: extraneous input '${text}' expecting ${first}`);
  };

  const literal = (token: Token, negative: boolean, at: number): Expr => {
    const { type, value, wrong } = token;
    const signed = negative && (typeof value === "bigint" || typeof value === "number") ? -value : value;
    const outside = typeof signed === "bigint" && (signed >= 2n ** 63n || signed < -(2n ** 63n));
    if (wrong !== undefined || outside) issues.push({ at, message: wrong ?? `invalid ${type} literal` });
    return { op: "literal", at, value: signed ?? null };
  };

  const listLiteral = (at: number): Expr => {
    const items: { value: Expr; optional: boolean }[] = [];
    let more = true;
    while (!isSymbol("]") && peek().type !== "end") {
      const optional = take("?");
      items.push({ value: expression(), optional });
      more = take(",");
      if (!more) break;
    }
    close("]", more ? undefined : "{']', ','}");
    return { op: "list", at, items };
  };

  const mapLiteral = (at: number): Expr => {
    const entries = [];
    while (!isSymbol("}") && peek().type !== "end") {
      const optional = take("?");
      const key = expression();
      const colon = peek();
      if (!take(":")) {
        if (colon.type === "end" || colon.type === "symbol") throw mismatch(colon, "':'");
        throw new SyntaxIssue(colon.at, `Syntax error: missing ':' at '${colon.text}'`);
      }
      entries.push({ at: colon.at, key, value: expression(), optional });
      if (!take(",")) break;
    }
    close("}");
    return { op: "map", at, entries };
  };

  const result = expression();
  const rest = peek();
  if (rest.type === "end") return result;
  const what = peek(1).type === "end" ? "extraneous" : "mismatched";
  throw new SyntaxIssue(rest.at, `Syntax error: ${what} input '${rest.text}' expecting <EOF>`);
}
