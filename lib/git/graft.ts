import { GitError } from "./git-error.ts";
import { type Directory, type Node, objectOf } from "./worktree.ts";

/** Links on links are followed this often, as source-controller's path library does. */
const linkLimit = 255;
/** Bytes that a link may hold, as on Linux. */
const targetLimit = 4095;

/**
 * The components of a path below the root as a checkout would resolve it: `..` stops at the root, and symbolic links lead to what
 * they name, never out of the root (GIT-094). Throws GitError `invalid` where links lead to one another without end.
 */
export function resolvePath(root: Directory, path: string): string[] {
  const rest = path.split("/");
  let resolved: string[] = [];
  let links = 0;
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      resolved = resolved.slice(0, -1);
      continue;
    }
    const node = nodeAt(root, [...resolved, part]);
    if (node?.type !== "symlink") {
      resolved.push(part);
      continue;
    }
    if (++links > linkLimit) throw new GitError("invalid", "too many levels of symbolic links");
    if ((node.from.stat(node.id)?.size ?? 0) > targetLimit) throw new GitError("invalid", "file name too long");
    const target = objectOf(node.from, node.id, "blob").content.toString("utf8");
    if (target.startsWith("/")) resolved = [];
    rest.unshift(...target.split("/"));
  }
  return resolved;
}

/** What lies at the components of a path, or undefined. */
export function nodeAt(root: Directory, path: readonly string[]): Node | undefined {
  let current: Node = root;
  for (const part of path) {
    if (current.type !== "directory") return undefined;
    const found: Node | undefined = childOf(current, Buffer.from(part));
    if (found === undefined) return undefined;
    current = found;
  }
  return current;
}

/**
 * Moves a file or a directory to a place in a tree, as rename does: it makes the directories above, replaces a file by a file and
 * an empty directory by a directory. Throws GitError `invalid` where the place is taken otherwise.
 */
export function graft(root: Directory, path: readonly string[], node: Node): void {
  const last = path.at(-1);
  if (last === undefined) throw new GitError("invalid", "file exists");
  let directory = root;
  for (const part of path.slice(0, -1)) {
    const found = nodeAt(directory, [part]);
    if (found === undefined) {
      const made: Directory = { type: "directory", name: Buffer.from(part), children: [] };
      insert(directory, made);
      directory = made;
    } else if (found.type === "directory") directory = found;
    else if (found.type === "submodule") {
      const made: Directory = { type: "directory", name: found.name, children: [] };
      directory.children.splice(placeIn(directory.children, found.name), 1, made);
      directory = made;
    } else throw new GitError("invalid", "not a directory");
  }
  const renamed: Node = { ...node, name: Buffer.from(last) };
  const taken = nodeAt(directory, [last]);
  if (taken !== undefined) {
    const isEmpty = taken.type === "submodule" || (taken.type === "directory" && taken.children.length === 0);
    const isDirectory = taken.type === "submodule" || taken.type === "directory";
    if (isDirectory !== (node.type === "directory") || (isDirectory && !isEmpty))
      throw new GitError("invalid", isDirectory ? "file exists" : "not a directory");
    directory.children.splice(placeIn(directory.children, taken.name), 1);
  }
  insert(directory, renamed);
}

/** The child of a name, or undefined. A directory may have a million. */
export function childOf({ children }: Directory, name: Buffer): Node | undefined {
  const found = children[placeIn(children, name)];
  return found?.name.equals(name) === true ? found : undefined;
}

/** Children stay in the order of their names' bytes. */
function insert({ children }: Directory, node: Node): void {
  children.splice(placeIn(children, node.name), 0, node);
}

/** The place of the first child whose name does not come before this one. */
function placeIn(children: readonly Node[], name: Buffer): number {
  let [from, to] = [0, children.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((children[middle]?.name.compare(name) ?? 0) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
