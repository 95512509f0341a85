/** What a pattern that Go refuses is told as (`path.ErrBadPattern`). */
export class BadPattern extends Error {
  constructor() {
    super("syntax error in pattern");
    this.name = "BadPattern";
  }
}

type Term = "*" | "?" | { code: number } | { ranges: [low: number, high: number][]; negated: boolean };

/**
 * A pattern of Go's `path.Match`: `*` and `?` stop at slashes, `[a-c]` and `[^a-c]` are classes, `\` takes the next character as it
 * is; there are neither `**` nor alternatives. Throws BadPattern.
 */
export function parseGoPattern(pattern: string): (name: string) => boolean {
  const terms = parse([...pattern]);
  return (name) => matches(terms, [...name]);
}

/** Two pointers and one place to come back to: a star that is met later makes the earlier ones final. Time is the product of both lengths. */
function matches(terms: readonly Term[], name: readonly string[]): boolean {
  let at = 0;
  let term = 0;
  let star = -1;
  let starAt = 0;
  while (at < name.length) {
    const character = name[at] ?? "";
    const current = terms[term];
    if (current === "*") {
      star = term++;
      starAt = at;
    } else if (current !== undefined && takes(current, character)) {
      term++;
      at++;
    } else if (star >= 0 && name[starAt] !== "/") {
      term = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (terms[term] === "*") term++;
  return term === terms.length;
}

function takes(term: Exclude<Term, "*">, character: string): boolean {
  if (term === "?") return character !== "/";
  const code = character.codePointAt(0) ?? 0;
  if ("code" in term) return term.code === code;
  // A class takes slashes, as in Go.
  return term.ranges.some(([low, high]) => low <= code && code <= high) !== term.negated;
}

function parse(characters: readonly string[]): Term[] {
  const terms: Term[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    if (character === "*") {
      if (terms.at(-1) !== "*") terms.push("*");
    } else if (character === "?") terms.push("?");
    else if (character === "[") {
      const { term, end } = parseClass(characters, at + 1);
      terms.push(term);
      at = end;
    } else {
      const literal = character === "\\" ? characters[++at] : character;
      if (literal === undefined) throw new BadPattern();
      terms.push({ code: literal.codePointAt(0) ?? 0 });
    }
  }
  return terms;
}

/** A class whose `[` lies before `from`; `end` is where its `]` lies. */
function parseClass(characters: readonly string[], from: number): { term: Term; end: number } {
  let at = from;
  const negated = characters[at] === "^";
  if (negated) at++;
  const ranges: [number, number][] = [];
  const one = (): number => {
    if (characters[at] === "-" || characters[at] === "]") throw new BadPattern();
    if (characters[at] === "\\") at++;
    const character = characters[at++];
    if (character === undefined || at >= characters.length) throw new BadPattern();
    return character.codePointAt(0) ?? 0;
  };
  while (characters[at] !== "]" || ranges.length === 0) {
    const low = one();
    let high = low;
    if (characters[at] === "-") {
      at++;
      high = one();
    }
    ranges.push([low, high]);
  }
  return { term: { ranges, negated }, end: at };
}
