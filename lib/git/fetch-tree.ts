import { parseCommit } from "./commit.ts";
import { GitError } from "./git-error.ts";
import type { HttpRemote } from "./http-transport.ts";
import { defaultLimits, type GitLimits } from "./limits.ts";
import type { Pack } from "./pack.ts";
import { isObjectId } from "./reference.ts";
import { withSession } from "./session.ts";
import { type Directory, layOut, objectOf } from "./worktree.ts";

/** A file of a tree. */
export type TreeFile = { readonly content: Uint8Array; readonly executable: boolean };

/**
 * The tree of a commit, by paths without a slash at either end. `links` are the targets of symbolic links, `submodules` the
 * commits of submodules, which are empty directories. `bytes` is what all files hold.
 */
export type GitTree = {
  files: Map<string, TreeFile>;
  directories: Set<string>;
  links: Map<string, string>;
  submodules: Map<string, string>;
  bytes: number;
};

/** Where git looks for a name that it is told to fetch, in this order (gitrevisions). */
const places = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"];
/** Bytes of the longest path that a link may lead to. */
const linkLimit = 4096;
/** Tags of tags: more than anybody makes. */
const tagLimit = 64;

/**
 * The object that `git fetch <url> <reference>` would fetch now: a whole object id is itself, without a request; a name is
 * looked for at the server. Throws GitError `no-reference`, and what a listing throws.
 */
export async function resolveFetch(
  remote: HttpRemote,
  reference: string,
  limits: Partial<GitLimits>,
  signal: AbortSignal,
): Promise<string> {
  if (isObjectId(reference.toLowerCase())) return reference.toLowerCase();
  if (reference.length > linkLimit) throw new GitError("invalid", "the name of the reference is too long");
  const names = [...places.map((place) => place + reference), `refs/remotes/${reference}/HEAD`];
  const listed = await withSession(remote, { ...defaultLimits, ...limits }, signal, (session) =>
    session.references(names),
  );
  for (const name of names) {
    const found = listed.find((candidate) => candidate.name === name);
    if (found !== undefined) return found.peeled ?? found.id;
  }
  throw new GitError("no-reference", `couldn't find remote ref ${reference}`);
}

/** Fetches one commit, or what a tag object points to, one deep, and gives its tree. Throws GitError. */
export async function fetchTree(
  remote: HttpRemote,
  commit: string,
  limits: Partial<GitLimits>,
  signal: AbortSignal,
): Promise<GitTree> {
  const allowed = { ...defaultLimits, ...limits };
  return withSession(remote, allowed, signal, async (session) => {
    const pack = await session.fetch({ wants: [commit], depth: 1 });
    try {
      const { content } = objectOf(pack, peel(pack, commit), "commit");
      return treeOf(pack, layOut(pack, parseCommit(content).tree, allowed));
    } finally {
      pack.close();
    }
  });
}

/** What a tag object points to in the end. */
function peel(pack: Pack, id: string): string {
  let found = id;
  for (let tags = 0; pack.stat(found)?.type === "tag"; tags++) {
    const { content } = objectOf(pack, found, "tag");
    const target = /^object ([0-9a-f]{40})\n/.exec(content.toString("latin1", 0, 64))?.[1];
    if (target === undefined || tags === tagLimit) throw new GitError("corrupt", "a tag names no object");
    found = target;
  }
  return found;
}

function treeOf(pack: Pack, root: Directory): GitTree {
  const tree: GitTree = { files: new Map(), directories: new Set(), links: new Map(), submodules: new Map(), bytes: 0 };
  const visit = ({ children }: Directory, path: string): void => {
    tree.directories.add(path);
    for (const node of children) {
      const at = path === "" ? node.name.toString("utf8") : `${path}/${node.name.toString("utf8")}`;
      if (node.type === "directory") visit(node, at);
      else if (node.type === "submodule") {
        tree.directories.add(at);
        tree.submodules.set(at, node.id);
      } else if (node.type === "symlink") {
        const { content } = objectOf(pack, node.id, "blob");
        if (content.length <= linkLimit) tree.links.set(at, content.toString("utf8"));
      } else {
        const { id, type } = node;
        tree.bytes += pack.stat(id)?.size ?? 0;
        tree.files.set(at, { content: objectOf(pack, id, "blob").content, executable: type === "executable" });
      }
    }
  };
  visit(root, "");
  return tree;
}
