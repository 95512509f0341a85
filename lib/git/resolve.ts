import { messageOf } from "../text/error-message.ts";
import { compareVersions, parseVersion } from "../text/semver.ts";
import { parseVersionRange, satisfies, type VersionRange } from "../text/semver-range.ts";
import { parseCommit } from "./commit.ts";
import { GitError } from "./git-error.ts";
import type { GitReference, Resolved } from "./git-source.ts";
import { isObjectId, type Reference } from "./reference.ts";
import type { Session } from "./session.ts";
import { objectOf } from "./worktree.ts";

/** A longer name of a reference is none: a packet could not hold it. */
const nameLimit = 4096;
/** How many tags that differ by build metadata alone are told apart by the dates of their commits (GIT-010). */
const tieLimit = 256;

/** `refs/heads/main` is told as `main`, `HEAD` as nothing (GIT-004, GIT-005). */
function shortName(reference: string): string {
  return reference.split("/").slice(2).join("/");
}

/** A branch's head (GIT-004). Throws GitError `no-reference`, or `empty` for a repository that has none. */
export async function resolveBranch(session: Session, branch: string): Promise<Resolved> {
  const found = await find(session, `refs/heads/${branch}`);
  return { revision: `${branch}@sha1:${found.id}`, commit: found.id };
}

/** What a tag points to in the end, never a tag object (GIT-005). Throws as `resolveBranch`. */
export async function resolveTag(session: Session, tag: string): Promise<Resolved> {
  const found = await find(session, `refs/tags/${tag}`);
  const commit = found.peeled ?? found.id;
  return { revision: `${tag}@sha1:${commit}`, commit, tag: tagOf(tag, found) };
}

function tagOf(name: string, { id, peeled }: { id: string; peeled?: string }): NonNullable<Resolved["tag"]> {
  return peeled === undefined ? { name } : { name, id };
}

/** What a name within `refs/tags/` stands for (GIT-077). */
function isTag(name: string): boolean {
  return name.startsWith("refs/tags/");
}

async function find(session: Session, name: string): Promise<Reference> {
  const found = (await listed(session, name)).find((reference) => reference.name === name);
  if (found !== undefined) return found;
  if (await session.isEmpty()) throw new GitError("empty", "remote repository is empty");
  throw new GitError("no-reference", `couldn't find remote ref ${JSON.stringify(name)}`);
}

async function listed(session: Session, name: string): Promise<Reference[]> {
  if (Buffer.byteLength(name) > nameLimit) throw new GitError("invalid", "the name of the reference is too long");
  return session.references([name]);
}

/** Any reference by its full name; `^{}` behind it asks for what a tag points to (GIT-012, GIT-013). Throws GitError `unresolved` and `empty`. */
export async function resolveName(session: Session, name: string): Promise<Resolved> {
  const suffix = "^{}";
  const isPeeled = name.endsWith(suffix);
  const plain = isPeeled ? name.slice(0, -suffix.length) : name;
  const found = (await listed(session, plain)).find((reference) => reference.name === plain);
  const commit = isPeeled ? found?.peeled : (found?.peeled ?? found?.id);
  if (commit === undefined) {
    if (await session.isEmpty()) throw new GitError("empty", "remote repository is empty");
    throw new GitError("unresolved", `unable to resolve ref '${name}' to a specific commit`);
  }
  const tag = isTag(plain) && found !== undefined ? { tag: tagOf(shortName(plain), found) } : {};
  return { revision: `${name}@sha1:${commit}`, commit, ...tag };
}

/** GIT-013. Throws GitError `invalid` for a name that cannot be one of a reference. */
export function checkName(name: string): void {
  if (!name.startsWith("/") && !name.endsWith("/")) return;
  throw new GitError("invalid", `ref ${name} is invalid; Git refs cannot begin or end with a slash '/'`);
}

/** GIT-011. Throws GitError `invalid`. */
export function readRange(text: string): VersionRange {
  try {
    return parseVersionRange(text);
  } catch (error) {
    throw new GitError("invalid", `semver parse error: ${messageOf(error)}`);
  }
}

/** The highest tag within a range, by the date of its commit where build metadata alone differs (GIT-006, GIT-008, GIT-010). Throws GitError `no-version` and `empty`. */
export async function resolveVersion(session: Session, range: VersionRange, text: string): Promise<Resolved> {
  const tags = (await session.references(["refs/tags/"])).flatMap((reference) => {
    const version = parseVersion(shortName(reference.name));
    return version !== undefined && satisfies(version, range)
      ? [{ tag: version.original, version, commit: reference.peeled ?? reference.id, reference }]
      : [];
  });
  tags.sort((a, b) => compareVersions(b.version, a.version) || (a.tag < b.tag ? 1 : -1));
  const [highest] = tags;
  if (highest === undefined) {
    if (await session.isEmpty()) throw new GitError("empty", "remote repository is empty");
    throw new GitError("no-version", `no match found for semver: ${text}`);
  }
  const tied = tags.filter(({ version }) => compareVersions(version, highest.version) === 0);
  const { tag, commit, reference } = tied.length === 1 ? highest : await latest(session, tied);
  return { revision: `${tag}@sha1:${commit}`, commit, tag: tagOf(tag, reference) };
}

async function latest<T extends { commit: string }>(session: Session, tied: readonly T[]): Promise<T> {
  const wants = [...new Set(tied.map(({ commit }) => commit))];
  if (wants.length > tieLimit) {
    throw new GitError("too-large", `more than ${tieLimit} tags of the highest version differ by build metadata alone`);
  }
  const [first, ...others] = tied;
  if (first === undefined) throw new RangeError("there is no tag to choose from");
  if (wants.length === 1) return first;
  const pack = await session.fetch({ wants, depth: 1, filter: "tree:0" });
  try {
    const dateOf = ({ commit }: T): number => parseCommit(objectOf(pack, commit, "commit").content).committed;
    return others.reduce((best, other) => (dateOf(other) > dateOf(best) ? other : best), first);
  } finally {
    pack.close();
  }
}

/** How a commit that is asked for by its id is told (GIT-014). The tag that it is told by is not looked at. */
export function commitAsTold({ branch, name }: GitReference, commit: string): Resolved {
  const pointer = name || branch;
  const tag = name !== undefined && isTag(name) ? { tag: { name: shortName(name) } } : {};
  return { revision: pointer ? `${pointer}@sha1:${commit}` : `sha1:${commit}`, commit, ...tag };
}

/**
 * A commit by its id (GIT-015): it must be reachable from the branch that is given, or from any. Throws GitError `no-commit` where
 * it is not, and as `resolveBranch`.
 */
export async function resolveCommit(session: Session, reference: GitReference & { commit: string }): Promise<Resolved> {
  const { commit, branch } = reference;
  const missing = new GitError("no-commit", `unable to resolve commit object for '${commit}': object not found`);
  if (!isObjectId(commit)) throw missing;
  const resolved = commitAsTold(reference, commit);
  const tips = await tipsOf(session, branch);
  if (tips.includes(commit)) return resolved;
  for (const tip of tips.slice(0, 1)) {
    if (await mayReach(session, commit, tip)) return resolved;
  }
  // The server's word for "no" is not certain, and is one of the first branch only: the history decides.
  const history = await session.fetch({ wants: tips, filter: "tree:0" });
  const isReached = history.stat(commit)?.type === "commit";
  history.close();
  if (!isReached) throw missing;
  return resolved;
}

/** The heads that a commit may be reached from: of the branch, or of all branches with the default one first. */
export async function tipsOf(session: Session, branch: string | undefined): Promise<string[]> {
  if (branch) return [(await find(session, `refs/heads/${branch}`)).id];
  const references = await session.references(["HEAD", "refs/heads/"]);
  if (references.length === 0 && (await session.isEmpty())) throw new GitError("empty", "remote repository is empty");
  return [...new Set(references.map(({ id }) => id))];
}

/** A server complains of a `have` it does not know by no word at all, but some refuse such a question. */
async function mayReach(session: Session, commit: string, tip: string): Promise<boolean> {
  try {
    return await session.isReachable(commit, tip);
  } catch (error) {
    if (error instanceof GitError && (error.code === "refused" || error.code === "protocol")) return false;
    throw error;
  }
}
