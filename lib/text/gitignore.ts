/**
 * Git's ignore patterns in the dialect of Flux (fluxcd/pkg sourceignore, which is go-git's old matcher; sources.md IGN-005 to
 * IGN-007). It differs from git: segments are matched by Go's filepath.Match, and what lies below an excluded directory may be
 * included again.
 */
export type IgnorePattern = {
  /** Components of the directory that the pattern applies below. */
  domain: readonly string[];
  /** The pattern's segments; `**` stands for any number of components. */
  segments: readonly Segment[];
  inclusion: boolean;
  directoryOnly: boolean;
  /** It has a slash, so that it is matched from its domain on. */
  anchored: boolean;
};

/** One segment: `**`, nothing, or what matches one component. `mixed` has `**` beside other characters, and never matches when anchored. */
type Segment = { text: string; mixed: boolean; matches: (name: string) => boolean };

/** Reads one line. Lines that are empty or begin with `#` are not patterns and are the caller's to leave out. */
export function parseIgnorePattern(line: string, domain: readonly string[]): IgnorePattern {
  const inclusion = line.startsWith("!");
  let text = inclusion ? line.slice(1) : line;
  if (!text.endsWith("\\ ")) text = text.replace(/ +$/, "");
  const directoryOnly = text.endsWith("/");
  if (directoryOnly) text = text.slice(0, -1);
  return {
    domain,
    segments: text
      .split("/")
      .map((segment) => ({ text: segment, mixed: segment.includes("**"), matches: fileMatcher(segment) })),
    inclusion,
    directoryOnly,
    anchored: text.includes("/"),
  };
}

/** Whether a pattern says something of a path: undefined where it does not match. */
export function matchIgnorePattern(
  pattern: IgnorePattern,
  path: readonly string[],
  isDirectory: boolean,
): "exclude" | "include" | undefined {
  const { domain } = pattern;
  if (path.length <= domain.length) return undefined;
  for (let index = 0; index < domain.length; index++) {
    if (path[index] !== domain[index]) return undefined;
  }
  const matched = pattern.anchored
    ? matchAnchored(pattern, path, isDirectory)
    : matchAnywhere(pattern, path, isDirectory);
  if (!matched) return undefined;
  return pattern.inclusion ? "include" : "exclude";
}

function matchAnywhere(pattern: IgnorePattern, path: readonly string[], isDirectory: boolean): boolean {
  const segment = pattern.segments[0];
  if (segment === undefined) return false;
  for (let index = pattern.domain.length; index < path.length; index++) {
    if (!segment.matches(path[index] ?? "")) continue;
    return !(pattern.directoryOnly && !isDirectory && index === path.length - 1);
  }
  return false;
}

function matchAnchored(pattern: IgnorePattern, path: readonly string[], isDirectory: boolean): boolean {
  let at = pattern.domain.length;
  let matched = false;
  let traverse = false;
  for (const [index, segment] of pattern.segments.entries()) {
    if (segment.text === "") {
      traverse = false;
      continue;
    }
    if (segment.text === "**") {
      if (index === pattern.segments.length - 1) break;
      traverse = true;
      continue;
    }
    if (segment.mixed || at === path.length) return false;
    if (traverse) {
      traverse = false;
      while (at < path.length) {
        if (segment.matches(path[at++] ?? "")) {
          matched = true;
          break;
        }
        if (at === path.length) matched = false;
      }
    } else {
      if (!segment.matches(path[at++] ?? "")) return false;
      matched = true;
    }
  }
  return matched && !(pattern.directoryOnly && !isDirectory && at === path.length);
}

type Token = { star: true } | { star: false; matches: (point: number) => boolean };

/** Go's filepath.Match for names without a slash. A pattern that is not one never matches. */
export function fileMatcher(pattern: string): (name: string) => boolean {
  if (!/[*?[\\]/.test(pattern)) return (name) => name === pattern;
  const tokens = parseTokens([...pattern].map((character) => character.codePointAt(0) ?? 0));
  if (tokens === undefined) return () => false;
  return (name) => matchTokens(tokens, name);
}

function parseTokens(points: readonly number[]): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < points.length; at++) {
    const point = points[at];
    if (point === star) tokens.push({ star: true });
    else if (point === question) tokens.push({ star: false, matches: () => true });
    else if (point === open) {
      const parsed = parseClass(points, at + 1);
      if (parsed === undefined) return undefined;
      tokens.push({ star: false, matches: parsed.matches });
      at = parsed.end;
    } else {
      const literal = point === backslash ? points[++at] : point;
      if (literal === undefined) return undefined;
      tokens.push({ star: false, matches: (other) => other === literal });
    }
  }
  return tokens;
}

const [star, question, open, close, backslash, caret, dash] = [0x2a, 0x3f, 0x5b, 0x5d, 0x5c, 0x5e, 0x2d];

/** A class of characters from behind its `[`. `end` is where its `]` stands. */
function parseClass(
  points: readonly number[],
  start: number,
): { matches: (point: number) => boolean; end: number } | undefined {
  let at = start;
  const negated = points[at] === caret;
  if (negated) at++;
  const ranges: [number, number][] = [];
  const bound = (): number | undefined => {
    let point = points[at++];
    if (point === undefined || point === dash || point === close) return undefined;
    if (point === backslash) point = points[at++];
    // A class must go on after each of its characters: at least its end is to come.
    return at < points.length ? point : undefined;
  };
  while (points[at] !== close || ranges.length === 0) {
    const low = bound();
    if (low === undefined) return undefined;
    let high = low;
    if (points[at] === dash) {
      at++;
      const other = bound();
      if (other === undefined) return undefined;
      high = other;
    }
    ranges.push([low, high]);
  }
  return { matches: (point) => ranges.some(([low, high]) => low <= point && point <= high) !== negated, end: at };
}

/** Goes back to the last `*` only: time is at most the product of both lengths. */
function matchTokens(tokens: readonly Token[], name: string): boolean {
  let token = 0;
  let at = 0;
  let retryToken = -1;
  let retryAt = 0;
  while (at < name.length) {
    const current = tokens[token];
    const point = name.codePointAt(at) ?? 0;
    if (current?.star) {
      retryToken = ++token;
      retryAt = at;
    } else if (current !== undefined && !current.star && current.matches(point)) {
      token++;
      at += width(point);
    } else if (retryToken >= 0) {
      token = retryToken;
      retryAt += width(name.codePointAt(retryAt) ?? 0);
      at = retryAt;
    } else return false;
  }
  while (tokens[token]?.star) token++;
  return token === tokens.length;
}

function width(point: number): number {
  return point > 0xffff ? 2 : 1;
}
