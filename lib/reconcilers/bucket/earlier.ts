import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Artifact } from "../../api/artifact.ts";
import type { KubernetesObject } from "../../api/object.ts";
import { bucketRevision } from "../../bucket/bucket-revision.ts";
import type { EarlierArtifact } from "../../bucket/earlier-artifact.ts";
import type { Selection } from "../../bucket/fetch-bucket.ts";
import type { Context } from "../../engine/reconciler.ts";
import { digestOf, isDigestAlgorithm } from "../../platform/artifact-digest.ts";
import { ownArtifactKey } from "../artifact-storage.ts";

/** Largest artifact that is read for what has not changed, and largest index, both in bytes. */
const artifactLimit = 128 * 1024 * 1024;
const indexLimit = 64 * 1024 * 1024;
/** Fewer objects are fetched sooner than an archive is read. */
const fewest = 2;

type IndexContext = Pick<Context, "artifacts" | "clusterId" | "log">;
type Named = Pick<KubernetesObject, "kind" | "metadata">;

/** Where the etags of an object's artifact lie, by key (SB-009). */
export function indexKey(clusterId: string, { metadata }: Named): string {
  return `bucket-index/${clusterId}/${metadata.namespace ?? ""}/${metadata.name}`;
}

/**
 * Keeps the etags of an artifact, whose file has the digest: a status may name another file (TM-004). `bucket` tells whose they are, and who was given what has them: those of another bucket, or by another
 * proxy, may be alike. Without them the next fetch costs more.
 */
export async function keepIndex(
  { artifacts, clusterId, log }: IndexContext,
  object: Named,
  bucket: string,
  etags: ReadonlyMap<string, string>,
  digest: string,
): Promise<void> {
  try {
    const text = JSON.stringify({ bucket, digest, etags: [...etags] });
    await artifacts.put(indexKey(clusterId, object), await promisify(gzip)(text, { level: 1 }));
  } catch (error) {
    log.warn("the index of a bucket could not be kept", { error: error instanceof Error ? error.message : "" });
  }
}

/**
 * What the object's artifact holds of a selection; undefined where it is not known, or reading it would not spare requests. Its etags are
 * those that make the artifact's revision.
 */
export async function earlierArtifact(
  { artifacts, clusterId, log }: IndexContext,
  object: Named,
  artifact: Artifact | undefined,
  bucket: string,
  { objects }: Selection,
): Promise<EarlierArtifact | undefined> {
  if (artifact === undefined || (artifact.size ?? Number.POSITIVE_INFINITY) > artifactLimit) return undefined;
  try {
    const index = await readIndex({ artifacts, clusterId }, object, bucket, artifact.revision);
    if (index === undefined) return undefined;
    const { etags, digest } = index;
    let same = 0;
    for (const [key, { etag }] of objects) if (etags.get(key) === etag) same++;
    if (same < fewest) return undefined;
    const archive = await artifacts.get(ownArtifactKey(clusterId, object, artifact));
    if (archive === undefined || (await digestOf("sha256", archive)) !== digest) return undefined;
    return { etags, archive };
  } catch (error) {
    log.warn("the artifact before could not be read", { error: error instanceof Error ? error.message : "" });
    return undefined;
  }
}

async function readIndex(
  { artifacts, clusterId }: Pick<IndexContext, "artifacts" | "clusterId">,
  object: Named,
  bucket: string,
  revision: string,
): Promise<{ etags: Map<string, string>; digest: string } | undefined> {
  const stored = await artifacts.get(indexKey(clusterId, object));
  if (stored === undefined) return undefined;
  const text = (await promisify(gunzip)(stored, { maxOutputLength: indexLimit })).toString("utf8");
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !("etags" in value) || !Array.isArray(value.etags))
    return undefined;
  if (!("bucket" in value) || value.bucket !== bucket) return undefined;
  if (!("digest" in value) || typeof value.digest !== "string") return undefined;
  const etags = new Map<string, string>();
  for (const entry of value.etags) if (Array.isArray(entry)) etags.set(String(entry[0]), String(entry[1]));
  const algorithm = revision.slice(0, Math.max(revision.indexOf(":"), 0));
  const isOfArtifact = isDigestAlgorithm(algorithm) && (await bucketRevision(etags, algorithm)) === revision;
  return isOfArtifact ? { etags, digest: value.digest } : undefined;
}

/** Another object of the same bucket has stored the artifact: its etags are this one's. */
export async function copyIndex({ artifacts, clusterId }: IndexContext, object: Named, from: string): Promise<void> {
  const own = indexKey(clusterId, object);
  if (from !== own) await artifacts.copy(from, own);
}

/** Forgets them (SRC-022). */
export async function removeIndex({ artifacts, clusterId }: IndexContext, object: Named): Promise<void> {
  await artifacts.remove([indexKey(clusterId, object)]);
}
