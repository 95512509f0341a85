import { setImmediate as turn } from "node:timers/promises";
import { archiveTree, TreeConflict, type TreeEntry } from "../platform/archive/archive-tree.ts";
import type { Spool } from "../platform/spool.ts";
import { messageOf } from "../text/error-message.ts";
import { entriesInTurn, isIgnored, parseSourceIgnore } from "../text/source-ignore.ts";
import { type EarlierArtifact, earlierFiles } from "./earlier-artifact.ts";
import { confinedKey } from "./object-path.ts";
import { type ListedObject, type ObjectStore, ObjectStoreError } from "./object-store.ts";

/** Which objects of which bucket are wanted. `ignore` are patterns that have the last word (BKT-009). */
export type BucketSource = { bucket: string; prefix: string; ignore?: string };

/** The objects that a listing gives, by their keys, and the file with patterns at the root, which is an artifact's too (BKT-005). */
export type Selection = { objects: Map<string, Omit<ListedObject, "key">>; ignoreFile?: Buffer };

const ignoreName = ".sourceignore";

/** How much is read, and at the same time: the objects wait in memory for their place in the archive. */
export const bucketLimits = {
  objects: 200_000,
  object: 1024 * 1024 * 1024,
  ignoreFile: 1024 * 1024,
  ahead: { files: 100, bytes: 64 * 1024 * 1024 },
} as const;

/**
 * What a bucket has now (BKT-002, BKT-003, BKT-009): keys that end in `/`, the file of patterns itself and what the patterns leave out
 * are not among it. Throws an Error in Flux's words.
 */
export async function selectObjects(store: ObjectStore, source: BucketSource, signal: AbortSignal): Promise<Selection> {
  const { bucket, prefix, ignore } = source;
  const exists = await store.exists(signal).catch((error: unknown) => {
    throw worded(`failed to confirm existence of '${bucket}' bucket`, error, signal);
  });
  if (!exists) throw new Error(`bucket '${bucket}' not found`);
  const file = await store.read({ key: ignoreName }, bucketLimits.ignoreFile, signal).catch((error: unknown) => {
    throw worded(`failed to get Etag for '${ignoreName}' object`, error, signal);
  });
  const ignoreFile = file === undefined ? undefined : wholeOf(file.bytes);
  const rules = [
    ...(ignoreFile === undefined ? [] : parseSourceIgnore(ignoreFile.toString("utf8"), [])),
    ...(ignore === undefined ? [] : parseSourceIgnore(ignore, [])),
  ];
  const objects: Selection["objects"] = new Map();
  const turnAfter = entriesInTurn(rules, 500);
  let looked = 0;
  try {
    for await (const page of store.list(prefix, signal)) {
      for (const { key, ...listed } of page) {
        if (++looked % turnAfter === 0) {
          await turn();
          signal.throwIfAborted();
        }
        if (key === "" || key.endsWith("/") || key === ignoreName || isIgnored(rules, key.split("/"), false)) continue;
        checkListed(bucket, key, listed);
        objects.set(key, listed);
        if (objects.size > bucketLimits.objects)
          throw new Error(
            `there are more than ${bucketLimits.objects} objects: a prefix or patterns can leave some out`,
          );
      }
    }
  } catch (error) {
    const words = `indexation of objects from bucket '${bucket}' failed: listing objects from bucket '${bucket}' failed`;
    throw worded(words, error, signal);
  }
  return { objects, ...(ignoreFile === undefined ? {} : { ignoreFile }) };
}

/** No store has longer ones; a listing that makes them up would take memory without end. */
const nameLimit = 1024;

function checkListed(bucket: string, key: string, { etag, generation = "" }: Omit<ListedObject, "key">): void {
  if (Math.max(key.length, etag.length, generation.length) <= nameLimit) return;
  throw new Error(
    `the listing of bucket '${bucket}' has a key or an etag of more than ${nameLimit} characters: ${JSON.stringify(key.slice(0, 100))}`,
  );
}

function wholeOf(bytes: Buffer | Spool): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  const whole = bytes.read(0, bytes.size);
  bytes.close();
  return whole;
}

/** The artifact of what was selected, and the etags of what is in it: objects may have changed or gone since (BKT-006). */
export type FetchedBucket = { spool: Spool; digest: string; etags: Map<string, string> };

/**
 * Reads the objects, at most a hundred at a time and not more than memory bears, and archives them under their whole keys (BKT-005 to
 * BKT-008). What an earlier artifact has with the same etag is taken from there (SB-009). Throws an Error in Flux's words.
 */
export async function fetchObjects(
  store: ObjectStore,
  { bucket }: BucketSource,
  { objects, ignoreFile }: Selection,
  earlier: EarlierArtifact | undefined,
  caller: AbortSignal,
): Promise<FetchedBucket> {
  const failed = `fetch from bucket '${bucket}' failed`;
  const etags = new Map<string, string>();
  // The first failure ends the reading of all others.
  const ending = new AbortController();
  const signal = AbortSignal.any([caller, ending.signal]);
  const known = earlier === undefined ? undefined : earlierFiles(earlier.archive, signal);
  const read = async (key: string, { etag, generation }: Omit<ListedObject, "key">) => {
    const path = confinedKey(key);
    const same = earlier?.etags.get(key) === etag ? await known?.take(path) : undefined;
    if (same !== undefined) {
      etags.set(key, etag);
      return same;
    }
    const version = generation === undefined ? {} : { generation };
    const found = await store.read({ key, etag, ...version }, bucketLimits.object, signal).catch((error: unknown) => {
      throw worded(`${failed}: failed to get '${key}' object`, error, caller);
    });
    if (found === undefined) return undefined;
    etags.set(key, found.etag);
    return found.bytes;
  };
  const entries = [...objects].map(
    ([key, listed]): TreeEntry => ({
      path: confinedKey(key),
      type: "file",
      size: listed.size,
      content: () => read(key, listed),
    }),
  );
  if (ignoreFile !== undefined) entries.push({ path: ignoreName, type: "file", content: () => ignoreFile });
  try {
    return { ...(await archiveTree(entries, { ahead: bucketLimits.ahead, signal })), etags };
  } catch (error) {
    throw error instanceof TreeConflict || caller.aborted ? worded(failed, error, caller) : error;
  } finally {
    ending.abort();
    await known?.close().catch(() => undefined);
  }
}

function worded(words: string, error: unknown, signal: AbortSignal): Error {
  // Told already, of the object that failed first.
  if (error instanceof Error && error.message.startsWith(words)) return error;
  const told = signal.aborted && !(error instanceof ObjectStoreError) ? "context deadline exceeded" : messageOf(error);
  return new Error(`${words}: ${told}`, { cause: error });
}
