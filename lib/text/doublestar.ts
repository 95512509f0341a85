/** What is reached by one character, and what without any. */
type Step =
  | { type: "any" }
  | { type: "notSlash" }
  | { type: "one"; code: number }
  | { type: "class"; ranges: [low: number, high: number][]; negated: boolean };
type State = { step?: Step; next?: number; free: number[] };

/** Alternatives within each other, as deep as anybody writes them. */
const depthLimit = 32;

/**
 * Whether doublestar 4.10, the matcher of Flux's generators, takes a pattern: every class and alternative ends, no class is empty, and
 * no backslash is the last character.
 */
export function isDoublestarPattern(pattern: string): boolean {
  let depth = 0;
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "\\") {
      if (++at >= pattern.length) return false;
    } else if (character === "[") {
      at++;
      if (pattern[at] === "^" || pattern[at] === "!") at++;
      if (at >= pattern.length || pattern[at] === "]") return false;
      while (at < pattern.length && pattern[at] !== "]") at += pattern[at] === "\\" ? 2 : 1;
      if (at >= pattern.length) return false;
    } else if (character === "{") {
      if (++depth > depthLimit) return false;
    } else if (character === "}" && --depth < 0) return false;
  }
  return depth === 0;
}

/**
 * A matcher of paths with slashes: `*` and `?` stop at slashes, `**` as a whole segment is any number of segments, also none, `[a-c]`,
 * `[!a-c]` and `[^a-c]` are classes, `{a,b}` alternatives, `\` takes the next character as it is. `dir/**` matches `dir` too. All
 * ways are followed at once, so that time is the product of both lengths. A pattern that is not one matches nothing.
 */
export function parseDoublestar(pattern: string): (path: string) => boolean {
  if (!isDoublestarPattern(pattern)) return () => false;
  const states: State[] = [{ free: [] }];
  const end = compile(states, [...pattern], 0, true);
  return (path) => run(states, end, [...path]);
}

function run(states: readonly State[], end: number, path: readonly string[]): boolean {
  let reached = spread(states, [0]);
  for (const character of path) {
    const code = character.codePointAt(0) ?? 0;
    const next: number[] = [];
    for (const index of reached) {
      const { step, next: to } = states[index] ?? { free: [] };
      if (step !== undefined && to !== undefined && takes(step, code)) next.push(to);
    }
    if (next.length === 0) return false;
    reached = spread(states, next);
  }
  return reached.has(end);
}

function spread(states: readonly State[], from: readonly number[]): Set<number> {
  const reached = new Set(from);
  for (const index of reached) for (const next of states[index]?.free ?? []) reached.add(next);
  return reached;
}

const slash = 47;

function takes(step: Step, code: number): boolean {
  if (step.type === "any") return true;
  if (step.type === "notSlash") return code !== slash;
  if (step.type === "one") return step.code === code;
  return step.ranges.some(([low, high]) => low <= code && code <= high) !== step.negated;
}

/** Adds the states of a pattern after state `from`, and returns the one in which it has matched. */
function compile(states: State[], pattern: readonly string[], from: number, atSegmentStart: boolean): number {
  let current = from;
  let segmentStart = atSegmentStart;
  const add = (step?: Step): number => {
    const made = states.push({ free: [] }) - 1;
    const state = states[current];
    if (state === undefined) return made;
    if (step === undefined) state.free.push(made);
    else Object.assign(state, { step, next: made });
    return made;
  };
  /** A state that stays where it is for each character that the step takes. */
  const repeat = (step: Step): void => {
    current = add();
    const again = current;
    const state = states[again];
    if (state !== undefined) Object.assign(state, { step, next: again });
    const after = states.push({ free: [] }) - 1;
    state?.free.push(after);
    current = after;
  };
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? "";
    const stars = character === "*" && pattern[at + 1] === "*" ? 2 : 1;
    if (character === "*" && stars === 2 && segmentStart && at + 2 === pattern.length) {
      at++;
      repeat({ type: "any" });
    } else if (character === "*" && stars === 2 && segmentStart && pattern[at + 2] === "/") {
      at += 2;
      current = manySegments(states, current);
      continue;
    } else if (character === "*") {
      at += stars - 1;
      repeat({ type: "notSlash" });
    } else if (character === "?") current = add({ type: "notSlash" });
    else if (character === "[") {
      const { step, end } = parseClass(pattern, at + 1);
      current = add(step);
      at = end;
    } else if (character === "{") {
      const { alternatives, end } = splitAlternatives(pattern, at + 1);
      const before = current;
      const after = states.push({ free: [] }) - 1;
      for (const alternative of alternatives) {
        current = before;
        const start = add();
        // Within alternatives `**` is one wherever they stand.
        const done = compile(states, alternative, start, true);
        states[done]?.free.push(after);
      }
      current = after;
      at = end;
    } else {
      const rest = character === "/" ? pattern.slice(at + 1).join("") : "";
      const literal = character === "\\" ? (pattern[++at] ?? "") : character;
      const before = current;
      current = add();
      current = add({ type: "one", code: literal.codePointAt(0) ?? 0 });
      segmentStart = literal === "/";
      // `dir/**` takes `dir`, which might be a directory; `dir/**/` takes it and, as paths end in no slash, nothing else.
      if (rest === "**") return optionalEnd(states, before, current, { type: "any" });
      if (rest === "**/") return optionalEnd(states, before, manySegments(states, current));
      continue;
    }
    segmentStart = false;
  }
  return current;
}

/** `**` and a slash: nothing, or any characters up to a slash. */
function manySegments(states: State[], from: number): number {
  const loop = states.push({ free: [], step: { type: "any" } }) - 1;
  const before = states.push({ free: [], step: { type: "one", code: slash } }) - 1;
  const after = states.push({ free: [] }) - 1;
  Object.assign(states[loop] ?? {}, { next: loop });
  Object.assign(states[before] ?? {}, { next: after });
  states[loop]?.free.push(before);
  states[from]?.free.push(loop, after);
  return after;
}

/** The state in which it has matched that ends in state `last`, with any characters more, or before the slash. */
function optionalEnd(states: State[], before: number, last: number, more?: Step): number {
  const loop = states.push({ free: [] }) - 1;
  if (more !== undefined) Object.assign(states[loop] ?? {}, { step: more, next: loop });
  const end = states.push({ free: [] }) - 1;
  states[last]?.free.push(loop);
  states[loop]?.free.push(end);
  states[before]?.free.push(end);
  return end;
}

/** A class whose `[` lies before `from`; `end` is where its `]` lies. */
function parseClass(pattern: readonly string[], from: number): { step: Step; end: number } {
  let at = from;
  const negated = pattern[at] === "^" || pattern[at] === "!";
  if (negated) at++;
  const ranges: [number, number][] = [];
  const one = (): number => {
    if (pattern[at] === "\\") at++;
    return pattern[at++]?.codePointAt(0) ?? 0;
  };
  while (at < pattern.length && pattern[at] !== "]") {
    const low = one();
    const isRange = pattern[at] === "-" && at + 1 < pattern.length && pattern[at + 1] !== "]";
    if (isRange) at++;
    ranges.push([low, isRange ? one() : low]);
  }
  return { step: { type: "class", ranges, negated }, end: at };
}

/** The alternatives of which the first begins at `from`; `end` is where their `}` lies. */
function splitAlternatives(pattern: readonly string[], from: number): { alternatives: string[][]; end: number } {
  const alternatives: string[][] = [];
  let depth = 0;
  let start = from;
  let at = from;
  for (; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "\\") at++;
    else if (character === "{") depth++;
    else if (character === "}" && depth-- === 0) break;
    else if (character === "," && depth === 0) {
      alternatives.push(pattern.slice(start, at));
      start = at + 1;
    }
  }
  alternatives.push(pattern.slice(start, at));
  return { alternatives, end: at };
}
