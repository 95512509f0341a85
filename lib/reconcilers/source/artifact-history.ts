import type { Artifact } from "../../api/artifact.ts";
import type { KubernetesObject } from "../../api/object.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { Json, RecordStore } from "../../platform/ports.ts";
import { artifactKey, ownArtifactKey } from "../artifact-storage.ts";

/** One revision that a source has offered: what its status said then, and the file that held it. */
export type PastArtifact = {
  revision: string;
  digest: string;
  size: number;
  lastUpdateTime: string;
  file: string;
  metadata?: Record<string, string>;
};

type HistoryContext = Pick<Context, "artifacts" | "records" | "clusterId" | "settings">;
type Named = Pick<KubernetesObject, "kind" | "metadata">;

/** The record of an object's history, below `history/`. */
function recordKey(clusterId: string, object: Named): string {
  return `history/${artifactKey(clusterId, object, "").replace(/\/$/, "")}`;
}

/** Where the content of an artifact lies that is no longer served: by its digest, since a file's name may come back with other content. */
export function pastKey(clusterId: string, object: Named, digest: string): string {
  return `history/${artifactKey(clusterId, object, digest.replace(":", "-"))}`;
}

/** What an object has offered, the newest first; at most as many as the deployment keeps. */
export async function readHistory(
  { records, clusterId }: { records: Pick<RecordStore, "get">; clusterId: string },
  object: Named,
): Promise<PastArtifact[]> {
  const record = await records.get(recordKey(clusterId, object));
  return parseHistory(record?.value);
}

/**
 * Notes a new artifact as the newest of the object's history, so that a source can be read back while its server is down,
 * and forgets the ones beyond `artifactHistoryRecords`. Told twice, it is noted once.
 */
export async function rememberArtifact(context: HistoryContext, object: Named, artifact: Artifact): Promise<void> {
  const { records, artifacts, clusterId, settings } = context;
  if (settings.artifactHistoryRecords === 0) return;
  const key = recordKey(clusterId, object);
  const record = await records.get(key);
  const known = parseHistory(record?.value);
  const [newest] = known;
  if (newest?.digest === artifact.digest && newest.revision === artifact.revision) return;
  const { revision, digest, size = 0, lastUpdateTime, path, metadata } = artifact;
  const file = path.slice(path.lastIndexOf("/") + 1);
  const all = [
    { revision, digest, size, lastUpdateTime, file, ...(metadata === undefined ? {} : { metadata }) },
    ...known,
  ];
  const kept = all.slice(0, settings.artifactHistoryRecords);
  await records.put(key, kept, record === undefined ? "absent" : { version: record.version });
  const digests = new Set(kept.map((past) => past.digest));
  const gone = all.slice(kept.length).filter((past) => !digests.has(past.digest));
  await artifacts.remove(gone.map((past) => pastKey(clusterId, object, past.digest)));
}

/** Keeps the content of files that are about to go, of which the history knows; by copying, so that nothing is ever missing. */
export async function keepPast(context: HistoryContext, object: Named, keys: readonly string[]): Promise<void> {
  const { artifacts, clusterId, settings } = context;
  if (settings.artifactHistoryRecords === 0 || keys.length === 0) return;
  const past = await readHistory(context, object);
  await Promise.all(
    keys.map(async (key) => {
      const found = past.find(({ file }) => ownArtifactKey(clusterId, object, { path: file }) === key);
      if (found !== undefined) await artifacts.copy(key, pastKey(clusterId, object, found.digest));
    }),
  );
}

/** Removes all of an object's history (SRC-022). */
export async function removeHistory(context: HistoryContext, object: Named): Promise<void> {
  const { artifacts, records, clusterId } = context;
  const past = await artifacts.list(`history/${artifactKey(clusterId, object, "")}`);
  await artifacts.remove(past.map(({ key }) => key));
  await records.remove(recordKey(clusterId, object), "any");
}

function parseHistory(value: Json | undefined): PastArtifact[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry) => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [];
    const { revision, digest, size, lastUpdateTime, file, metadata } = entry;
    if (typeof revision !== "string" || typeof digest !== "string" || typeof size !== "number") return [];
    if (typeof lastUpdateTime !== "string" || typeof file !== "string") return [];
    return [{ revision, digest, size, lastUpdateTime, file, ...metadataOf(metadata) }];
  });
}

function metadataOf(value: Json | undefined): { metadata?: Record<string, string> } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return { metadata: Object.fromEntries(entries) };
}
