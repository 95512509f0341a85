import type { Artifact } from "../api/artifact.ts";
import type { GitRepository, GitRepositoryStatus } from "../api/git-repository.ts";
import type { Context, EventRecord, Finalizer, Outcome, Reconciler } from "../engine/reconciler.ts";
import { fetchArchive, type GitSource, type Resolved, resolveRevision } from "../git/fetch.ts";
import { currentRevision } from "../git/git-source.ts";
import { parseGoDuration } from "../text/go-duration.ts";
import { artifactAddress, artifactKey, collectGarbage, isStored, ownArtifactKey } from "./artifact-storage.ts";
import { type ConditionEditor, editConditions } from "./condition-editor.ts";
import { gitFailure, readGitSource, SourceFailure } from "./git-source.ts";

/** Conditions whose truth is a failure, in the order in which they speak for Ready (SRC-012). */
const negative = ["StorageOperationFailed", "FetchFailed", "ArtifactOutdated", "Stalled", "Reconciling"] as const;
const failures = ["FetchFailed", "StorageOperationFailed"] as const;
const group = "source.toolkit.fluxcd.io";

/** Fetches one commit of a Git repository and stores its tree as an artifact (sources.md, sections 1, 3 and 5). */
export const reconcileGitRepository: Reconciler<GitRepository, GitRepositoryStatus> = async (object, context) => {
  const conditions = editConditions(object, () => context.clock.now());
  const events: EventRecord[] = [];
  const status: GitRepositoryStatus = { ...object.status };
  const pass: Pass = { object, context, conditions, events, status };

  await announceStart(pass);
  conditions.remove("StorageOperationFailed");
  try {
    await checkStorage(pass);
    const source = await readGitSource(object, context);
    conditions.remove("ArtifactOutdated");
    const signal = bounded(object, context);
    const resolved = await resolveRevision(source, signal);
    const produced = isCurrent(pass, resolved.revision) ? undefined : await store(pass, source, resolved, signal);
    succeed(pass, produced?.subject);
    if (produced === undefined) {
      events.push({
        type: "Trace",
        reason: "GitOperationSucceeded",
        message: `no changes since last reconciliation: observed revision '${resolved.revision}'`,
      });
    }
    const revision = status.artifact?.revision;
    return {
      ...settled(pass),
      ...(revision === undefined ? {} : { produced: { revision, isNew: produced !== undefined } }),
    };
  } catch (error) {
    return fail(pass, gitFailure(error, context.signal));
  }
};

/** Removes every stored artifact of the object (SRC-022, SRC-023). */
export const finalizeGitRepository: Finalizer<GitRepository> = async (object, context) => {
  try {
    const stored = await context.artifacts.list(artifactKey(context.clusterId, object, ""));
    await context.artifacts.remove(stored.map(({ key }) => key));
    const collected: EventRecord = {
      type: "Trace",
      reason: "GarbageCollectionSucceeded",
      message: "garbage collected artifacts for deleted resource",
    };
    return { done: true, events: stored.length === 0 ? [] : [collected] };
  } catch (error) {
    const message = `garbage collection for deleted resource failed: ${error instanceof Error ? error.message : String(error)}`;
    return {
      done: false,
      events: [{ type: "Warning", reason: "GarbageCollectionFailed", message }],
      again: { backOff: true },
    };
  }
};

type Pass = {
  object: GitRepository;
  context: Context;
  conditions: ConditionEditor;
  events: EventRecord[];
  status: GitRepositoryStatus;
};

/** SRC-008, SRC-009: a new generation or a request shows as Reconciling before the work starts. */
async function announceStart({ object, context, conditions, status }: Pass): Promise<void> {
  const { generation = 0, annotations } = object.metadata;
  const observed = object.status?.observedGeneration ?? -1;
  const requested = annotations?.["reconcile.fluxcd.io/requestedAt"];
  conditions.remove("Stalled");
  if (generation === observed && (requested === undefined || requested === object.status?.lastHandledReconcileAt)) {
    conditions.set("Reconciling", "True", "Progressing", "reconciliation in progress");
    return;
  }
  const message =
    generation === observed
      ? "reconciliation in progress"
      : `processing object: new generation ${observed} -> ${generation}`;
  conditions.set("Reconciling", "True", "Progressing", message);
  if ((conditions.get("Ready")?.status ?? "Unknown") === "Unknown")
    conditions.set("Ready", "Unknown", "Progressing", message);
  await context.announce({ ...status, conditions: conditions.list() });
}

/** ART-012, ART-013: an artifact that the store no longer holds as it was is forgotten and built anew. */
async function checkStorage({ object, context, conditions, events, status }: Pass): Promise<void> {
  const artifact = status.artifact;
  let missing = false;
  if (artifact !== undefined) {
    const found = await isStored(context, object, artifact);
    missing = found !== "stored";
    if (found === "different") {
      const message = "failed to verify integrity of artifact: the stored file differs from the one that was stored";
      events.push({ type: "Warning", reason: "ArtifactVerificationFailed", message });
    }
    if (!missing) {
      const key = ownArtifactKey(context.clusterId, object, artifact);
      status.artifact = { ...artifact, ...(await addressOf(context, key)) };
      return;
    }
    delete status.artifact;
  }
  const message = missing ? "building artifact: disappeared from storage" : "building artifact";
  conditions.set("Reconciling", "True", "Progressing", message);
  conditions.set("Ready", "Unknown", "Progressing", message);
  conditions.remove("ArtifactInStorage");
  context.progress({ ...status, conditions: conditions.list() });
}

/** GIT-040, GIT-042: nothing is fetched when neither the revision nor what selects its content has changed. */
function isCurrent({ object, status }: Pass, revision: string): boolean {
  const { ignore, sparseCheckout = [] } = object.spec;
  const observed = object.status?.observedSparseCheckout ?? [];
  return (
    status.artifact !== undefined &&
    currentRevision(status.artifact.revision) === revision &&
    ignore === object.status?.observedIgnore &&
    sparseCheckout.length === observed.length &&
    sparseCheckout.every((path, index) => path === observed[index])
  );
}

/** Fetches the resolved commit and stores its archive; the status names the artifact once the store holds it (ART-014). */
async function store(
  pass: Pass,
  source: GitSource,
  resolved: Resolved,
  signal: AbortSignal,
): Promise<{ subject: string }> {
  const { object, context, conditions, status, events } = pass;
  const { revision, commit } = resolved;
  const archive = await fetchArchive(source, resolved, signal);
  if (status.artifact?.revision !== revision) {
    const message = `new upstream revision '${revision}'`;
    if (status.artifact !== undefined) conditions.set("ArtifactOutdated", "True", "NewRevision", message);
    conditions.set("Reconciling", "True", "Progressing", `building artifact: ${message}`);
    conditions.set("Ready", "Unknown", "Progressing", `building artifact: ${message}`);
    context.progress({ ...status, conditions: conditions.list() });
  }
  const key = artifactKey(context.clusterId, object, `${commit}.tar.gz`);
  const { path, url } = await addressOf(context, key);
  try {
    await context.artifacts.put(key, archive.tarGz);
  } catch (error) {
    const message = `unable to archive artifact to storage: ${error instanceof Error ? error.message : String(error)}`;
    throw new SourceFailure("StorageOperationFailed", "ArchiveOperationFailed", message);
  }
  const artifact: Artifact = {
    digest: archive.digest,
    lastUpdateTime: `${context.clock.now().toISOString().slice(0, 19)}Z`,
    path,
    revision,
    size: archive.tarGz.length,
    url,
  };
  status.artifact = artifact;
  if (object.spec.ignore === undefined) delete status.observedIgnore;
  else status.observedIgnore = object.spec.ignore;
  if (object.spec.sparseCheckout === undefined) delete status.observedSparseCheckout;
  else status.observedSparseCheckout = object.spec.sparseCheckout;
  const collected = await collectGarbage(context, object, key);
  if (collected > 0)
    events.push({
      type: "Trace",
      reason: "GarbageCollectionSucceeded",
      message: `garbage collected ${collected} artifacts`,
    });
  return { subject: archive.subject };
}

/** Where an artifact is found. A deployment that cannot say it stores nothing that nobody could fetch. */
async function addressOf(context: Context, key: string): Promise<Pick<Artifact, "path" | "url">> {
  try {
    return await artifactAddress(context, key);
  } catch (error) {
    const message = `unable to address artifact: ${error instanceof Error ? error.message : String(error)}`;
    throw new SourceFailure("StorageOperationFailed", "StorageOperationFailed", message, { cause: error });
  }
}

/** SRC-011, SRC-026, SRC-027: the artifact is in storage; a new one or a recovery is told of. */
function succeed({ object, conditions, events, status }: Pass, subject: string | undefined): void {
  const artifact = status.artifact;
  if (artifact === undefined) return;
  const previous = object.status;
  const recovered = failures.some((type) => previous?.conditions?.some((known) => known.type === type));
  for (const type of [...failures, "ArtifactOutdated", "Reconciling", "Stalled"]) conditions.remove(type);
  conditions.set("ArtifactInStorage", "True", "Succeeded", `stored artifact for revision '${artifact.revision}'`);
  status.observedGeneration = object.metadata.generation ?? 0;
  const isNew = previous?.artifact?.digest !== artifact.digest;
  if (!isNew && !recovered) return;
  events.push({
    type: "Normal",
    reason: isNew ? "NewArtifact" : "Succeeded",
    message: `stored artifact for commit '${subject === undefined ? artifact.revision : shortened(subject)}'`,
    metadata: { [`${group}/revision`]: artifact.revision, [`${group}/digest`]: artifact.digest },
  });
}

/** GIT-110: at most 50 characters of a commit's subject. */
function shortened(subject: string): string {
  const characters = [...subject];
  return characters.length > 50 ? `${characters.slice(0, 50).join("")}...` : subject;
}

/** SRC-015, SRC-016, SRC-025: a failed attempt says so and is retried, a terminal one waits for a change. */
function fail(pass: Pass, failure: SourceFailure): Outcome<GitRepositoryStatus> {
  const { object, conditions, events, status } = pass;
  conditions.set(failure.condition, "True", failure.reason, failure.message);
  if (failure.terminal) {
    conditions.set("Stalled", "True", failure.reason, failure.message);
    conditions.remove("Reconciling");
    status.observedGeneration = object.metadata.generation ?? 0;
  } else {
    const reconciling = conditions.get("Reconciling");
    conditions.set("Reconciling", "True", "ProgressingWithRetry", reconciling?.message ?? "reconciliation in progress");
  }
  events.push({ type: "Warning", reason: failure.reason, message: failure.message });
  return { ...settled(pass), ...(failure.terminal ? {} : { again: { backOff: true } }) };
}

/** SRC-012: Ready is the first condition that speaks against it, else it repeats what ArtifactInStorage says. */
function settled({ conditions, events, status }: Pass): Outcome<GitRepositoryStatus> {
  const against = negative.map((type) => conditions.get(type)).find((condition) => condition?.status === "True");
  const stored = conditions.get("ArtifactInStorage");
  if (against !== undefined) conditions.set("Ready", "False", against.reason, against.message);
  else if (stored !== undefined) conditions.set("Ready", "True", stored.reason, stored.message);
  return { status: { ...status, conditions: conditions.list() }, events };
}

/** GIT-022: `spec.timeout`, 60 s where it is absent, bounds a listing and the fetch after it as one. */
function bounded(object: GitRepository, context: Context): AbortSignal {
  return AbortSignal.any([context.signal, AbortSignal.timeout(parseGoDuration(object.spec.timeout ?? "60s"))]);
}
