import type { IgnorePattern } from "../text/gitignore.ts";
import { parseSourceIgnore } from "../text/source-ignore.ts";
import type { Pack } from "./pack.ts";
import { type Directory, objectOf } from "./worktree.ts";

const fileName = Buffer.from(".sourceignore");

/**
 * The patterns of all `.sourceignore` files: a directory's own before those of its directories, these in the order of their names
 * (IGN-003, IGN-004). One that is a directory, a symbolic link or a submodule says nothing.
 */
export function ignoreFiles(root: Directory, pack: Pack): IgnorePattern[] {
  const visit = (directory: Directory, domain: readonly string[]): IgnorePattern[] => {
    const patterns: IgnorePattern[] = [];
    for (const child of directory.children) {
      if ((child.type === "file" || child.type === "executable") && child.name.equals(fileName)) {
        patterns.push(...parseSourceIgnore(objectOf(pack, child.id, "blob").content.toString("utf8"), domain));
      }
    }
    for (const child of directory.children) {
      if (child.type === "directory") patterns.push(...visit(child, [...domain, child.name.toString("utf8")]));
    }
    return patterns;
  };
  return visit(root, []);
}
