import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import type { GitObject, Pack } from "./pack.ts";
import { parseTree, type TreeEntry } from "./tree.ts";

/** A directory as a checkout would have it; its children are in the order of their names' bytes. */
export type Directory = { type: "directory"; name: Buffer; children: Node[] };
/** A file, symbolic link or submodule. Submodules that are not fetched are empty directories. */
export type Leaf = { type: "file" | "executable" | "symlink" | "submodule"; name: Buffer; id: string };
export type Node = Directory | Leaf;

/**
 * Lays out the tree of a commit. Throws GitError `corrupt` where the pack lacks a tree or a tree holds a name twice, `too-large`
 * beyond the bounds.
 */
export function layOut(
  pack: Pack,
  tree: string,
  limits: Pick<GitLimits, "files" | "treeDepth" | "path" | "content">,
): Directory {
  let count = 0;
  let content = 0;
  const read = (id: string, name: Buffer, depth: number, length: number): Directory => {
    if (depth > limits.treeDepth)
      throw new GitError("too-large", `the commit has more than ${limits.treeDepth} directories in each other`);
    const entries = parseTree(objectOf(pack, id, "tree").content).sort((a, b) => a.name.compare(b.name));
    count += entries.length;
    if (count > limits.files)
      throw new GitError("too-large", `the commit has more than ${limits.files} files and directories`);
    const children = entries.map((entry, index): Node => {
      const path = length + entry.name.length + 1;
      if (path > limits.path) throw new GitError("too-large", `the commit has a path longer than ${limits.path} bytes`);
      if (entries[index - 1]?.name.equals(entry.name))
        throw new GitError("corrupt", "a tree has two entries of one name");
      if (entry.type === "file" || entry.type === "executable") content += pack.stat(entry.id)?.size ?? 0;
      if (content > limits.content) {
        throw new GitError("too-large", `the files of the commit have more than ${limits.content} bytes`);
      }
      return entry.type === "directory" ? read(entry.id, entry.name, depth + 1, path) : leaf(entry, entry.type);
    });
    return { type: "directory", name, children };
  };
  return read(tree, Buffer.alloc(0), 0, 0);
}

function leaf({ name, id }: TreeEntry, type: Leaf["type"]): Leaf {
  return { type, name, id };
}

/** An object of a known kind. Throws GitError `corrupt` where the pack lacks it, or holds another kind by its id. */
export function objectOf(pack: Pack, id: string, type: GitObject["type"]): GitObject {
  const object = pack.read(id);
  if (object === undefined) throw new GitError("corrupt", `the pack lacks the ${type} ${id}`);
  if (object.type !== type) throw new GitError("corrupt", `the object ${id} is a ${object.type}, not a ${type}`);
  return object;
}
