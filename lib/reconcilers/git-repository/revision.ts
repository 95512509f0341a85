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
  const { status, signal } = pass;
  if (isRemembered(pass, source)) return resolveRevision(source, signal);
  const { observedRevision, asker, ...unseen } = source;
  const isFixed = source.reference.commit !== undefined;
  const asked = status.artifact === undefined || isFixed ? unseen : { ...unseen, ...observed(observedRevision) };
  return shareCheck<Resolved>(pass, [asker, { ...source.reference }], () => resolveRevision(asked, signal), isResolved);
}

/** Whether a look at a commit that is stored already needs nobody to be asked (SB-004). */
function isRemembered({ object, context, status }: GitPass, { reference }: AskedSource): boolean {
  return (
    reference.commit !== undefined && status.artifact !== undefined && !reachabilityIsDue(object, context.clock.now())
  );
}

/**
 * What was looked up, asked for after all where nobody was: only what the server still gives to these credentials may be taken from
 * another object (SB-002), and a status says of itself that a commit is stored already (TM-004). Throws GitError.
 */
export async function confirmRevision(pass: GitPass, source: AskedSource, found: Resolved): Promise<Resolved> {
  // For another commit than the one that is stored somebody was asked.
  if (!isRemembered(pass, source) || source.observedRevision !== found.revision) return found;
  const { observedRevision: _, asker, ...asked } = source;
  const look = () => resolveRevision(asked, pass.signal);
  return shareCheck<Resolved>(pass, [asker, { ...source.reference }], look, isResolved);
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
