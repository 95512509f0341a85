import { type Checkout, withCheckout } from "./checkout.ts";
import type { GitArchive, GitSource, Resolved } from "./git-source.ts";
import { operate } from "./operation.ts";
import {
  checkName,
  commitAsTold,
  readRange,
  resolveBranch,
  resolveCommit,
  resolveName,
  resolveTag,
  resolveVersion,
} from "./resolve.ts";

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
 * Fetches a commit, one deep, and archives its tree as source-controller does. `before` is called when everything is there and
 * nothing is archived yet: it may verify the objects, add to the tree, or throw. Whoever gets the archive closes it. Throws
 * GitError with Flux's words where the commit cannot be fetched; code `no-path` where a path of `sparseCheckout` does not exist
 * (GIT-101).
 */
export async function fetchArchive(
  source: GitSource,
  resolved: Resolved,
  signal: AbortSignal,
  before: (checkout: Checkout) => Promise<void> = async () => undefined,
): Promise<GitArchive> {
  return withCheckout(source, resolved, signal, async (checkout) => {
    await before(checkout);
    return checkout.archive(signal);
  });
}
