import type { InventoryEntry } from "../../api/kustomization.ts";
import type { KubernetesObject } from "../../api/object.ts";
import type { AppliedRecord } from "../../cluster/applied-record.ts";
import { ApplyFailed, type ApplyResult, applyObjects, isUnchanged } from "../../cluster/apply.ts";
import { formatDroppedFields } from "../../cluster/dropped-fields.ts";
import {
  differenceOf,
  formatInventory,
  formatInventoryId,
  readableReferencesOf,
  staleOf,
} from "../../cluster/inventory.ts";
import { referenceTo } from "../../cluster/objects.ts";
import { PruneFailed, pruneObjects } from "../../cluster/prune.ts";
import { InvalidArtifact, openArtifact, PathNotFound, selectPath } from "../../kustomize/artifact.ts";
import { inputDigest } from "../../kustomize/build.ts";
import { BuildFailed } from "../../kustomize/build-failed.ts";
import type { ResolvedArtifact } from "../../kustomize/remotes.ts";
import { announceChanges, formatChange, isChange, logChanges, wakeChanged } from "./changes.ts";
import { contestedAfter, leaveContested } from "./contested.ts";
import { holdFluxControllers, withoutFluxControllers } from "./flux-controllers.ts";
import { failure } from "./halt.ts";
import { recordHistory } from "./history.ts";
import { fieldManager, group, ownerLabels, type Pass, publish, reportProgress } from "./pass.ts";
import { type KustomizationRecord, readRecord, writeRecord } from "./record.ts";
import { remotesAreCurrent, withRemoteBases } from "./remote-bases.ts";
import { type References, readReferences, render } from "./render.ts";
import { fetchArtifact, type Source } from "./source.ts";
import { StageWait } from "./stage-wait.ts";
import { endsHistory, entriesToTell, stillUnanswered, tellableOf, tellWhatWasNotTold } from "./untold.ts";

/** Where a pass stands when everything is applied and pruned. */
export type Applied = {
  /** Digest of what was rendered, for the history; absent where nothing was. */
  digest?: string;
  changed: boolean;
};

/**
 * Brings the cluster to one revision: fetch, build, apply in stages, prune. Where neither the inputs nor the cluster have
 * changed since the last pass nothing of that happens (design, decision 7). Throws a Halt, a StageWait where a stage
 * needs time, or LeftToOthers.
 */
export async function applyRevision(pass: Pass, source: Source): Promise<Applied> {
  const record = await readRecord(pass.context, pass.object, pass.remote ?? {});
  if (record !== undefined) await leaveContested(pass, record);
  let opened: Promise<ResolvedArtifact> | undefined;
  const artifact = () => {
    opened ??= open(pass, source);
    return opened;
  };
  const changed = record !== undefined && tellWhatWasNotTold(pass, record);
  const references = await readReferences(pass);
  if (record !== undefined && (await nothingToDo(pass, source, record, references, artifact)))
    return endsHistory(pass, record.rendered) ? { changed } : { changed, digest: record.rendered };
  return applyBuild(pass, source, record, references, await artifact());
}

/**
 * Fetches and unpacks the artifact, finds `spec.path` in it, from where on the revision counts as attempted (KS-225), and fetches
 * the remote bases.
 */
async function open(pass: Pass, source: Source): Promise<ResolvedArtifact> {
  const { object, context, status } = pass;
  try {
    const artifact = await openArtifact(await fetchArtifact(source, context));
    selectPath(artifact, object.spec.path);
    status.lastAttemptedRevision = source.artifact.revision;
    return await withRemoteBases(artifact, object.spec, context);
  } catch (error) {
    if (error instanceof BuildFailed) throw failure("BuildFailed", error.message, error);
    if (error instanceof InvalidArtifact || error instanceof PathNotFound) {
      throw failure("ArtifactFailed", error.message, error);
    }
    throw error;
  }
}

/**
 * The no-op: same generation, same ConfigMaps and Secrets, same remote bases, same files below what the build reaches, and a cluster
 * that is as it was left.
 */
async function nothingToDo(
  pass: Pass,
  source: Source,
  record: KustomizationRecord,
  references: References,
  resolved: () => Promise<ResolvedArtifact>,
): Promise<boolean> {
  const { object, context, status, target, remote } = pass;
  if (record.begun !== undefined || record.generation !== object.metadata.generation) return false;
  if ((record.references ?? "") !== references.versions) return false;
  const isNewArtifact = record.artifact !== source.artifact.digest;
  // What a new artifact is built with is asked for anyway.
  const haveMoved = !isNewArtifact && !(await remotesAreCurrent(record.remotes ?? [], context.signal));
  const isNew = isNewArtifact || haveMoved;
  if (isNew && inputDigest((await resolved()).artifact, object.spec) !== record.input) return false;
  const options = {
    fieldManager,
    ownerLabels: ownerLabels(object),
    look: lookOf(pass, record),
    signal: context.signal,
  };
  const unchanged = await isUnchanged(target, record.applied, options).catch((error: unknown) => {
    // A remote cluster that refuses or is away is the user's business: applying says so in the status.
    if (remote === undefined || context.signal.aborted) throw error;
    return false;
  });
  if (!unchanged) return false;
  status.lastAttemptedRevision = source.artifact.revision;
  status.inventory = { entries: record.inventory };
  if (!isNew) return true;
  const { remotes: _earlier, ...kept } = record;
  const { remotes } = await resolved();
  const { digest, revision } = source.artifact;
  const known = { ...kept, artifact: digest, revision, ...(remotes.length === 0 ? {} : { remotes }) };
  await writeRecord(context, object, known);
  return true;
}

/**
 * What of the cluster a pass looks at. A new revision is not news of the cluster: who changes a managed object makes a pass of its
 * own (SN-14), and the interval's looks at all. A delivery or a pass that may have ended halfway, or another controller, left things
 * that nobody tells of.
 */
function lookOf({ object, context, remote }: Pass, record: KustomizationRecord | undefined): "all" | "changed" {
  // No remote cluster tells of changes by hand.
  const isNews = context.cause.type === "source" && !context.redelivered && remote === undefined;
  const isOfLastPass = record?.begun === undefined && record?.revision === object.status?.lastAppliedRevision;
  return isNews && record !== undefined && isOfLastPass ? "changed" : "all";
}

async function applyBuild(
  pass: Pass,
  source: Source,
  record: KustomizationRecord | undefined,
  references: References,
  { artifact, remotes }: ResolvedArtifact,
): Promise<Applied> {
  const { object, context, status } = pass;
  reportProgress(pass, "Building manifests");
  const { objects: rendered, digest } = await render(pass, artifact, references);
  reportProgress(pass, "Detecting drift");
  const { objects, held } = await holdFluxControllers(pass, rendered, record);

  const old = united(status.inventory?.entries ?? [], record?.begun ?? []);
  const intent = formatInventory(objects.map(referenceTo));
  const known = {
    format: 1 as const,
    uid: object.metadata.uid ?? "",
    generation: object.metadata.generation ?? 0,
    artifact: source.artifact.digest,
    revision: source.artifact.revision,
    ...(pass.remote === undefined ? {} : { server: pass.remote.server }),
    input: inputDigest(artifact, object.spec),
    references: references.versions,
    ...(remotes.length === 0 ? {} : { remotes }),
    rendered: digest,
    ...(held.length === 0 ? {} : { held }),
    ...(record?.contested === undefined ? {} : { contested: record.contested }),
    inventory: record?.inventory ?? [],
  } satisfies Omit<KustomizationRecord, "applied">;
  const unapplied: AppliedRecord = record?.applied ?? { lookedAt: 0, fieldManager, objects: {} };
  // What is about to be applied for the first time is written down before: a pass that dies leaves nothing untracked.
  const begun = united(old, intent);
  const unanswered = record?.unanswered ?? [];
  if (differenceOf(intent, old).length > 0)
    await writeRecord(context, object, { ...known, applied: unapplied, begun, unanswered });

  const result = await applied(pass, objects, record, { digest, old, known, begun });
  const entries = entriesToTell(pass, result, record);
  logChanges(pass, entries);
  announceChanges(pass, entries);
  const dropped = formatDroppedFields(entries);
  if (dropped !== undefined) publish(pass, { type: "Normal", reason: "FieldsNotApplied", message: dropped });
  const inventory = formatInventory(entries.map(({ reference }) => reference));
  status.inventory = { entries: inventory };
  await prune(pass, staleOf(old, inventory), digest);
  const tellable = tellableOf(pass);
  const contested = contestedAfter(pass, record, result);
  await writeRecord(context, object, { ...known, inventory, applied: result.record, contested, ...tellable });
  return { digest, changed: entries.some(isChange) };
}

type Undertaking = {
  digest: string;
  old: InventoryEntry[];
  known: Omit<KustomizationRecord, "applied">;
  begun: InventoryEntry[];
};

/** Applies; what was applied before a failure, or before a stage that needs time, stays tracked (SN-13, KS-137). */
async function applied(
  pass: Pass,
  objects: KubernetesObject[],
  record: KustomizationRecord | undefined,
  { digest, old, known, begun }: Undertaking,
): Promise<ApplyResult> {
  const { object, context, status, target } = pass;
  const { settings } = context;
  const digestKey = await context.secrets.read("admission-seed");
  try {
    const result = await applyObjects(target, objects, {
      fieldManager,
      group,
      ownerLabels: ownerLabels(object),
      ...(object.spec.commonMetadata === undefined ? {} : { commonMetadata: object.spec.commonMetadata }),
      force: object.spec.force === true,
      concurrency: settings.concurrentSsa,
      record: record?.applied,
      look: lookOf(pass, record),
      digestKey,
      customStageKinds: settings.customApplyStageKinds,
      overrideManagers: settings.overrideManagers,
      ignore: object.spec.ignore,
      migrateApiVersion: settings.featureGates.MigrateAPIVersion === true,
      signal: context.signal,
    });
    if (result.pending.length === 0) return result;
    announceChanges(pass, entriesToTell(pass, result, record));
    const tellable = tellableOf(pass);
    const unanswered = stillUnanswered(record, result.entries);
    await writeRecord(context, object, { ...known, applied: result.record, begun, unanswered, ...tellable });
    throw new StageWait(result.pending);
  } catch (error) {
    if (!(error instanceof ApplyFailed)) throw error;
    const references = error.entries.map(({ reference }) => reference);
    status.inventory = { entries: united(old, formatInventory(references)) };
    const changes = entriesToTell(pass, error, record).filter(isChange);
    wakeChanged(pass, changes);
    const lines = changes.map(formatChange);
    const tellable = tellableOf(pass, lines.join("\n"));
    const unanswered = stillUnanswered(record, error.entries, error.unanswered);
    const begun = united(status.inventory.entries, unanswered);
    await writeRecord(context, object, { ...known, applied: error.record, begun, unanswered, ...tellable });
    recordHistory(pass, digest, "ReconciliationFailed");
    throw failure("ReconciliationFailed", `${error.message}\n${lines.map((line) => `${line}\n`).join("")}`, error);
  }
}

/** KS-173 to KS-177. With `prune: false` what is stale is left, and forgotten (KS-174). */
async function prune(pass: Pass, stale: InventoryEntry[], digest: string): Promise<void> {
  const { object, context, status, target } = pass;
  const pruned = withoutFluxControllers(stale, pass);
  if (object.spec.prune !== true || pruned.length === 0) return;
  try {
    const entries = await pruneObjects(target, readableReferencesOf(pruned), {
      group,
      ownerLabels: ownerLabels(object),
      concurrency: context.settings.concurrentSsa,
      signal: context.signal,
    });
    if (entries.length === 0) return;
    publish(pass, { type: "Normal", reason: "Progressing", message: entries.map(formatChange).join("\n") });
  } catch (error) {
    if (!(error instanceof PruneFailed)) throw error;
    const survivors = new Set(error.survivors.map(formatInventoryId));
    const entries = [...(status.inventory?.entries ?? []), ...stale.filter(({ id }) => survivors.has(id))];
    status.inventory = { entries };
    recordHistory(pass, digest, "PruneFailed");
    throw failure("PruneFailed", error.message, error);
  }
}

function united(old: readonly InventoryEntry[], more: readonly InventoryEntry[]): InventoryEntry[] {
  return [...old, ...differenceOf(more, old)];
}
