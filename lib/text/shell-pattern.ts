/** A term of a pattern: as many characters as there are, or one, this one, or one of (or none of) some ranges. */
type Term = "*" | "?" | { code: number } | { ranges: [low: number, high: number][]; negated: boolean };

/**
 * How many characters the shortest, or the longest, beginning of a text has that a shell pattern matches; 0 where it matches none
 * but maybe the empty one. `*` and `?` match `/` too. A malformed pattern matches nothing. The text is given in code points; time
 * is the product of both lengths. (The pattern language is the one of `envsubst/path` in fluxcd/pkg.)
 */
export function matchBeginning(pattern: string, text: readonly number[], which: "shortest" | "longest"): number {
  const terms = parsePattern(pattern);
  if (terms === undefined) return 0;
  let longest = 0;
  let reached = [...passStars(terms, new Set([0]))];
  for (const [index, code] of text.entries()) {
    const next = new Set<number>();
    for (const at of reached) {
      const term = terms[at];
      if (term === undefined) continue;
      if (term === "*") next.add(at);
      else if (matches(term, code)) next.add(at + 1);
    }
    if (next.size === 0) break;
    reached = [...passStars(terms, next)];
    if (!reached.includes(terms.length)) continue;
    longest = index + 1;
    if (which === "shortest") break;
  }
  return longest;
}

/** A star may match nothing: what follows it is reached with it. */
function passStars(terms: readonly Term[], reached: Set<number>): Set<number> {
  for (const at of reached) if (terms[at] === "*") reached.add(at + 1);
  return reached;
}

function matches(term: Exclude<Term, "*">, code: number): boolean {
  if (term === "?") return true;
  if ("code" in term) return term.code === code;
  return term.ranges.some(([low, high]) => low <= code && code <= high) !== term.negated;
}

/** The terms of a pattern, or undefined where it is malformed. */
function parsePattern(pattern: string): Term[] | undefined {
  const characters = [...pattern];
  const terms: Term[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? "";
    if (character === "*") {
      if (terms.at(-1) !== "*") terms.push("*");
    } else if (character === "?") terms.push("?");
    else if (character === "[") {
      const parsed = parseClass(characters, at + 1);
      if (parsed === undefined) return undefined;
      terms.push(parsed.term);
      at = parsed.end;
    } else {
      const literal = character === "\\" ? characters[++at] : character;
      if (literal === undefined) return undefined;
      terms.push({ code: codeOf(literal) });
    }
  }
  return terms;
}

/** A class whose `[` lies before `from`; `end` is where its `]` lies. */
function parseClass(characters: readonly string[], from: number): { term: Term; end: number } | undefined {
  let at = from;
  const negated = characters[at] === "^";
  if (negated) at += 1;
  const ranges: [number, number][] = [];
  const one = (): number | undefined => {
    if (characters[at] === "-" || characters[at] === "]") return undefined;
    if (characters[at] === "\\") at += 1;
    const character = characters[at];
    at += 1;
    // A class that ends with the pattern has no bracket.
    return character === undefined || at >= characters.length ? undefined : codeOf(character);
  };
  while (characters[at] !== "]" || ranges.length === 0) {
    const low = one();
    if (low === undefined) return undefined;
    let high: number | undefined = low;
    if (characters[at] === "-") {
      at += 1;
      high = one();
    }
    if (high === undefined) return undefined;
    ranges.push([low, high]);
  }
  return { term: { ranges, negated }, end: at };
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}
