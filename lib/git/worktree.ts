import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import type { GitObject, Pack } from "./pack.ts";
import { parseTree } from "./tree.ts";

/** A directory as a checkout would have it; its children are in the order of their names' bytes. */
export type Directory = { type: "directory"; name: Buffer; children: Node[] };
/** Where the contents of leaves are, by their ids: a pack, or an artifact that is included. */
export type ObjectSource = Pick<Pack, "read" | "stream" | "stat">;
/** A file, symbolic link or submodule. Submodules that are not fetched are empty directories. */
export type Leaf = {
  type: "file" | "executable" | "symlink" | "submodule";
  name: Buffer;
  id: string;
  from: ObjectSource;
};
export type Node = Directory | Leaf;

/** Bounds of what is laid out. */
export type LayoutLimits = Pick<GitLimits, "files" | "treeDepth" | "path" | "content">;

/** What has been laid out so far: files and directories, and bytes of files. The bounds hold for submodules and includes as well. */
export type Spent = { files: number; content: number };

/**
 * Lays out the tree of a commit. Throws GitError `corrupt` where the pack lacks a tree or a tree holds a name twice, `too-large`
 * beyond the bounds.
 */
export function layOut(
  pack: ObjectSource,
  tree: string,
  limits: LayoutLimits,
  spent: Spent = { files: 0, content: 0 },
): Directory {
  const read = (id: string, name: Buffer, depth: number, length: number): Directory => {
    if (depth > limits.treeDepth)
      throw new GitError("too-large", `the commit has more than ${limits.treeDepth} directories in each other`);
    const { content } = objectOf(pack, id, "tree");
    const entries = parseTree(content, limits.files).sort((a, b) => a.name.compare(b.name));
    spend(spent, limits, entries.length, 0);
    const children = entries.map((entry, index): Node => {
      const path = length + entry.name.length + 1;
      if (path > limits.path) throw new GitError("too-large", `the commit has a path longer than ${limits.path} bytes`);
      if (entries[index - 1]?.name.equals(entry.name))
        throw new GitError("corrupt", "a tree has two entries of one name");
      if (entry.type === "directory") return read(entry.id, entry.name, depth + 1, path);
      const { name: own, type, id: leaf } = entry;
      if (type === "file" || type === "executable") spend(spent, limits, 0, pack.stat(leaf)?.size ?? 0);
      return { type, name: own, id: leaf, from: pack };
    });
    return { type: "directory", name, children };
  };
  return read(tree, Buffer.alloc(0), 0, 0);
}

/** Counts what is laid out. Throws GitError `too-large` beyond the bounds. */
export function spend(spent: Spent, limits: LayoutLimits, files: number, content: number): void {
  spent.files += files;
  spent.content += content;
  if (spent.files > limits.files)
    throw new GitError("too-large", `the commit has more than ${limits.files} files and directories`);
  if (spent.content > limits.content)
    throw new GitError("too-large", `the files of the commit have more than ${limits.content} bytes`);
}

/** Bytes of a commit or a tag: what is signed of them goes from object to object with what they share. */
const signedLimit = 4 * 1024 * 1024;

/**
 * An object of a known kind. Throws GitError `corrupt` where the pack lacks it, or holds another kind by its id, and `too-large` for a
 * commit or a tag that nobody has written by hand.
 */
export function objectOf(pack: Pick<Pack, "read" | "stat">, id: string, type: GitObject["type"]): GitObject {
  const isSigned = type === "commit" || type === "tag";
  if (isSigned && (pack.stat(id)?.size ?? 0) > signedLimit)
    throw new GitError("too-large", `the ${type} ${id} is larger than ${signedLimit} bytes`);
  const object = pack.read(id);
  if (object === undefined) throw new GitError("corrupt", `the pack lacks the ${type} ${id}`);
  if (object.type !== type) throw new GitError("corrupt", `the object ${id} is a ${object.type}, not a ${type}`);
  return object;
}
