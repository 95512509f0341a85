import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { isEntrySize } from "../platform/archive/entry-size.ts";
import { openSpool } from "../platform/spool.ts";
import { GitError } from "./git-error.ts";
import { graft, nodeAt } from "./graft.ts";
import { type Directory, type LayoutLimits, type ObjectSource, type Spent, spend } from "./worktree.ts";

/** The tree of an archive; whoever gets it closes it. */
export type UnpackedArchive = { root: Directory; close(): void };

type Place = { start: number; size: number };

/**
 * Unpacks an artifact into a tree that can become part of another. Links are left out, as every artifact lacks them (ART-008). Throws
 * GitError `corrupt` for an archive that cannot be read or has names that lead out of it (ART-020), `too-large` beyond the bounds.
 */
export async function unpackArchive(
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
    const entries = extract();
    const feeding = pipeline(Readable.from(pieces(tarGz)), createGunzip(), entries, { signal });
    // The failure is told below; it must not count as unhandled until then.
    feeding.catch(() => undefined);
    for await (const entry of entries) {
      const { name, type, mode = 0, size = 0 } = entry.header;
      if (!isEntrySize(size)) throw new GitError("corrupt", "the archive has an entry whose size is not a number");
      const path = pathOf(name, limits);
      if (path.length > limits.treeDepth)
        throw new GitError("too-large", `the archive has more than ${limits.treeDepth} directories in each other`);
      if (type === "directory") {
        spend(spent, limits, 1, 0);
        if (path.length > 0 && nodeAt(root, path) === undefined)
          graft(root, path, { type: "directory", name: Buffer.alloc(0), children: [] });
      } else if (type === "file" || type === "contiguous-file" || type == null) {
        spend(spent, limits, 1, size);
        const id = String(places.size);
        places.set(id, { start: spool.size, size });
        for await (const part of entry) if (part instanceof Uint8Array) spool.write(Buffer.from(part));
        graft(root, path, { type: (mode & 0o111) === 0 ? "file" : "executable", name: Buffer.alloc(0), id, from });
        continue;
      }
      entry.resume();
    }
    await feeding;
    return { root, close: spool.close };
  } catch (error) {
    spool.close();
    if (error instanceof GitError) throw error;
    if (signal.aborted) throw signal.reason;
    const why = error instanceof Error ? error.message : String(error);
    throw new GitError("corrupt", `the archive cannot be read: ${why}`, { cause: error });
  }
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 262_144) yield bytes.subarray(at, at + 262_144);
}

function pathOf(name: string, limits: LayoutLimits): string[] {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (name.startsWith("/") || parts.includes("..") || name.includes("\0"))
    throw new GitError("corrupt", `the archive has an entry of the forbidden name ${JSON.stringify(name)}`);
  if (Buffer.byteLength(name) > limits.path)
    throw new GitError("too-large", `the archive has a path longer than ${limits.path} bytes`);
  return parts;
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
