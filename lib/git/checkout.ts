import { openSpool } from "../platform/spool.ts";
import { ignoreRules, parseSourceIgnore } from "../text/source-ignore.ts";
import { archive } from "./archive.ts";
import { parseCommit } from "./commit.ts";
import { GitError } from "./git-error.ts";
import type { GitRemote } from "./git-remote.ts";
import type { GitArchive, GitSource, Resolved } from "./git-source.ts";
import { ignoreFiles } from "./ignore-files.ts";
import type { GitLimits } from "./limits.ts";
import { type ObjectSet, objectSet } from "./object-set.ts";
import { limitsOf, operate } from "./operation.ts";
import { tipsOf } from "./resolve.ts";
import { type Session, withSession } from "./session.ts";
import { signedTag } from "./signed-object.ts";
import { sparse } from "./sparse.ts";
import { addSubmodules, moduleRemote } from "./submodules.ts";
import { type Directory, type Leaf, layOut, objectOf, type Spent, spend } from "./worktree.ts";

/** A commit's tree as it is laid out, not archived yet. */
export type Checkout = {
  /** The tree; more may be put into it. */
  root: Directory;
  /** The first line of the commit's message. */
  subject: string;
  /** As in GitArchive. */
  objects: GitArchive["objects"];
  limits: GitLimits;
  /** What is laid out so far. */
  spent: Spent;
  /** Archives what the ignore rules leave. Throws GitError `too-large` where neither memory nor disk can hold it. */
  archive(signal: AbortSignal): Promise<GitArchive>;
};

/** Fetches a commit with its submodules where they are asked for (GIT-105), and gives it to `use`. All of it is gone afterwards. Throws as `fetchArchive`. */
export async function withCheckout<T>(
  source: GitSource,
  resolved: Resolved,
  signal: AbortSignal,
  use: (checkout: Checkout) => Promise<T>,
): Promise<T> {
  const limits = limitsOf(source);
  const objects = objectSet();
  try {
    const spent = { files: 0, content: 0 };
    const checkout = await operate(source, "clone", signal, async (session) => {
      const commit = await fetchCommit(session, source, resolved, objects);
      const root = await fetchTree(session, source, commit.tree, objects, { limits, spent });
      if (source.recurseSubmodules === true) await addModules(root, source, objects, { limits, spent }, signal);
      return { root, subject: commit.subject, objects: commit.objects, limits, spent };
    });
    return await use({ ...checkout, archive: (until) => archiveOf(checkout, source, until) });
  } finally {
    objects.close();
  }
}

async function archiveOf(
  { root, subject, objects }: Omit<Checkout, "archive">,
  { ignore }: GitSource,
  signal: AbortSignal,
): Promise<GitArchive> {
  const own = ignore === undefined ? [] : parseSourceIgnore(ignore, []);
  const rules = ignoreRules([...ignoreFiles(root), ...own]);
  const spool = openSpool();
  try {
    const { digest } = await archive(root, rules, (part) => spool.write(part), signal);
    return { tarGz: spool, digest, subject, objects };
  } catch (error) {
    spool.close();
    throw error;
  }
}

type Budget = { limits: GitLimits; spent: Spent };
type FetchedCommit = { tree: string; subject: string; objects: GitArchive["objects"] };

/**
 * GE-003, GIT-016: one commit by its id, or by the tag object that leads to it; a server that refuses that gives the whole history
 * of the branches. With sparse paths the blobs are left for later where the server can (GE-013).
 */
async function fetchCommit(
  session: Session,
  { reference, sparseCheckout = [] }: Pick<GitSource, "reference" | "sparseCheckout">,
  resolved: Resolved,
  into: ObjectSet,
): Promise<FetchedCommit> {
  const { commit: id, tag } = resolved;
  const filter = sparseCheckout.length > 0 ? { filter: "blob:none" } : {};
  try {
    into.add(await session.fetch({ wants: [tag?.id ?? id], depth: 1, ...filter }));
  } catch (error) {
    if (!(error instanceof GitError) || error.code !== "refused" || !reference.commit) throw error;
    into.add(await session.fetch({ wants: await tipsOf(session, reference.branch) }));
  }
  if (into.stat(id)?.type !== "commit") throw noCommit(id);
  const { content } = objectOf(into, id, "commit");
  const { tree, subject } = parseCommit(content);
  return { tree, subject, objects: { commit: content, tags: tagsTo(into, resolved) } };
}

/** Lays out the sparse part of a tree, and fetches what a partial pack left out of it, in one request (GE-013). */
async function fetchTree(
  session: Session,
  { sparseCheckout = [] }: GitSource,
  tree: string,
  objects: ObjectSet,
  { limits, spent }: Budget,
): Promise<Directory> {
  const root = sparse(layOut(objects, tree, limits, spent), sparseCheckout);
  if (sparseCheckout.length === 0) return root;
  const missing = new Set<string>();
  for (const { id, type } of leavesOf(root)) {
    if (type !== "submodule" && objects.stat(id) === undefined) missing.add(id);
  }
  if (missing.size === 0) return root;
  objects.add(await session.fetch({ wants: [...missing] }));
  for (const { id, type } of leavesOf(root)) {
    if (type !== "submodule" && missing.has(id)) spend(spent, limits, 0, objects.stat(id)?.size ?? 0);
  }
  return root;
}

function* leavesOf(directory: Directory): Generator<Leaf, void, undefined> {
  for (const child of directory.children) {
    if (child.type === "directory") yield* leavesOf(child);
    else yield child;
  }
}

/** GIT-105, GIT-071: submodules at the commits that are recorded, each by a fetch of its own with the same credentials. */
async function addModules(
  root: Directory,
  remote: GitRemote,
  objects: ObjectSet,
  { limits, spent }: Budget,
  signal: AbortSignal,
): Promise<void> {
  await addSubmodules(root, remote.url, async (url, commit) =>
    withSession(moduleRemote(remote, url), limits, signal, async (session): Promise<Directory> => {
      const { tree } = await fetchCommit(session, { reference: { commit } }, { revision: "", commit }, objects);
      return layOut(objects, tree, limits, spent);
    }),
  );
}

/** Tags of tags: more than anybody makes. */
const tagLimit = 64;

/** The tag objects that lead to the commit, the outermost first (GE-004). What a server says they lead to is not believed. */
function tagsTo(objects: ObjectSet, { commit, tag }: Resolved): Buffer[] {
  const tags: Buffer[] = [];
  if (tag?.id === undefined) return tags;
  let id = tag.id;
  while (id !== commit && tags.length < tagLimit) {
    const { content } = objectOf(objects, id, "tag");
    tags.push(content);
    id = signedTag(content).target;
  }
  if (id !== commit) throw new GitError("corrupt", `the tag '${tag.name}' does not lead to the commit '${commit}'`);
  return tags;
}

function noCommit(commit: string): GitError {
  return new GitError("no-commit", `unable to resolve commit object for '${commit}': object not found`);
}
