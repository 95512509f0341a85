import { GitError } from "./git-error.ts";
import type { Directory, Node } from "./worktree.ts";

/**
 * Keeps the files whose path begins with one of the texts, whatever follows (GIT-100: `app` keeps `apps/` too), and the directories
 * that lead to them. Throws GitError `no-path` for a path that does not exist then (GIT-101). Without any text everything stays.
 */
export function sparse(root: Directory, paths: readonly string[]): Directory {
  if (paths.length === 0) return root;
  const prefixes = paths.map((path) => Buffer.from(path.replace(/^\.\//, "")));
  const keep = (directory: Directory, path: Buffer): Directory => ({
    ...directory,
    children: directory.children.flatMap((child): Node[] => {
      const own = Buffer.concat([path, child.name]);
      if (child.type !== "directory") {
        return prefixes.some((prefix) => own.subarray(0, prefix.length).equals(prefix)) ? [child] : [];
      }
      const kept = keep(child, Buffer.concat([own, Buffer.from("/")]));
      return kept.children.length === 0 ? [] : [kept];
    }),
  });
  const kept = keep(root, Buffer.alloc(0));
  for (const path of paths) {
    if (exists(kept, path)) continue;
    throw new GitError(
      "no-path",
      `failed to sparse checkout directories : sparse checkout dir '${path}' does not exist in repository: no such file or directory`,
    );
  }
  return kept;
}

/** Whether a path leads to something without leaving the repository. */
function exists(root: Directory, path: string): boolean {
  let current: Node | undefined = root;
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (current?.type !== "directory") return false;
    const children: Node[] = current.children;
    current = children.find((child) => child.name.equals(Buffer.from(part)));
  }
  return current !== undefined;
}
