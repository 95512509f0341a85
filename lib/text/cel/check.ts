import { overloadsOf } from "./overloads.ts";
import { CelError, type Expr, type Fold, formatIssues, type Issue, qualifiedName } from "./syntax.ts";
import {
  assignable,
  bool,
  type CelType,
  dyn,
  errorType,
  formatType,
  isWild,
  mostGeneral,
  type Substitution,
  sameType,
  substitute,
  typeOf,
  withFreshParameters,
} from "./types.ts";
import { kindOf, type Value } from "./value.ts";

/** Names that stand for types where no variable has them. */
export const typeNames: ReadonlySet<string> = new Set(
  "bool bytes double int list map null_type string type uint google.protobuf.Timestamp google.protobuf.Duration optional_type".split(
    " ",
  ),
);

type Element = { value: Expr; optional: boolean };
type Scope = ReadonlyMap<string, CelType>;

/**
 * The type of an expression over `variables`, by cel-go's rules: each is a map of strings to anything, so that what is read of
 * it is `dyn` until something is done with it. Throws a CelError with everything that is wrong.
 */
export function checkExpression(text: string, expression: Expr, variables: readonly string[]): CelType {
  const issues: Issue[] = [];
  const substitution: Substitution = new Map();
  const aggregates: { at: number; type: CelType }[][] = [];
  let fresh = 0;

  const report = (at: number, message: string): CelType => {
    issues.push({ at, message });
    return errorType;
  };
  const resolved = (type: CelType, free = false) => substitute(substitution, type, free);
  const isAssignable = (from: CelType, to: CelType) => assignable(substitution, [from], [to]);
  const newParameter = () => typeOf("param", typeOf(`V${fresh++}`));
  const expect = (at: number, wanted: CelType, found: CelType): void => {
    if (isAssignable(found, wanted)) return;
    report(at, `expected type '${formatType(resolved(wanted))}' but found '${formatType(resolved(found))}'`);
  };

  /** Lists and maps that are arguments of `format` may hold what they like. */
  const check = (node: Expr, scope: Scope, exempt = false): CelType => {
    switch (node.op) {
      case "literal":
        return literalType(node.value);
      case "ident":
        return identType(node.name, scope) ?? undeclared(node.at, node.name);
      case "select":
        return checkSelect(node, scope);
      case "call":
        return checkCall(node, scope);
      case "logical":
        for (const term of node.terms) expect(term.at, bool, check(term, scope));
        return bool;
      case "list":
        return typeOf("list", joined(node.items, scope, exempt) ?? newParameter());
      case "map": {
        const keys = node.entries.map(({ key }) => ({ value: key, optional: false }));
        const key = joined(keys, scope, exempt) ?? newParameter();
        return typeOf("map", key, joined(node.entries, scope, exempt) ?? newParameter());
      }
      case "message":
        return undeclared(node.at, node.name);
      case "fold":
        return checkFold(node, scope);
      case "optional": {
        const inner = newParameter();
        const target = check(node.target, scope);
        if (!isAssignable(target, typeOf("optional_type", inner))) {
          return report(
            node.at,
            `found no matching overload for 'hasValue' applied to '${formatType(resolved(target))}.()'`,
          );
        }
        const body = check(node.body, new Map(scope).set(node.variable, resolved(inner)));
        return node.flat ? body : typeOf("optional_type", body);
      }
    }
  };

  const undeclared = (at: number, name: string) => report(at, `undeclared reference to '${name}' (in container '')`);

  const joined = (items: Element[], scope: Scope, exempt: boolean): CelType | undefined => {
    let type: CelType | undefined;
    const found = items.map(({ value, optional }) => {
      const element = optional ? unwrapped(value, check(value, scope, exempt)) : check(value, scope, exempt);
      const general = type === undefined || isAssignable(type, element);
      type = type === undefined ? element : general ? mostGeneral(type, element) : dyn;
      return { at: value.at, type: element };
    });
    if (!exempt) aggregates.push(found);
    return type;
  };

  const unwrapped = (value: Expr, type: CelType): CelType => {
    const inner = newParameter();
    if (isAssignable(type, typeOf("optional_type", inner))) return resolved(inner);
    const shown = formatType(resolved(type));
    return report(value.at, `expected type 'optional_type(${shown})' but found '${shown}'`);
  };

  const checkSelect = (node: Extract<Expr, { op: "select" }>, scope: Scope): CelType => {
    const name = qualifiedName(node);
    if (name !== undefined && typeNames.has(name)) return typeOf("type", typeOf(name));
    const operand = resolved(check(node.operand, scope));
    const found = fieldType(operand, node.at);
    return node.test ? bool : resolved(found);
  };

  const fieldType = (operand: CelType, at: number): CelType => {
    if (operand.kind === "map") {
      return operand.of[1] ?? dyn;
    }
    if (operand.kind === "optional_type") return typeOf("optional_type", fieldType(operand.of[0] ?? dyn, at));
    if (operand.kind === "param") {
      isAssignable(operand, dyn);
      return dyn;
    }
    if (isWild(operand)) return dyn;
    return report(at, `type '${formatType(operand)}' does not support field selection`);
  };

  const checkCall = (node: Extract<Expr, { op: "call" }>, scope: Scope): CelType => {
    const { name, target, args, at } = node;
    const [operand, field] = args;
    if (name === "_?._" && operand !== undefined && field?.op === "literal") {
      const type = resolved(check(operand, scope));
      const found = fieldType(type.kind === "optional_type" ? (type.of[0] ?? dyn) : type, at);
      return typeOf("optional_type", resolved(found));
    }
    const prefix = target === undefined ? undefined : qualifiedName(target);
    const qualified = prefix === undefined ? undefined : `${prefix}.${name}`;
    if (target === undefined || (qualified !== undefined && overloadsOf(qualified) !== undefined)) {
      const types = args.map((argument) => check(argument, scope));
      return resolve(at, qualified ?? name, types, false);
    }
    const types = [target, ...args].map((argument) => check(argument, scope, name === "format"));
    return resolve(at, name, types, true);
  };

  const resolve = (at: number, name: string, args: CelType[], method: boolean): CelType => {
    const overloads = overloadsOf(name);
    if (overloads === undefined) return undeclared(at, name);
    let result: CelType | undefined;
    for (const overload of overloads) {
      if (overload.method !== method) continue;
      const suffix = fresh++;
      const wanted = overload.args.map((type) => withFreshParameters(type, suffix));
      if (!assignable(substitution, args, wanted)) continue;
      const found = resolved(withFreshParameters(overload.result, suffix));
      if (result === undefined) result = found;
      else if (!isWild(result) && formatType(result) !== formatType(found)) result = dyn;
    }
    if (result !== undefined) return result;
    const shown = args.map((type) => formatType(resolved(type, true)));
    const applied = method ? `${shown[0]}.(${shown.slice(1).join(", ")})` : `(${shown.join(", ")})`;
    return report(at, `found no matching overload for '${name}' applied to '${applied}'`);
  };

  const checkFold = (node: Fold & { at: number }, scope: Scope): CelType => {
    const inner = new Map(scope).set(node.variable, elementType(resolved(check(node.range, scope)), node.range.at));
    const condition = node.condition === undefined ? undefined : check(node.condition, inner);
    const body = check(node.body, inner);
    switch (node.name) {
      case "all":
      case "exists":
        expect(node.body.at, bool, body);
        return bool;
      case "exists_one":
        resolve(node.at, "_?_:_", [body, typeOf("int"), typeOf("int")], false);
        return bool;
      case "filter": {
        const list = typeOf("list", inner.get(node.variable) ?? dyn);
        return resolve(node.at, "_?_:_", [body, list, list], false);
      }
      default: {
        const list = typeOf("list", body);
        return condition === undefined ? list : resolve(node.at, "_?_:_", [condition, list, list], false);
      }
    }
  };

  const elementType = (range: CelType, at: number): CelType => {
    if (range.kind === "list" || range.kind === "map") return range.of[0] ?? dyn;
    if (isWild(range)) return range;
    if (range.kind === "param") {
      isAssignable(range, dyn);
      return dyn;
    }
    const shown = formatType(range);
    return report(
      at,
      `expression of type '${shown}' cannot be range of a comprehension (must be list, map, or dynamic)`,
    );
  };

  const declared = new Map(variables.map((name) => [name, typeOf("map", typeOf("string"), dyn)]));
  const type = check(expression, declared);
  if (issues.length === 0) {
    // Elements of a literal are of one type; what may be anything is not of the type of the others.
    for (const [first, ...others] of aggregates) {
      if (first === undefined) continue;
      const wanted = resolved(first.type, true);
      const other = others.find((element) => !sameType(resolved(element.type, true), wanted));
      if (other === undefined) continue;
      const found = formatType(resolved(other.type, true));
      report(other.at, `expected type '${formatType(wanted)}' but found '${found}'`);
    }
  }
  if (issues.length > 0) throw new CelError(formatIssues(text, issues));
  return resolved(type, true);
}

function identType(name: string, scope: Scope): CelType | undefined {
  return scope.get(name) ?? (typeNames.has(name) ? typeOf("type", typeOf(name)) : undefined);
}

function literalType(value: Value): CelType {
  return typeOf(kindOf(value));
}
