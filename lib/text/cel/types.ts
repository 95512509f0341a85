/** A type as the checker knows it: a name, and what it is made of. A `param` stands for a type that is not known yet. */
export type CelType = { kind: string; of: readonly CelType[] };

/** A type without parts. */
export function typeOf(kind: string, ...of: CelType[]): CelType {
  return { kind, of };
}

export const dyn = typeOf("dyn");
export const bool = typeOf("bool");
/** What has been told of already: it fits everywhere. */
export const errorType = typeOf("!error!");

/** What stands for each parameter so far. */
export type Substitution = Map<string, CelType>;

const nullable = new Set(["null", "optional_type", "timestamp", "duration", "type"]);

/** A type as cel-go prints it. */
export function formatType({ kind, of }: CelType): string {
  return of.length === 0 ? kind : `${kind}(${of.map(formatType).join(", ")})`;
}

/** Reads `map(string, A)`; single capitals, followed by digits or not, are parameters. */
export function parseType(text: string): CelType {
  const open = text.indexOf("(");
  if (open === -1) return isParameter(text) ? typeOf("param", typeOf(text)) : typeOf(text);
  return typeOf(text.slice(0, open), ...splitTypes(text.slice(open + 1, -1)).map(parseType));
}

/** The types of a list, at its commas. */
export function splitTypes(text: string): string[] {
  const types: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === "(") depth++;
    if (character === ")") depth--;
    if (at < text.length && (character !== "," || depth > 0)) continue;
    types.push(text.slice(start, at).trim());
    start = at + 1;
  }
  return types.filter((type) => type !== "");
}

function isParameter(text: string): boolean {
  return /^[A-Z]\d*$/.test(text);
}

function nameOf(parameter: CelType): string {
  return parameter.of[0]?.kind ?? "";
}

/** The type with every parameter replaced by what stands for it; one that nothing stands for becomes dyn where `free` says so. */
export function substitute(substitution: Substitution, type: CelType, free: boolean): CelType {
  if (type.kind === "param") {
    const known = substitution.get(nameOf(type));
    if (known !== undefined) return substitute(substitution, known, free);
    return free ? dyn : type;
  }
  return type.of.length === 0
    ? type
    : typeOf(type.kind, ...type.of.map((part) => substitute(substitution, part, free)));
}

/** The type with parameters of its own, so that two uses of a function do not share them. */
export function withFreshParameters(type: CelType, suffix: number): CelType {
  if (type.kind === "param") return typeOf("param", typeOf(`${nameOf(type)}${suffix}`));
  return type.of.length === 0 ? type : typeOf(type.kind, ...type.of.map((part) => withFreshParameters(part, suffix)));
}

export function sameType(a: CelType, b: CelType): boolean {
  return (
    a.kind === b.kind && a.of.length === b.of.length && a.of.every((part, index) => sameType(part, b.of[index] ?? dyn))
  );
}

/** Whether values of type `from` may be where `to` is asked for; what that says of parameters is written into `substitution` if so. */
export function assignable(substitution: Substitution, from: CelType[], to: CelType[]): boolean {
  const attempt = new Map(substitution);
  if (from.length !== to.length || !from.every((type, index) => fits(attempt, type, to[index] ?? dyn))) return false;
  for (const [name, type] of attempt) substitution.set(name, type);
  return true;
}

function fits(substitution: Substitution, from: CelType, to: CelType): boolean {
  if (to.kind === "param") {
    const bound = bind(substitution, from, to);
    if (bound !== "free") return bound === "fits";
  }
  if (from.kind === "param") return bind(substitution, to, from) === "fits";
  if (isWild(from) || isWild(to)) return true;
  if (from.kind === "null" || to.kind === "null") {
    return nullable.has(from.kind) && nullable.has(to.kind);
  }
  if (from.kind !== to.kind) return false;
  // Types of types are equal whatever they are types of.
  if (from.kind === "type") return true;
  return (
    from.of.length === to.of.length && from.of.every((part, index) => fits(substitution, part, to.of[index] ?? dyn))
  );
}

/** `free`: the parameter cannot stand for the type, since the type is made of it. */
function bind(substitution: Substitution, type: CelType, parameter: CelType): "fits" | "differs" | "free" {
  const name = nameOf(parameter);
  const known = substitution.get(name);
  if (known === undefined) {
    if (refersTo(substitution, parameter, type)) return "free";
    substitution.set(name, type);
    return "fits";
  }
  if (sameType(type, known)) return "fits";
  if (!fits(substitution, type, known)) return "differs";
  const general = mostGeneral(type, known);
  if (!refersTo(substitution, parameter, general)) substitution.set(name, general);
  return "fits";
}

function refersTo(substitution: Substitution, parameter: CelType, within: CelType): boolean {
  if (sameType(parameter, within)) return true;
  if (within.kind !== "param") return within.of.some((part) => refersTo(substitution, parameter, part));
  const known = substitution.get(nameOf(within));
  return known !== undefined && refersTo(substitution, parameter, known);
}

export function isWild({ kind }: CelType): boolean {
  return kind === "dyn" || kind === "!error!";
}

/** The one of two types that fit each other that says less. */
export function mostGeneral(a: CelType, b: CelType): CelType {
  return saysNoMore(a, b) ? a : b;
}

function saysNoMore(a: CelType, b: CelType): boolean {
  if (isWild(a) || a.kind === "param") return true;
  if (isWild(b) || b.kind === "param") return false;
  if (a.kind === "null" || b.kind === "null") return a.kind !== "null";
  if (a.kind !== b.kind || a.of.length !== b.of.length) return false;
  return a.of.every((part, index) => saysNoMore(part, b.of[index] ?? dyn));
}
