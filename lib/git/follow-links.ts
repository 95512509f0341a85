import type { GitTree } from "./fetch-tree.ts";
import { GitError } from "./git-error.ts";

/** Links that one path may lead over, as on Linux. */
const hopLimit = 40;
/** Files and directories that all links of a tree may add. */
const entryLimit = 50_000;

/**
 * A tree in which every symbolic link is what it leads to. One that leads out of the tree, nowhere, or into a directory that it is
 * in itself, is not there at all. Throws GitError `too-large` where links in what links lead to are too many.
 */
export function followLinks(tree: GitTree): Pick<GitTree, "files" | "directories"> {
  if (tree.links.size === 0) return tree;
  const files = new Map(tree.files);
  const directories = new Set(tree.directories);
  const children = childrenOf(tree);
  let added = 0;
  const put = (at: string, real: string, above: readonly string[]): void => {
    if (++added > entryLimit)
      throw new GitError("too-large", `symbolic links stand for more than ${entryLimit} files and directories`);
    const file = tree.files.get(real);
    if (file !== undefined) files.set(at, file);
    if (!tree.directories.has(real) || above.some((directory) => isIn(directory, real))) return;
    directories.add(at);
    for (const name of children.get(real) ?? [])
      follow(`${at}/${name}`, real === "" ? name : `${real}/${name}`, [...above, real]);
  };
  const follow = (at: string, path: string, above: readonly string[]): void => {
    const real = realPath(tree, path);
    if (real !== undefined) put(at, real, above);
  };
  for (const link of tree.links.keys()) follow(link, link, [parent(link)]);
  return { files, directories };
}

/** Where a path leads; undefined for out of the tree, or over too many links. */
function realPath({ links }: GitTree, path: string): string | undefined {
  const waiting = path.split("/").reverse();
  const real: string[] = [];
  for (let hops = 0; waiting.length > 0; ) {
    const segment = waiting.pop();
    if (segment === undefined || segment === "" || segment === ".") continue;
    if (segment === "..") {
      if (real.pop() === undefined) return undefined;
      continue;
    }
    real.push(segment);
    const target = links.get(real.join("/"));
    if (target === undefined) continue;
    if (target.startsWith("/") || ++hops > hopLimit) return undefined;
    real.pop();
    waiting.push(...target.split("/").reverse());
  }
  return real.join("/");
}

function childrenOf(tree: GitTree): Map<string, string[]> {
  const children = new Map<string, string[]>();
  for (const path of [...tree.files.keys(), ...tree.directories, ...tree.links.keys()]) {
    if (path === "") continue;
    const names = children.get(parent(path)) ?? [];
    names.push(path.slice(path.lastIndexOf("/") + 1));
    children.set(parent(path), names);
  }
  return children;
}

function isIn(path: string, directory: string): boolean {
  return directory === "" || path === directory || path.startsWith(`${directory}/`);
}

function parent(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}
