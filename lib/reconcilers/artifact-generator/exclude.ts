import { isDoublestarPattern, parseDoublestar } from "../../text/doublestar.ts";
import { baseName, cleanPath } from "./tree.ts";

/** Whether a path, from the root of the source, is left out of a copy that began at `base`. */
export type Excludes = (path: string, base: string) => boolean;

/**
 * The patterns of `exclude` (AG-011): each is held against the path from the source's root and from `base`, one without a slash
 * against the name alone too. Throws a sentence for a pattern that is none.
 */
export function parseExcludes(patterns: readonly string[]): Excludes {
  const rules = patterns.map((pattern) => {
    if (!isDoublestarPattern(pattern)) throw new Error(`invalid exclude pattern '${pattern}'`);
    return { matches: parseDoublestar(pattern), byName: !pattern.includes("/") };
  });
  const isExcluded = (path: string): boolean =>
    rules.some(({ matches, byName }) => matches(path) || (byName && matches(baseName(path))));
  return (path, base) => {
    if (rules.length === 0) return false;
    if (isExcluded(path)) return true;
    const relative = relativeTo(cleanPath(base), cleanPath(path));
    return relative !== undefined && relative !== "." && relative !== path && isExcluded(relative);
  };
}

function relativeTo(base: string, path: string): string | undefined {
  if (base === ".") return path;
  if (path === base) return ".";
  return path.startsWith(`${base}/`) ? path.slice(base.length + 1) : undefined;
}
