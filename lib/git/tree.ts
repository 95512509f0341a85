import { GitError } from "./git-error.ts";

/** What a tree's entry is. Modes that git does not write are read as it reads them. */
export type TreeEntryType = "file" | "executable" | "symlink" | "directory" | "submodule";

/** One entry of a tree. The name is bytes: Git knows no encoding. */
export type TreeEntry = { name: Buffer; type: TreeEntryType; id: string };

/**
 * Reads a tree object. Throws GitError `corrupt` for one that ends early, or has a name that no directory can hold (GE-016), and `too-large`
 * for one of more entries than `most`.
 */
export function parseTree(content: Buffer, most = Number.POSITIVE_INFINITY): TreeEntry[] {
  const entries: TreeEntry[] = [];
  let at = 0;
  while (at < content.length) {
    if (entries.length >= most) throw new GitError("too-large", `a tree has more than ${most} entries`);
    const space = content.indexOf(0x20, at);
    const zero = content.indexOf(0, space);
    if (space < 0 || zero < 0 || zero + 21 > content.length) throw new GitError("corrupt", "a tree ends early");
    const name = content.subarray(space + 1, zero);
    const mode = content.toString("latin1", at, space);
    entries.push({ name: verified(name), type: entryType(mode), id: content.toString("hex", zero + 1, zero + 21) });
    at = zero + 21;
  }
  return entries;
}

/** Writes a tree object in the order that its entries are given in. */
export function formatTree(entries: readonly TreeEntry[]): Buffer {
  return Buffer.concat(
    entries.flatMap(({ name, type, id }) => [
      Buffer.from(`${modes[type]} `),
      name,
      Buffer.of(0),
      Buffer.from(id, "hex"),
    ]),
  );
}

const modes = {
  file: "100644",
  executable: "100755",
  symlink: "120000",
  directory: "40000",
  submodule: "160000",
} as const;

function entryType(mode: string): TreeEntryType {
  const bits = /^[0-7]{1,7}$/.test(mode) ? Number.parseInt(mode, 8) : 0;
  switch (bits & 0o170000) {
    case 0o100000:
      return (bits & 0o100) === 0 ? "file" : "executable";
    case 0o120000:
      return "symlink";
    case 0o040000:
      return "directory";
    case 0o160000:
      return "submodule";
    default:
      throw new GitError("corrupt", `a tree has an entry of the unknown mode ${JSON.stringify(mode.slice(0, 10))}`);
  }
}

/** Characters that HFS+ takes no notice of in a name. */
const unseen = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/gu;

/**
 * A name that would lead out of its directory, or into Git's own on any file system, is refused as git's own checks refuse it
 * (git-fsck: hasDot, hasDotdot, hasDotgit, fullPathname; GE-016).
 */
function verified(name: Buffer): Buffer {
  const text = name.toString("utf8");
  if (name.length === 0 || name.includes(0x2f) || text.split("\\").some(isForbidden)) {
    throw new GitError("corrupt", `a tree has an entry of the forbidden name ${JSON.stringify(text.slice(0, 200))}`);
  }
  return name;
}

function isForbidden(part: string): boolean {
  if (part === "." || part === "..") return true;
  // A cheap look first: nearly every name is without all of it.
  if (!/git|[\u0080-\uffff]/i.test(part)) return false;
  const seen = part.replace(unseen, "").toLowerCase();
  return /^(\.git|git~1)[. ]*(:.*)?$/.test(seen);
}
