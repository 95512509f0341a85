import { type IgnorePattern, matchIgnorePattern, parseIgnorePattern } from "./gitignore.ts";

/** Patterns in increasing priority: the last that matches a path decides. */
export type IgnoreRules = readonly IgnorePattern[];

/** What Git keeps for itself: always left out (IGN-001). */
const versionControl = [".git/", ".gitignore", ".gitmodules", ".gitattributes"];
/** What is left out besides where nobody says otherwise (IGN-001, IGN-002). */
const otherDefaults = [
  ...["*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip"],
  ...[".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml"],
  ...["codeship-services.yml", "codeship-steps.yml"],
  ...["**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml"],
];

/** A longer line, in bytes, ends the reading of a file, as Go's bufio.Scanner does. */
const lineLimit = 65_536;

/** Patterns of one source: each path is held against all of them. */
const patternLimit = 50_000;

/** A source has more patterns than anybody writes. */
export class TooManyPatterns extends Error {
  constructor() {
    super(`there are more than ${patternLimit} patterns of files to ignore`);
    this.name = "TooManyPatterns";
  }
}

/** How many entries may be held against the rules in one turn of the event loop, where without rules so many may be. */
export function entriesInTurn(rules: IgnoreRules, entries: number): number {
  return Math.max(1, Math.floor((entries * 100) / (100 + rules.length)));
}

/** Reads the patterns of a `.sourceignore` file, or of `spec.ignore` with an empty domain (IGN-005). Throws TooManyPatterns. */
export function parseSourceIgnore(text: string, domain: readonly string[]): IgnorePattern[] {
  return addSourceIgnore([], text, domain);
}

/** As `parseSourceIgnore`, behind patterns that others wrote. Throws TooManyPatterns where they are too many together. */
export function addSourceIgnore(patterns: IgnorePattern[], text: string, domain: readonly string[]): IgnorePattern[] {
  for (const line of linesOf(text)) {
    if (line.length >= lineLimit || (line.length * 3 >= lineLimit && Buffer.byteLength(line) >= lineLimit)) break;
    const trimmed = line.replace(/\r$/, "");
    if (trimmed.startsWith("#") || trimmed.trim() === "") continue;
    if (patterns.length >= patternLimit) throw new TooManyPatterns();
    patterns.push(parseIgnorePattern(trimmed, domain));
  }
  return patterns;
}

/** One after the other: a text of a hundred megabytes may be nothing but lines. */
function* linesOf(text: string): Generator<string> {
  for (let start = 0; start <= text.length; ) {
    const found = text.indexOf("\n", start);
    const end = found < 0 ? text.length : found;
    yield text.slice(start, end);
    start = end + 1;
  }
}

/** The rules for an archive (IGN-002, IGN-003): with a pattern of its own, only Git's files are left out by default. */
export function ignoreRules(patterns: readonly IgnorePattern[]): IgnoreRules {
  const defaults = patterns.length > 0 ? versionControl : [...versionControl, ...otherDefaults];
  return [...defaults.map((line) => parseIgnorePattern(line, [])), ...patterns];
}

/** Whether a path, relative to the root and in components, is left out. Below a directory that is left out it may be back in (IGN-007). */
export function isIgnored(rules: IgnoreRules, path: readonly string[], isDirectory: boolean): boolean {
  for (let index = rules.length - 1; index >= 0; index--) {
    const rule = rules[index];
    const match = rule && matchIgnorePattern(rule, path, isDirectory);
    if (match !== undefined) return match === "exclude";
  }
  return false;
}
