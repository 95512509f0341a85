import type { Spool } from "../platform/spool.ts";
import type { GitRemote } from "./git-remote.ts";
import type { GitLimits } from "./limits.ts";

/**
 * Which commit is meant. The first that is given counts, in this order: commit, name, tag, semver, branch; the branch `master` where
 * nothing is (GIT-003, GIT-005, GIT-007, GIT-012, GIT-014). With a commit, `branch` and `name` say what it is called.
 */
export type GitReference = { branch?: string; tag?: string; semver?: string; name?: string; commit?: string };

/** A repository, the commit that is meant, and what of it is archived. */
export type GitSource = GitRemote & {
  reference: GitReference;
  /** Patterns in the format of .sourceignore that have the last word (IGN-003). Absent differs from empty (IGN-009). */
  ignore?: string;
  /** Prefixes of the paths to keep; all where it is absent (GIT-100). */
  sparseCheckout?: readonly string[];
  /** Whether submodules, and theirs, are part of it (GIT-105). */
  recurseSubmodules?: boolean;
  /** The revision that an artifact exists of. A commit that it names is not looked for again (SB-004). */
  observedRevision?: string;
  /** Bounds that differ from the default ones. */
  limits?: Partial<GitLimits>;
};

/**
 * The commit that a reference names at the server now, and the revision that it is told by (ART-005). `tag` is the tag that led to
 * it, with the id of the tag object where it is an annotated one.
 */
export type Resolved = { revision: string; commit: string; tag?: { name: string; id?: string } };

/**
 * An archive of a commit's tree, to be closed by whoever gets it, and the first line of its message. The digest is of these bytes: `sha256:<hex>` (ART-004).
 * `objects` are the bytes of the commit and of the tag objects that lead to it, the outermost first (GE-004, GE-005).
 */
export type GitArchive = {
  tarGz: Spool;
  digest: string;
  subject: string;
  objects: { commit: Buffer; tags: readonly Buffer[] };
};

/** The URL as it may be told: without what would let a reader in (SEC-012). */
export function toldUrl(url: string): string {
  // The user of an SSH server is no secret, a password beside it is.
  const user = /^ssh:\/\/([\w.-]+@)[^/?#@:]+(?::\d+)?(?:[/?#]|$)/i.exec(url)?.[1] ?? "";
  return url.replace(/^([a-z]+:\/\/)[^/?#]*@/i, `$1${user}`).replace(/[?#].*$/s, "");
}

/** A revision as it is written today: `main/<commit>` and a bare commit come from Flux before 2.0 (GIT-044). */
export function currentRevision(revision: string): string {
  if (revision.includes(":")) return revision;
  const slash = revision.lastIndexOf("/");
  const commit = revision.slice(slash + 1);
  const pointer = slash < 0 ? "" : revision.slice(0, slash);
  return pointer === "" || pointer === "HEAD" ? `sha1:${commit}` : `${pointer}@sha1:${commit}`;
}
