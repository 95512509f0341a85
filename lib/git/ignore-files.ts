import type { IgnorePattern } from "../text/gitignore.ts";
import { addSourceIgnore, TooManyPatterns } from "../text/source-ignore.ts";
import { GitError } from "./git-error.ts";
import { childOf } from "./graft.ts";
import { type Directory, type Leaf, type Node, objectOf } from "./worktree.ts";

const fileName = Buffer.from(".sourceignore");
/** Links on links are followed this often, and have so many bytes, as Linux has it. */
const linkLimit = 40;
const targetLimit = 4095;
/** All such files of a commit, in bytes. */
const bytesLimit = 16 * 1024 * 1024;

/**
 * The patterns of all `.sourceignore` files: a directory's own before those of its directories, these in the order of their names
 * (IGN-003, IGN-004). A symbolic link counts as the file it leads to within the repository; one that leads elsewhere, and a
 * directory of that name, say nothing. Throws GitError `too-large` where they hold more than anybody writes: one file may stand in a
 * hundred thousand directories.
 */
export function ignoreFiles(root: Directory): IgnorePattern[] {
  const patterns: IgnorePattern[] = [];
  let bytes = 0;
  const add = (file: Leaf, domain: readonly string[]): void => {
    bytes += file.from.stat(file.id)?.size ?? 0;
    if (bytes > bytesLimit)
      throw new GitError("too-large", `the .sourceignore files of the commit have more than ${bytesLimit} bytes`);
    addSourceIgnore(patterns, contentOf(file).toString("utf8"), domain);
  };
  const visit = (directories: readonly Directory[], domain: readonly string[]): void => {
    const own = directories.at(-1);
    const child = own && childOf(own, fileName);
    const file = child && followed(child, directories);
    if (file !== undefined) add(file, domain);
    for (const below of own?.children ?? [])
      if (below.type === "directory") visit([...directories, below], [...domain, below.name.toString("utf8")]);
  };
  try {
    visit([root], []);
    return patterns;
  } catch (error) {
    if (!(error instanceof TooManyPatterns)) throw error;
    throw new GitError("too-large", error.message, { cause: error });
  }
}

function contentOf({ from, id }: Leaf): Buffer {
  return objectOf(from, id, "blob").content;
}

/** The file that a node is, or leads to. `directories` are those that the node lies in, from the root on. */
function followed(start: Node, directories: readonly Directory[]): Leaf | undefined {
  let node: Node | undefined = start;
  let within = [...directories];
  let links = 0;
  const rest: Buffer[] = [];
  while (node !== undefined) {
    if (node.type === "symlink") {
      const target: Buffer = contentOf(node);
      if (++links > linkLimit || target.length > targetLimit || target[0] === 0x2f) return undefined;
      rest.unshift(...components(target));
    } else if (node.type === "directory") within.push(node);
    else return rest.length === 0 && node.type !== "submodule" ? node : undefined;
    for (let name = rest.shift(); ; name = rest.shift()) {
      if (name === undefined) return undefined;
      if (name.length === 0 || name.equals(Buffer.from("."))) continue;
      if (name.equals(Buffer.from(".."))) {
        within = within.slice(0, -1);
        if (within.length === 0) return undefined;
        continue;
      }
      const directory = within.at(-1);
      node = directory && childOf(directory, name);
      break;
    }
  }
  return undefined;
}

function components(path: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start <= path.length; ) {
    const slash = path.indexOf(0x2f, start);
    const end = slash < 0 ? path.length : slash;
    parts.push(path.subarray(start, end));
    start = end + 1;
  }
  return parts;
}
