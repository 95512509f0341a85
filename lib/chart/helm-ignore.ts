import { fileMatcher } from "../text/gitignore.ts";

/** Whether a path below a chart's directory is left out when the chart is packaged. */
export type HelmIgnore = (path: string, isDirectory: boolean) => boolean;

type Rule = { negated: boolean; directoryOnly: boolean; matches: (path: string) => boolean };

/** The name of the file with a chart's rules. */
export const helmIgnoreFile = ".helmignore";

/**
 * Reads a `.helmignore` as Helm does (IGN-013), which is not gitignore: the first rule that matches decides, a negative rule leaves out
 * all that it does *not* match, and `**` is an error. Hidden files of `templates/` are always left out. Throws with Helm's sentence.
 */
export function parseHelmIgnore(text: string): HelmIgnore {
  const rules: Rule[] = [];
  for (const line of [...text.replace(/^\ufeff/, "").split(/\r?\n/), "templates/.?*"]) {
    const rule = parseRule(line.trim());
    if (rule !== undefined) rules.push(rule);
  }
  return (path, isDirectory) => {
    for (const { negated, directoryOnly, matches } of rules) {
      if (negated) {
        if ((directoryOnly && !isDirectory) || !matches(path)) return true;
      } else if (!(directoryOnly && !isDirectory) && matches(path)) return true;
    }
    return false;
  };
}

function parseRule(line: string): Rule | undefined {
  if (line === "" || line.startsWith("#")) return undefined;
  if (line.includes("**")) throw new Error("double-star (**) syntax is not supported");
  if (!isPattern(line)) throw new Error("syntax error in pattern");
  const negated = line.startsWith("!");
  const unsigned = negated ? line.slice(1) : line;
  const directoryOnly = unsigned.endsWith("/");
  const pattern = directoryOnly ? unsigned.slice(0, -1) : unsigned;
  const matches = pattern.includes("/") ? pathMatcher(pattern.replace(/^\//, "")) : nameMatcher(pattern);
  return { negated, directoryOnly, matches };
}

/** A pattern with a slash is compared with the whole path, segment by segment. */
function pathMatcher(pattern: string): (path: string) => boolean {
  const segments = pattern.split("/").map(fileMatcher);
  return (path) => {
    const names = path.split("/");
    return names.length === segments.length && segments.every((matches, index) => matches(names[index] ?? ""));
  };
}

function nameMatcher(pattern: string): (path: string) => boolean {
  const matches = fileMatcher(pattern);
  return (path) => matches(path.slice(path.lastIndexOf("/") + 1));
}

/** Whether brackets are closed and nothing is escaped at the end, which is all that Go's `filepath.Match` objects to. */
function isPattern(text: string): boolean {
  return /^(?:\\.|\[\^?(?:\\.|[^\]\\-])(?:\\.|[^\]\\])*\]|[^[\\])*$/su.test(text);
}
