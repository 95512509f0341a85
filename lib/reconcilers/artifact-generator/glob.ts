import { isDoublestarPattern, parseDoublestar } from "../../text/doublestar.ts";
import { BadPattern, parseGoPattern } from "../../text/go-path-match.ts";
import { childrenOf, nodeAt, type Tree, walkTree } from "./tree.ts";

/** Whether the path of a copy is a pattern (AG-010). */
export function isPattern(path: string): boolean {
  return /[*?[\]]/.test(path);
}

/**
 * The paths of a tree that a pattern matches, segment by segment as Go's `fs.Glob`: `**` is one segment, and a path that Go would not
 * open, with a `.`, `..` or empty segment, has nothing in it. Throws BadPattern.
 */
export function globTree(tree: Tree, pattern: string): string[] {
  parseGoPattern(pattern);
  if (!/[*?[\\]/.test(pattern)) return isOpenable(pattern) && nodeAt(tree, pattern) !== undefined ? [pattern] : [];
  const cut = pattern.lastIndexOf("/") + 1;
  const directory = cut === 0 ? "." : pattern.slice(0, cut - 1);
  const matches = parseGoPattern(pattern.slice(cut));
  const parents = /[*?[\\]/.test(directory) ? globTree(tree, directory) : [directory];
  return parents.flatMap((parent) => {
    const node = isOpenable(parent) ? nodeAt(tree, parent) : undefined;
    if (node?.type !== "directory") return [];
    const names = childrenOf(node).map(([name]) => name);
    return names.filter(matches).map((name) => (parent === "." || parent === "" ? name : `${parent}/${name}`));
  });
}

/** Go's `fs.ValidPath`, but that empty is where `path.Split` cuts a pattern that begins with `./`. */
function isOpenable(path: string): boolean {
  return path === "." || path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/** The paths of a tree that a doublestar pattern matches, each directory before what it holds (AG-013). Throws BadPattern. */
export function globTreeRecursively(tree: Tree, pattern: string): string[] {
  if (!isDoublestarPattern(pattern)) throw new BadPattern();
  const matches = parseDoublestar(pattern);
  const found = pattern === "**" ? ["."] : [];
  for (const [path] of walkTree(tree)) if (matches(path)) found.push(path);
  return found;
}

/** The literal beginning of a pattern, in whole segments; `.` where there is none. */
export function literalPrefix(pattern: string): string {
  const parts = pattern.split("/").filter((part) => part !== "" && part !== ".");
  const end = parts.findIndex(isPattern);
  return parts.slice(0, end === -1 ? parts.length : end).join("/") || ".";
}
