import { setTimeout as sleep } from "node:timers/promises";
import type { Artifact } from "../../api/artifact.ts";
import type { GitRepository, GitRepositoryStatus } from "../../api/git-repository.ts";
import { findObject } from "../../cluster/objects.ts";
import type { Checkout } from "../../git/checkout.ts";
import { currentRevision } from "../../git/git-source.ts";
import { graft, nodeAt, resolvePath } from "../../git/graft.ts";
import { openArchive } from "../../git/unpacked-archive.ts";
import { messageOf } from "../../text/error-message.ts";
import { ArtifactUnavailable, fetchOfferedArtifact } from "../source/fetch-artifact.ts";
import { SharedWorkUnderWay } from "../source/shared-record.ts";
import { SourceFailure } from "../source/source-failure.ts";
import type { SourcePass } from "../source/source-kind.ts";

type GitPass = SourcePass<GitRepositoryStatus, GitRepository>;
type Include = NonNullable<GitRepository["spec"]["include"]>[number];

/** Included artifacts of this size and more are refused: they are read into memory as they are stored. */
const sizeLimit = 256 * 1024 * 1024;
/** Objects that are looked at to find out whether an include leads back. */
const chainLimit = 32;

/**
 * The artifacts that `spec.include` names, in its order (GIT-090, GIT-091). The object is woken when one of them changes (SB-006).
 * Throws SourceFailure IncludeUnavailable, looked at again in a while, for an object that is missing or has none (GIT-093).
 */
export async function findIncludes(pass: GitPass): Promise<Artifact[]> {
  const { object, status } = pass;
  const artifacts: Artifact[] = [];
  for (const { repository } of object.spec.include ?? []) artifacts.push(await findInclude(pass, repository.name));
  pass.conditions.remove("IncludeUnavailable");
  const before = status.includedArtifacts ?? [];
  if (!sameRevisions(artifacts, before)) {
    pass.outdated("IncludeChange", "included artifacts differ from last observed includes");
    pass.conditions.remove("ArtifactOutdated");
  }
  return artifacts;
}

async function findInclude(pass: GitPass, name: string): Promise<Artifact> {
  const { object, context } = pass;
  const namespace = object.metadata.namespace ?? "";
  const reference = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository", namespace, name };
  const unavailable = (reason: "NotFound" | "NoArtifact", message: string, cause?: unknown): SourceFailure => {
    pass.waitsFor.push(reference);
    const waitSeconds = context.settings.requeueDependencySeconds;
    return new SourceFailure("IncludeUnavailable", reason, message, { waitSeconds, cause });
  };
  let included: GitRepository | undefined;
  try {
    included = await findObject<GitRepository>(context.cluster, reference, pass.signal);
  } catch (error) {
    const why = messageOf(error);
    throw unavailable("NotFound", `could not get resource for include '${name}': ${why}`, error);
  }
  if (included === undefined) {
    const why = `GitRepository.source.toolkit.fluxcd.io "${name}" not found`;
    throw unavailable("NotFound", `could not get resource for include '${name}': ${why}`);
  }
  const artifact = included.status?.artifact;
  if (!(await leadsBack(pass, included))) pass.follows.push({ reference, digest: artifact?.digest });
  if (artifact === undefined) throw unavailable("NoArtifact", `no artifact available for include '${name}'`);
  return artifact;
}

/**
 * GIT-095: whether an object includes this one, itself or by what it includes. Each then takes the other's last artifact when it
 * is due: waking one another would never end, since every artifact differs from the one before.
 */
async function leadsBack({ object, context, signal }: GitPass, included: GitRepository): Promise<boolean> {
  const { namespace = "", name: own } = object.metadata;
  const seen = new Set([included.metadata.name]);
  const rest = [included];
  for (let current = rest.pop(); current !== undefined; current = rest.pop()) {
    for (const { repository } of current.spec.include ?? []) {
      if (repository.name === own) return true;
      if (seen.has(repository.name)) continue;
      if (seen.size >= chainLimit) return true;
      seen.add(repository.name);
      const reference = {
        apiVersion: "source.toolkit.fluxcd.io/v1",
        kind: "GitRepository",
        namespace,
        name: repository.name,
      };
      const next = await findObject<GitRepository>(context.cluster, reference, signal).catch(() => undefined);
      if (next !== undefined) rest.push(next);
    }
  }
  return false;
}

/** Whether every revision of one set is in the other, whatever the order (as source-controller compares them). */
function sameRevisions(artifacts: readonly Artifact[], others: readonly Artifact[]): boolean {
  const known = new Set(others.map(({ revision }) => currentRevision(revision)));
  return artifacts.length === others.length && artifacts.every(({ revision }) => known.has(currentRevision(revision)));
}

/** GIT-042: whether the artifact was made of these includes, each with the same paths and content. */
export function includesAreCurrent({ object, status }: GitPass, artifacts: readonly Artifact[]): boolean {
  const { include = [] } = object.spec;
  const { observedInclude = [], includedArtifacts = [] } = status;
  if (include.length !== observedInclude.length || include.length !== includedArtifacts.length) return false;
  return include.every(({ repository, fromPath, toPath }, index) => {
    const observed = observedInclude[index];
    const before = includedArtifacts[index];
    const now = artifacts[index];
    return (
      observed?.repository.name === repository.name &&
      (observed.fromPath ?? "") === (fromPath ?? "") &&
      (observed.toPath ?? "") === (toPath ?? "") &&
      before !== undefined &&
      now !== undefined &&
      currentRevision(before.revision) === currentRevision(now.revision) &&
      before.digest === now.digest
    );
  });
}

/**
 * Puts the included artifacts into the tree, each where it belongs (GIT-090, GIT-094). Throws SourceFailure StorageOperationFailed.
 * What it returns must be called when the tree is no longer needed.
 */
export async function addIncludes(
  pass: GitPass,
  artifacts: readonly Artifact[],
  checkout: Pick<Checkout, "root" | "limits" | "spent">,
): Promise<() => void> {
  const opened: (() => void)[] = [];
  const close = () => {
    for (const end of opened) end();
  };
  try {
    for (const [index, include] of (pass.object.spec.include ?? []).entries()) {
      const artifact = artifacts[index];
      if (artifact !== undefined) opened.push(await addInclude(pass, include, artifact, checkout));
    }
    return close;
  } catch (error) {
    close();
    throw error;
  }
}

async function addInclude(
  pass: GitPass,
  { repository: { name }, fromPath = "", toPath }: Include,
  artifact: Artifact,
  { root, limits, spent }: Pick<Checkout, "root" | "limits" | "spent">,
): Promise<() => void> {
  const to = toPath || name;
  const failure = (reason: "IllegalPath" | "CopyFailure", words: string, cause: unknown): SourceFailure => {
    const why = messageOf(cause);
    return new SourceFailure("StorageOperationFailed", reason, `${words}: ${why}`, { cause });
  };
  let place: string[];
  try {
    place = resolvePath(root, to);
  } catch (error) {
    throw failure("IllegalPath", `path calculation for include '${name}' failed`, error);
  }
  let close: (() => void) | undefined;
  try {
    const unpacked = await openArchive(await readArtifact(pass, name, artifact), limits, spent, pass.signal);
    close = unpacked.close;
    const part = nodeAt(unpacked.root, resolvePath(unpacked.root, fromPath));
    if (part === undefined) throw new Error(`cannot stat ${fromPath}: no such file or directory`);
    graft(root, place, part);
    return close;
  } catch (error) {
    close?.();
    if (error instanceof SharedWorkUnderWay) throw error;
    throw failure("CopyFailure", `failed to copy '${name}' include from ${fromPath} to ${to}`, error);
  }
}

/** The bytes of an included artifact, in words that follow those of the copy. Throws SharedWorkUnderWay while it is being replaced. */
async function readArtifact(pass: GitPass, name: string, artifact: Artifact): Promise<Uint8Array> {
  const { object, context, signal } = pass;
  if ((artifact.size ?? 0) > sizeLimit) throw new Error(`its artifact is larger than ${sizeLimit} bytes`);
  const { namespace = "" } = object.metadata;
  const { artifacts, clusterId, endpoint } = context;
  try {
    const offered = { kind: "GitRepository", namespace, name, artifact };
    return await fetchOfferedArtifact(offered, { artifacts, clusterId, endpoint, signal }, sizeLimit);
  } catch (error) {
    if (!(error instanceof ArtifactUnavailable)) throw error;
    const isOther = error.what === "missing" || error.what === "digest";
    if (isOther && (await isReplaced(pass, name, artifact))) throw new SharedWorkUnderWay();
    if (error.what === "foreign") throw new Error("its status names an artifact that is not its own", { cause: error });
    if (error.what === "missing") throw new Error("its artifact is not in storage", { cause: error });
    throw error.cause;
  }
}

/** Another artifact of the same commit has the same name: it is stored a moment before the status of its object says so. */
async function isReplaced({ object, context, signal }: GitPass, name: string, { digest }: Artifact): Promise<boolean> {
  const { namespace = "" } = object.metadata;
  const reference = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository", namespace, name };
  for (const giveUp = Date.now() + 1000; Date.now() < giveUp; await sleep(100, undefined, { signal })) {
    const now = await findObject<GitRepository>(context.cluster, reference, signal);
    if (now?.status?.artifact?.digest !== digest) return true;
  }
  return false;
}
