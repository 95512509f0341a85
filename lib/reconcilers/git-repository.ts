import type { Artifact } from "../api/artifact.ts";
import type { GitRepository, GitRepositoryStatus } from "../api/git-repository.ts";
import type { KindReconciler } from "../engine/reconciler.ts";
import { GitError } from "../git/git-error.ts";
import { currentRevision, type Resolved } from "../git/git-source.ts";
import type { AskedSource } from "./git-repository/asked-source.ts";
import { storeCommit } from "./git-repository/content.ts";
import { findIncludes, includesAreCurrent } from "./git-repository/include.ts";
import { confirmRevision, lookUpRevision, pushedRevision } from "./git-repository/revision.ts";
import { forgetVerification, requiresVerification } from "./git-repository/verification.ts";
import { forgetKeys, keysHaveChanged } from "./git-repository/watched-keys.ts";
import { gitFailure, readGitSource } from "./git-source.ts";
import type { SourceKind, SourcePass, SourceResult } from "./source/source-kind.ts";
import { sourceReconciler } from "./source/source-reconciler.ts";

type GitPass = SourcePass<GitRepositoryStatus, GitRepository>;

/** Fetches one commit of a Git repository and stores its tree as an artifact (sources.md, sections 1, 3 and 5). */
const gitRepository: SourceKind<GitRepositoryStatus, GitRepository> = {
  against: [
    "StorageOperationFailed",
    "FetchFailed",
    "IncludeUnavailable",
    "ArtifactOutdated",
    "Stalled",
    "Reconciling",
  ],
  recoveries: ["FetchFailed", "IncludeUnavailable", "StorageOperationFailed"],
  clearsStorageFailure: "start",
  failureOf: (error, { context }) => gitFailure(error, context.signal),
  produce: async (pass) => {
    forgetVerification(pass);
    const source = await readGitSource(pass.object, pass.context);
    const includes = await findIncludes(pass);
    const looking = lookUpRevision(pass, source);
    looking.catch(() => undefined);
    const early = includes.length > 0 ? undefined : await storePushed(pass, source, looking);
    const resolved = await looking;
    const isCurrent = early === undefined && contentIsCurrent(pass, resolved.revision, includes);
    if (isCurrent && !requiresVerification(pass.object) && !(await keysHaveChanged(pass))) {
      tellUnchanged(pass, resolved.revision);
      return told(pass, undefined);
    }
    const subject = early ?? (await storeCommit(pass, source, await confirmRevision(pass, source, resolved), includes));
    if (isCurrent) tellUpToDate(pass, resolved.revision);
    observe(pass, includes);
    return told(pass, subject);
  },
};

const life = sourceReconciler(gitRepository);

/** The life of a GitRepository. */
export const gitRepositoryReconciler: KindReconciler = {
  ...life,
  finalize: async (object, context, continuation) => {
    await forgetKeys(context, object);
    return life.finalize(object, context, continuation);
  },
};

/**
 * SB-001: fetches the commit that a push named while the server is asked what the branch is at. Its subject, or undefined where there
 * was no such push, or the branch is elsewhere, or the commit could not be had: then it is fetched as ever.
 */
async function storePushed(
  pass: GitPass,
  source: AskedSource,
  looking: Promise<Resolved>,
): Promise<string | undefined> {
  const pushed = pushedRevision(pass);
  if (pushed === undefined) return undefined;
  const elsewhere = new Error("the branch is not at the commit that was pushed");
  try {
    return await storeCommit(pass, source, pushed, [], async () => {
      if ((await looking).commit !== pushed.commit) throw elsewhere;
    });
  } catch (error) {
    if (error === elsewhere || error instanceof GitError) return undefined;
    // What the look itself met is told by whoever awaits it.
    await looking;
    throw error;
  }
}

/** SRC-029: Flux clones for a range or a commit in any case, and says then that it has stored nothing. */
function tellUnchanged(pass: GitPass, revision: string): void {
  const { commit, name, tag, semver } = pass.object.spec.ref ?? {};
  if (commit || (semver && !tag && !name)) tellUpToDate(pass, revision);
  else pass.trace("GitOperationSucceeded", `no changes since last reconciliation: observed revision '${revision}'`);
}

function tellUpToDate({ trace }: GitPass, revision: string): void {
  trace("ArtifactUpToDate", `artifact up-to-date with remote revision: '${revision}'`);
}

/** GIT-040, GIT-042: nothing is fetched when neither the revision nor what selects its content has changed. */
function contentIsCurrent(pass: GitPass, revision: string, includes: readonly Artifact[]): boolean {
  const { object, status } = pass;
  const { ignore, sparseCheckout = [], recurseSubmodules = false } = object.spec;
  const observed = object.status?.observedSparseCheckout ?? [];
  return (
    status.artifact !== undefined &&
    currentRevision(status.artifact.revision) === revision &&
    ignore === object.status?.observedIgnore &&
    recurseSubmodules === (object.status?.observedRecurseSubmodules ?? false) &&
    includesAreCurrent(pass, includes) &&
    sparseCheckout.length === observed.length &&
    sparseCheckout.every((path, index) => path === observed[index])
  );
}

/** What the artifact was made with, for the next look (GIT-042). */
function observe({ object, status }: GitPass, includes: Artifact[]): void {
  const { include, recurseSubmodules } = object.spec;
  if (include === undefined) delete status.observedInclude;
  else status.observedInclude = include;
  if (includes.length === 0) delete status.includedArtifacts;
  else status.includedArtifacts = includes;
  if (recurseSubmodules === true) status.observedRecurseSubmodules = true;
  else delete status.observedRecurseSubmodules;
  if (object.spec.ignore === undefined) delete status.observedIgnore;
  else status.observedIgnore = object.spec.ignore;
  if (object.spec.sparseCheckout === undefined) delete status.observedSparseCheckout;
  else status.observedSparseCheckout = object.spec.sparseCheckout;
}

/** ART-022, GIT-110: what the status says, and the event with the commit's subject where there is one. */
function told({ status }: GitPass, subject: string | undefined): SourceResult {
  const revision = status.artifact?.revision ?? "";
  return {
    inStorage: { reason: "Succeeded", message: `stored artifact for revision '${revision}'` },
    event: { message: `stored artifact for commit '${subject === undefined ? revision : shortened(subject)}'` },
  };
}

/** GIT-110: at most 50 characters of a commit's subject. */
function shortened(subject: string): string {
  const characters = [...subject];
  return characters.length > 50 ? `${characters.slice(0, 50).join("")}...` : subject;
}
