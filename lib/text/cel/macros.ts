import type { Expr, Fold, Issue } from "./syntax.ts";

type Call = Extract<Expr, { op: "call" }>;

/** What a call stands for where its name and the number of its arguments make it a macro; else the call itself. */
export function expandMacro(call: Expr): Expr | Issue {
  if (call.op !== "call") return call;
  const { at, name, target, args } = call;
  if (target === undefined) return name === "has" && args.length === 1 ? expandHas(call) : call;
  const [variable, first, second] = args;
  if (variable === undefined || first === undefined) return call;
  switch (`${name}/${args.length}`) {
    case "all/2":
    case "exists/2":
    case "exists_one/2":
    case "map/2":
    case "filter/2": {
      if (variable.op !== "ident") return notIdentifier(variable, name);
      if (!isFold(name)) return call;
      return { op: "fold", at, name, range: target, variable: variable.name, body: first };
    }
    case "map/3":
      if (variable.op !== "ident") return notIdentifier(variable, name);
      if (second === undefined) return call;
      return { op: "fold", at, name: "map", range: target, variable: variable.name, condition: first, body: second };
    case "optMap/2":
    case "optFlatMap/2":
      if (variable.op !== "ident") {
        return { at: variable.at, message: `${name}() variable name must be a simple identifier` };
      }
      return { op: "optional", at, flat: name === "optFlatMap", target, variable: variable.name, body: first };
    default:
      return call;
  }
}

function isFold(name: string): name is Fold["name"] {
  return name === "all" || name === "exists" || name === "exists_one" || name === "map" || name === "filter";
}

function expandHas({ at, args: [argument] }: Call): Expr | Issue {
  if (argument?.op === "select" && !argument.test) return { ...argument, at, test: true };
  return { at: argument?.at ?? 0, message: "invalid argument to has() macro" };
}

function notIdentifier({ at }: Expr, macro: string): Issue {
  const isList = macro === "map" || macro === "filter";
  return { at, message: isList ? "argument is not an identifier" : "argument must be a simple name" };
}
