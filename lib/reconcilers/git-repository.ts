import type { GitRepository, GitRepositoryStatus } from "../api/git-repository.ts";
import { fetchArchive, resolveRevision } from "../git/fetch.ts";
import { currentRevision } from "../git/git-source.ts";
import { forgetVerification, requiresVerification, verifySource } from "./git-repository/verification.ts";
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
    const { object, context, status, signal } = pass;
    forgetVerification(pass);
    const source = await readGitSource(object, context);
    const resolved = await resolveRevision(source, signal);
    const { revision, commit } = resolved;
    if (isCurrent(pass, revision)) {
      pass.trace("GitOperationSucceeded", `no changes since last reconciliation: observed revision '${revision}'`);
      return told(pass, undefined);
    }
    const archive = await fetchArchive(source, resolved, signal);
    pass.conditions.remove("FetchFailed");
    await verifySource(pass, resolved, archive.objects);
    if (status.artifact?.revision !== revision) pass.outdated("NewRevision", `new upstream revision '${revision}'`);
    await pass.store(`${commit}.tar.gz`, archive.tarGz, { revision, digest: archive.digest });
    observe(pass);
    return told(pass, archive.subject);
  },
};

/** The life of a GitRepository. */
export const gitRepositoryReconciler = sourceReconciler(gitRepository);

/** GIT-040, GIT-042: nothing is fetched when neither the revision nor what selects its content has changed. */
function isCurrent({ object, status }: GitPass, revision: string): boolean {
  const { ignore, sparseCheckout = [] } = object.spec;
  const observed = object.status?.observedSparseCheckout ?? [];
  return (
    status.artifact !== undefined &&
    !requiresVerification(object) &&
    currentRevision(status.artifact.revision) === revision &&
    ignore === object.status?.observedIgnore &&
    sparseCheckout.length === observed.length &&
    sparseCheckout.every((path, index) => path === observed[index])
  );
}

/** What the artifact was made with, for the next look (GIT-042). */
function observe({ object, status }: GitPass): void {
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
