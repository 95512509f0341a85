import type { GitRepository, GitRepositoryStatus } from "../../api/git-repository.ts";
import { resolveRevision } from "../../git/fetch.ts";
import type { Resolved } from "../../git/git-source.ts";
import type { Json } from "../../platform/ports.ts";
import { shareCheck } from "../source/shared-check.ts";
import type { SourcePass } from "../source/source-kind.ts";
import type { AskedSource } from "./asked-source.ts";
import { reachabilityIsDue } from "./reachability.ts";

type GitPass = SourcePass<GitRepositoryStatus, GitRepository>;

/**
 * What the reference names at the server now, asked once for all objects of the same repository, reference and credentials (SB-002). A
 * commit that is stored already is looked for once a day, and needs nobody to be asked in between (SB-004). Throws GitError.
 */
export async function lookUpRevision(pass: GitPass, source: AskedSource): Promise<Resolved> {
  const { object, context, status, signal } = pass;
  const { observedRevision, asker, ...unseen } = source;
  const isFixed = source.reference.commit !== undefined && status.artifact !== undefined;
  if (isFixed && !reachabilityIsDue(object, context.clock.now())) return resolveRevision(source, signal);
  const asked = status.artifact === undefined || isFixed ? unseen : { ...unseen, ...observed(observedRevision) };
  return shareCheck<Resolved>(pass, [asker, { ...source.reference }], () => resolveRevision(asked, signal), isResolved);
}

function observed(observedRevision: string | undefined): { observedRevision?: string } {
  return observedRevision === undefined ? {} : { observedRevision };
}

/**
 * The commit that a signed push says a branch was moved to, if it is the object's branch (SB-001): it may be fetched while the server is
 * asked whether it still is so. A push that is delivered late, or again by somebody else, is only lost work.
 */
export function pushedRevision({ context, object, status }: GitPass): Resolved | undefined {
  const { cause } = context;
  const { commit, name, tag, semver, branch } = object.spec.ref ?? {};
  if (cause.type !== "webhook" || cause.pushed === undefined || commit || tag || semver) return undefined;
  const { reference, commit: pushed } = cause.pushed;
  if (reference !== (name || `refs/heads/${branch || "master"}`)) return undefined;
  const revision = `${name || branch || "master"}@sha1:${pushed}`;
  return status.artifact?.revision === revision ? undefined : { revision, commit: pushed };
}

function isResolved(value: Json): value is Resolved {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { revision, commit, tag } = value;
  if (typeof revision !== "string" || typeof commit !== "string") return false;
  if (tag === undefined) return true;
  if (typeof tag !== "object" || tag === null || Array.isArray(tag)) return false;
  return typeof tag.name === "string" && (tag.id === undefined || typeof tag.id === "string");
}
