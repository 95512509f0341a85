import type { IgnorePattern } from "../text/gitignore.ts";
import { parseSourceIgnore } from "../text/source-ignore.ts";
import { type Directory, type Leaf, type Node, objectOf } from "./worktree.ts";

const fileName = Buffer.from(".sourceignore");
/** Links on links are followed this often, as Linux does. */
const linkLimit = 40;

/**
 * The patterns of all `.sourceignore` files: a directory's own before those of its directories, these in the order of their names
 * (IGN-003, IGN-004). A symbolic link counts as the file it leads to within the repository; one that leads elsewhere, and a
 * directory of that name, say nothing.
 */
export function ignoreFiles(root: Directory): IgnorePattern[] {
  const visit = (directories: readonly Directory[], domain: readonly string[]): IgnorePattern[] => {
    const own = directories.at(-1)?.children ?? [];
    const patterns: IgnorePattern[] = [];
    for (const child of own) {
      if (!child.name.equals(fileName)) continue;
      const file = followed(child, directories);
      if (file !== undefined) patterns.push(...parseSourceIgnore(contentOf(file).toString("utf8"), domain));
    }
    for (const child of own) {
      if (child.type !== "directory") continue;
      patterns.push(...visit([...directories, child], [...domain, child.name.toString("utf8")]));
    }
    return patterns;
  };
  return visit([root], []);
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
      if (++links > linkLimit || target[0] === 0x2f) return undefined;
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
      const searched = name;
      node = within.at(-1)?.children.find((child) => child.name.equals(searched));
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
