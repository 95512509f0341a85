import type { Artifact } from "../api/artifact.ts";
import type { GitRepository, GitRepositoryStatus } from "../api/git-repository.ts";
import { type Checkout, withCheckout } from "../git/checkout.ts";
import { resolveRevision } from "../git/fetch.ts";
import { GitError } from "../git/git-error.ts";
import { currentRevision, type GitArchive, type GitSource } from "../git/git-source.ts";
import { addIncludes, findIncludes, includesAreCurrent } from "./git-repository/include.ts";
import { reachabilityIsDue } from "./git-repository/reachability.ts";
import { forgetVerification, requiresVerification, verifySource } from "./git-repository/verification.ts";
import { gitFailure, readGitSource } from "./git-source.ts";
import { SourceFailure } from "./source/source-failure.ts";
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
    const { object, context, status, signal } = pass;
    forgetVerification(pass);
    const source = await readGitSource(object, context);
    const includes = await findIncludes(pass);
    const resolved = await resolveRevision(asLooked(source, pass), signal);
    const { revision, commit } = resolved;
    if (isCurrent(pass, revision, includes)) {
      pass.trace("GitOperationSucceeded", `no changes since last reconciliation: observed revision '${revision}'`);
      return told(pass, undefined);
    }
    const archive = await withCheckout(source, resolved, signal, async (checkout) => {
      pass.conditions.remove("FetchFailed");
      await verifySource(pass, resolved, checkout.objects);
      if (status.artifact?.revision !== revision) pass.outdated("NewRevision", `new upstream revision '${revision}'`);
      const close = await addIncludes(pass, includes, checkout);
      try {
        return await archived(checkout, signal);
      } finally {
        close();
      }
    });
    try {
      await pass.store(`${commit}.tar.gz`, archive.tarGz, { revision, digest: archive.digest });
    } finally {
      archive.tarGz.close();
    }
    observe(pass, includes);
    return told(pass, archive.subject);
  },
};

/** The life of a GitRepository. */
export const gitRepositoryReconciler = sourceReconciler(gitRepository);

/** A commit that is stored already is looked for once a day (SB-004). */
function asLooked(source: GitSource, { object, context, status }: GitPass): GitSource {
  const { observedRevision, ...unseen } = source;
  const isDue = source.reference.commit !== undefined && reachabilityIsDue(object, context.clock.now());
  return isDue || status.artifact === undefined ? unseen : source;
}

/** Writing the archive fails as the store does (SRC-037): what is wrong with the repository's own objects is the fetch's. */
async function archived(checkout: Checkout, signal: AbortSignal): Promise<GitArchive> {
  try {
    return await checkout.archive(signal);
  } catch (error) {
    if (error instanceof GitError || signal.aborted) throw error;
    const message = `unable to archive artifact to storage: ${error instanceof Error ? error.message : String(error)}`;
    throw new SourceFailure("StorageOperationFailed", "ArchiveOperationFailed", message, { cause: error });
  }
}

/** GIT-040, GIT-042: nothing is fetched when neither the revision nor what selects its content has changed. */
function isCurrent(pass: GitPass, revision: string, includes: readonly Artifact[]): boolean {
  const { object, status } = pass;
  const { ignore, sparseCheckout = [], recurseSubmodules = false } = object.spec;
  const observed = object.status?.observedSparseCheckout ?? [];
  return (
    status.artifact !== undefined &&
    !requiresVerification(object) &&
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
