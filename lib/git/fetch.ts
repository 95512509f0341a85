import { ignoreRules, parseSourceIgnore } from "../text/source-ignore.ts";
import { archive } from "./archive.ts";
import { parseCommit } from "./commit.ts";
import { GitError, type GitErrorCode } from "./git-error.ts";
import { type GitArchive, type GitSource, type Resolved, toldUrl } from "./git-source.ts";
import { ignoreFiles } from "./ignore-files.ts";
import { defaultLimits, type GitLimits } from "./limits.ts";
import type { Pack } from "./pack.ts";
import {
  checkName,
  commitAsTold,
  readRange,
  resolveBranch,
  resolveCommit,
  resolveName,
  resolveTag,
  resolveVersion,
  tipsOf,
} from "./resolve.ts";
import { type Session, withSession } from "./session.ts";
import { signedTag } from "./signed-object.ts";
import { sparse } from "./sparse.ts";
import { layOut, objectOf } from "./worktree.ts";

export type { GitArchive, GitSource, Resolved } from "./git-source.ts";

/**
 * Finds the commit that a source's reference names now, by one listing of references (GE-001). Throws GitError with the words that
 * Flux has for it (section 5.1 of sources.md).
 */
export async function resolveRevision(source: GitSource, signal: AbortSignal): Promise<Resolved> {
  const { reference, observedRevision } = source;
  const { commit, name, tag, semver } = reference;
  if (commit) {
    const told = commitAsTold(reference, commit);
    if (observedRevision === told.revision) return told;
    return operate(source, "clone", signal, (session) => resolveCommit(session, { ...reference, commit }));
  }
  if (name) {
    checkName(name);
    return operate(source, "list", signal, (session) => resolveName(session, name));
  }
  const listing = observedRevision === undefined ? "clone" : "list";
  if (tag) return operate(source, listing, signal, (session) => resolveTag(session, tag));
  if (semver) {
    const range = readRange(semver);
    return operate(source, "clone", signal, (session) => resolveVersion(session, range, semver));
  }
  const branch = reference.branch || "master";
  return operate(source, listing, signal, (session) => resolveBranch(session, branch));
}

/**
 * Fetches a commit, one deep, and archives its tree as source-controller does. Throws GitError with Flux's words where it cannot
 * be fetched; code `no-path` where a path of `sparseCheckout` does not exist (GIT-101).
 */
export async function fetchArchive(source: GitSource, resolved: Resolved, signal: AbortSignal): Promise<GitArchive> {
  const limits = limitsOf(source);
  return operate(source, "clone", signal, async (session) => {
    const pack = await fetchCommit(session, source, resolved);
    const object = pack.read(resolved.commit);
    if (object?.type !== "commit") throw noCommit(resolved.commit);
    const tags = tagsTo(pack, resolved);
    const commit = parseCommit(object.content);
    const root = sparse(layOut(pack, commit.tree, limits), source.sparseCheckout ?? []);
    const own = source.ignore === undefined ? [] : parseSourceIgnore(source.ignore, []);
    const rules = ignoreRules([...ignoreFiles(root, pack), ...own]);
    const { bytes, digest } = await archive(root, pack, rules, signal);
    return { tarGz: bytes, digest, subject: commit.subject, objects: { commit: object.content, tags } };
  });
}

/**
 * GE-003, GIT-016: one commit by its id, or by the tag object that leads to it; a server that refuses that gives the whole history
 * of the branches.
 */
async function fetchCommit(session: Session, { reference }: GitSource, { commit, tag }: Resolved): Promise<Pack> {
  try {
    return await session.fetch({ wants: [tag?.id ?? commit], depth: 1 });
  } catch (error) {
    if (!(error instanceof GitError) || error.code !== "refused" || !reference.commit) throw error;
    return session.fetch({ wants: await tipsOf(session, reference.branch) });
  }
}

/** Tags of tags: more than anybody makes. */
const tagLimit = 64;

/** The tag objects that lead to the commit, the outermost first (GE-004). What a server says they lead to is not believed. */
function tagsTo(pack: Pack, { commit, tag }: Resolved): Buffer[] {
  const tags: Buffer[] = [];
  if (tag?.id === undefined) return tags;
  let id = tag.id;
  while (id !== commit && tags.length < tagLimit) {
    const { content } = objectOf(pack, id, "tag");
    tags.push(content);
    id = signedTag(content).target;
  }
  if (id !== commit) throw new GitError("corrupt", `the tag '${tag.name}' does not lead to the commit '${commit}'`);
  return tags;
}

function noCommit(commit: string): GitError {
  return new GitError("no-commit", `unable to resolve commit object for '${commit}': object not found`);
}

/** Runs an operation and tells its failures as Flux does: a listing and a clone are told apart, and what follows them speaks for itself. */
async function operate<T>(
  source: GitSource,
  operation: "list" | "clone",
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  try {
    return await withSession(source, limitsOf(source), signal, work);
  } catch (error) {
    throw told(
      signal.aborted ? new GitError("unreachable", "context deadline exceeded", { cause: error }) : error,
      source,
      operation,
    );
  }
}

/** The transport worked and the words name what is missing. */
const speaksForItself = new Set<GitErrorCode>(["unresolved", "no-version", "no-commit", "no-path"]);

function told(error: unknown, { url, reference }: GitSource, operation: "list" | "clone"): unknown {
  if (!(error instanceof GitError) || speaksForItself.has(error.code)) return error;
  const known = toldUrl(url);
  const isEmpty = error.code === "empty";
  if (operation === "list") {
    // Where something was listed and the reference is gone, it is the clone that follows which fails.
    const verb = error.code === "no-reference" ? "clone" : "list remote for";
    return new GitError(isEmpty ? "no-reference" : error.code, `unable to ${verb} '${known}': ${error.message}`, {
      cause: error,
    });
  }
  const { commit, tag, semver } = reference;
  if (isEmpty && !commit && !tag && !semver) return new GitError("empty", "git repository is empty", { cause: error });
  if (isEmpty)
    return new GitError("no-reference", `unable to clone: ${error.message}: git repository: '${known}'`, {
      cause: error,
    });
  return new GitError(error.code, `unable to clone '${known}': ${error.message}`, { cause: error });
}

function limitsOf(source: GitSource): GitLimits {
  return { ...defaultLimits, ...source.limits };
}
