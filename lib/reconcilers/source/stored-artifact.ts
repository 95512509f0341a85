import type { Artifact } from "../../api/artifact.ts";
import type { Context } from "../../engine/reconciler.ts";
import { type DigestAlgorithm, digestOf } from "../../platform/artifact-digest.ts";
import type { Spool } from "../../platform/spool.ts";
import { artifactAddress, artifactKey, collectGarbage, ownArtifactKey, storedProblem } from "../artifact-storage.ts";
import { keepPast, rememberArtifact } from "./artifact-history.ts";
import { latestAddress, linkLatest } from "./latest-link.ts";
import { SharedWorkUnderWay } from "./shared-record.ts";
import type { NewArtifact, SourceKind, SourceObject, SourcePass, SourceStatus, StoredContent } from "./source-kind.ts";
import { requireFileName, storageFailure, writeFailure } from "./storage-failure.ts";

type Kind = SourceKind<SourceStatus, SourceObject>;

/** What is wrong with the stored artifact. Throws SourceFailure where the store cannot say: it is not told to be gone then. */
async function problemOf({ object, context }: SourcePass, artifact: Artifact): Promise<string | undefined> {
  try {
    return await storedProblem(context, object, artifact);
  } catch (error) {
    throw storageFailure("StatOperationFailed", "failed to stat target artifact path", error);
  }
}

/**
 * ART-012, ART-013: an artifact that the store no longer holds as it was is forgotten, removed and built anew. One that it
 * holds gets today's addresses (ART-003).
 */
export async function checkStorage(pass: SourcePass, { latest }: Pick<Kind, "latest">): Promise<void> {
  const { object, context, conditions, events, status } = pass;
  const { artifact } = status;
  let missing = false;
  if (artifact !== undefined) {
    const key = ownArtifactKey(context.clusterId, object, artifact);
    const problem = await problemOf(pass, artifact);
    if (problem === undefined) {
      status.artifact = { ...artifact, ...(await addressOf(context, key)) };
      if (latest !== undefined) status.url = await latestAddress(context, object, latest);
      return;
    }
    missing = true;
    if (problem !== "missing") {
      const message = `failed to verify integrity of artifact: ${problem}`;
      events.push({ type: "Warning", reason: "ArtifactVerificationFailed", message });
      await context.artifacts.remove([key]);
    }
    delete status.artifact;
    delete status.url;
  }
  const message = missing ? "building artifact: disappeared from storage" : "building artifact";
  conditions.set("Reconciling", "True", "Progressing", message);
  conditions.set("Ready", "Unknown", "Progressing", message);
  conditions.remove("ArtifactInStorage");
  context.progress({ ...status, conditions: conditions.list() });
}

/** Stores a file as the object's artifact, removes old ones and moves the stable link (ART-014 to ART-018). Throws SourceFailure. */
export async function storeArtifact(
  pass: SourcePass,
  { latest, storing = () => "unable to archive artifact to storage" }: Pick<Kind, "latest" | "storing">,
  file: string,
  content: Uint8Array | Spool | StoredContent,
  { revision, metadata, digest }: NewArtifact,
): Promise<void> {
  const { object, context, status } = pass;
  requireFileName(file);
  const key = artifactKey(context.clusterId, object, file);
  const algorithm = context.settings.artifactDigestAlgorithm;
  const { path, url } = await addressOf(context, key);
  const own = "key" in content ? await ofOtherAlgorithm(context, algorithm, content) : content;
  try {
    if (!("key" in own)) await context.artifacts.put(key, bodyOf(own));
    else if (own.key !== key && !(await context.artifacts.copy(own.key, key))) throw new SharedWorkUnderWay();
  } catch (error) {
    if (error instanceof SharedWorkUnderWay) throw error;
    throw writeFailure(storing(object), error);
  }
  const known = "key" in own ? own.digest : digest;
  const artifact: Artifact = {
    digest:
      "key" in own || known?.startsWith(`${algorithm}:`) === true
        ? (known ?? "")
        : await digestOf(algorithm, own instanceof Uint8Array ? own : own.stream()),
    lastUpdateTime: `${context.clock.now().toISOString().slice(0, 19)}Z`,
    path,
    revision,
    size: own instanceof Uint8Array ? own.length : own.size,
    url,
    ...(metadata === undefined || Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
  status.artifact = artifact;
  const [collected] = await Promise.all([
    collectGarbage(context, object, key, (keys) => keepPast(context, object, keys)),
    latest === undefined ? undefined : linkLatest(pass, latest, file),
    rememberArtifact(context, object, artifact).catch((error: unknown) => {
      // The history is for later, the artifact for now.
      context.log.warn("an artifact's history could not be written", { error: String(error) });
    }),
  ]);
  if (collected > 0) pass.trace("GarbageCollectionSucceeded", `garbage collected ${collected} artifacts`);
}

/** What the store is given of content: in parts where it is too large for memory. */
export function bodyOf(content: Uint8Array | Spool): Uint8Array | AsyncIterable<Uint8Array> {
  return content instanceof Uint8Array ? content : (content.whole() ?? content.stream());
}

/** ART-011: content that was stored with a digest of another algorithm than today's is read for a new one. */
async function ofOtherAlgorithm(
  context: Context,
  algorithm: DigestAlgorithm,
  content: StoredContent,
): Promise<Uint8Array | StoredContent> {
  if (content.digest.startsWith(`${algorithm}:`)) return content;
  const bytes = await context.artifacts.get(content.key);
  if (bytes === undefined) throw new SharedWorkUnderWay();
  return bytes;
}

/** Where an artifact is found. A deployment that cannot say it stores nothing that nobody could fetch. */
async function addressOf(context: Context, key: string): Promise<Pick<Artifact, "path" | "url">> {
  try {
    return await artifactAddress(context, key);
  } catch (error) {
    throw storageFailure("StorageOperationFailed", "unable to address artifact", error);
  }
}
