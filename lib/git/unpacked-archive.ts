import { type ArchiveLimits, type Place, unpackArchive } from "../platform/archive/read-tar.ts";
import { ArchiveError } from "../platform/archive/tar-entries.ts";
import { openSpool } from "../platform/spool.ts";
import { GitError } from "./git-error.ts";
import { graft, nodeAt } from "./graft.ts";
import { type Directory, type LayoutLimits, type ObjectSource, type Spent, spend } from "./worktree.ts";

/** The tree of an archive; whoever gets it closes it. */
export type UnpackedArchive = { root: Directory; close(): void };

/**
 * Unpacks an artifact into a tree that can become part of another. Links are left out, as every artifact lacks them (ART-008). Throws
 * GitError `corrupt` for an archive that cannot be read or has names that lead out of it (ART-020), `too-large` beyond the bounds.
 */
export async function openArchive(
  tarGz: Uint8Array,
  limits: LayoutLimits,
  spent: Spent,
  signal: AbortSignal,
): Promise<UnpackedArchive> {
  const spool = openSpool();
  const places = new Map<string, Place>();
  const from = sourceOf(places, (start, end) => spool.read(start, end));
  const root: Directory = { type: "directory", name: Buffer.alloc(0), children: [] };
  try {
    for await (const entry of unpackArchive(tarGz, spool, boundsOf(limits, spent), signal)) {
      const path = entry.path.split("/");
      if (path.length > limits.treeDepth)
        throw new GitError("too-large", `the archive has more than ${limits.treeDepth} directories in each other`);
      if (entry.type === "directory") {
        spend(spent, limits, 1, 0);
        if (nodeAt(root, path) === undefined)
          graft(root, path, { type: "directory", name: Buffer.alloc(0), children: [] });
      } else if (entry.type === "file") {
        spend(spent, limits, 1, entry.content.size);
        const id = String(places.size);
        places.set(id, entry.content);
        graft(root, path, { type: entry.executable ? "executable" : "file", name: Buffer.alloc(0), id, from });
      }
    }
    return { root, close: spool.close };
  } catch (error) {
    spool.close();
    if (!(error instanceof ArchiveError)) throw error;
    const code = error.what === "too-large" ? "too-large" : "corrupt";
    throw new GitError(code, `the archive cannot be read: ${error.message}`, { cause: error });
  }
}

/** What is left of what a source may have together. */
function boundsOf(limits: LayoutLimits, spent: Spent): ArchiveLimits {
  const left = Math.max(0, limits.content - spent.content);
  return { total: left, file: left, entries: Math.max(0, limits.files - spent.files) };
}

function sourceOf(places: ReadonlyMap<string, Place>, read: (start: number, end: number) => Buffer): ObjectSource {
  return {
    stat: (id) => {
      const place = places.get(id);
      return place && { type: "blob", size: place.size };
    },
    read: (id) => {
      const place = places.get(id);
      return place && { type: "blob", content: read(place.start, place.start + place.size) };
    },
    stream: (id) => {
      const place = places.get(id);
      return place && parts(place, read);
    },
  };
}

async function* parts({ start, size }: Place, read: (start: number, end: number) => Buffer): AsyncGenerator<Buffer> {
  const end = start + size;
  for (let at = start; at < end; at += 1_048_576) yield read(at, Math.min(end, at + 1_048_576));
}
