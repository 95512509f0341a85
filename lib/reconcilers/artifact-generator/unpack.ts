import { type ArchiveLimits, unpackArchive } from "../../platform/archive/read-tar.ts";
import { ArchiveError } from "../../platform/archive/tar-entries.ts";
import type { Spool } from "../../platform/spool.ts";
import { makeDirectory, nodeAt, putFile, type Tree } from "./tree.ts";

/** What the artifact of a source may unpack to: the function's disk holds it. */
export const sourceLimits: ArchiveLimits = {
  total: 2 * 1024 * 1024 * 1024,
  file: 512 * 1024 * 1024,
  entries: 200_000,
};

/** What one archive within a source may unpack to (AG-013). */
export const packedLimits: ArchiveLimits = { total: 100 * 1024 * 1024, file: 100 * 1024 * 1024, entries: 100_000 };

/**
 * Unpacks a tar.gz into a directory of a tree; contents go to the spool. Links are left out, or refused with Flux's words (AG-013).
 * A file that is there keeps its mode, as it would on a disk. Throws ArchiveError and TreeError.
 */
export async function unpackInto(
  tree: Tree,
  archive: Uint8Array,
  contents: Spool,
  options: { limits: ArchiveLimits; links: "skip" | "refuse"; signal: AbortSignal },
): Promise<void> {
  const { limits, links, signal } = options;
  for await (const entry of unpackArchive(pieces(archive), contents, limits, signal)) {
    if (entry.type === "link") {
      if (links === "skip") continue;
      throw new ArchiveError("type", `tar file entry ${entry.path} is a symlink, which is not allowed in this context`);
    }
    if (entry.type === "directory") {
      makeDirectory(tree, entry.path);
      continue;
    }
    const { start, size } = entry.content;
    const cut = entry.path.lastIndexOf("/");
    if (cut > 0) makeDirectory(tree, entry.path.slice(0, cut));
    const known = nodeAt(tree, entry.path);
    putFile(tree, entry.path, {
      type: "file",
      executable: known?.type === "file" ? known.executable : entry.executable,
      size,
      read: () => contents.read(start, start + size),
    });
  }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 262_144) yield bytes.subarray(at, at + 262_144);
}
