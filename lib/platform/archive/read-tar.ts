import type { Spool } from "../spool.ts";
import { ArchiveError, type TarEntry, tarEntries, told } from "./tar-entries.ts";

/** One entry of an archive that was read. The path is relative, with slashes, and leads nowhere above the root. */
export type ArchiveEntry<Content = Buffer> =
  | { path: string; type: "directory" }
  | { path: string; type: "file"; executable: boolean; content: Content }
  | { path: string; type: "link"; target: string };

/** Where the content of a file lies in a spool, in bytes. */
export type Place = { start: number; size: number };

/** Bounds of what is unpacked: bytes of all files and of one, and how many entries. */
export type ArchiveLimits = { total: number; file: number; entries: number };

/**
 * The entries of a tar.gz in their order (ART-020). Absolute names, drive letters, `..` and types other than files, directories and links
 * are refused; links, symbolic and hard, are told and followed by nobody. `compressed: false` reads a bare tar. Throws ArchiveError.
 */
export function readArchive(
  source: Uint8Array | AsyncIterable<Uint8Array>,
  limits: ArchiveLimits,
  signal: AbortSignal,
  { compressed = true }: { compressed?: boolean } = {},
): AsyncGenerator<ArchiveEntry, void, undefined> {
  return entriesOf(source, limits, signal, compressed, async (body) => {
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}

/** As `readArchive`, of a tar.gz whose files go into a spool: one may be larger than what memory holds. */
export function unpackArchive(
  source: Uint8Array | AsyncIterable<Uint8Array>,
  contents: Spool,
  limits: ArchiveLimits,
  signal: AbortSignal,
): AsyncGenerator<ArchiveEntry<Place>, void, undefined> {
  return entriesOf(source, limits, signal, true, async (body) => {
    const start = contents.size;
    for await (const chunk of body) contents.write(chunk);
    return { start, size: contents.size - start };
  });
}

/**
 * Bounds of names: a path as on Linux and the directories in one another, both as of Git trees, and the bytes of all. Files and directories
 * are counted as they come, those above an entry being new where the entry before had others.
 */
const nameLimits = { path: 4096, depth: 256, together: 64 * 1024 * 1024, nodesBesides: 100_000 };

/** What is decompressed besides the files: headers and padding of each entry, and what follows the last. */
const overhead = { entry: 4 * 1024, archive: 16 * 1024 * 1024 };

async function* entriesOf<Content>(
  source: Uint8Array | AsyncIterable<Uint8Array>,
  limits: ArchiveLimits,
  signal: AbortSignal,
  compressed: boolean,
  take: (content: AsyncIterable<Buffer>) => Promise<Content>,
): AsyncGenerator<ArchiveEntry<Content>, void, undefined> {
  const { total, entries } = limits;
  const bounds = { unpacked: total + entries * overhead.entry + overhead.archive, entries };
  const names = nameCounter(limits);
  let files = 0;
  for await (const entry of tarEntries(source, bounds, signal, { compressed })) {
    const path = checkedPath(entry.name);
    names(path);
    if (entry.type === "directory") {
      if (path !== "") yield { path, type: "directory" };
      continue;
    }
    if (entry.type === "symlink" || entry.type === "link") {
      yield { path, type: "link", target: entry.target };
      continue;
    }
    checkFile(path, entry, limits.file);
    files += entry.size;
    if (files > total) throw new ArchiveError("too-large", `the archive holds more than ${total} bytes`);
    yield { path, type: "file", executable: entry.executable, content: await take(entry.content()) };
  }
}

function checkFile(path: string, { name, type, size }: TarEntry, limit: number): void {
  if (type !== "file" && type !== "contiguous-file")
    throw new ArchiveError("type", `the entry ${told(name)} is of an unsupported type (${type})`);
  if (size > limit) throw new ArchiveError("too-large", `the file ${told(name)} is larger than ${limit} bytes`);
  if (path === "") throw new ArchiveError("path", "a file of the archive has no name");
}

/** Counts what names cost: whoever builds a tree of them has a directory for each component. Throws ArchiveError. */
function nameCounter({ entries }: ArchiveLimits): (path: string) => void {
  const nodeLimit = 2 * entries + nameLimits.nodesBesides;
  let before: readonly string[] = [];
  let nodes = 0;
  let bytes = 0;
  return (path) => {
    const parts = path.split("/");
    if (parts.length > nameLimits.depth)
      throw new ArchiveError("too-large", `the archive has more than ${nameLimits.depth} directories in each other`);
    bytes += path.length;
    if (bytes > nameLimits.together)
      throw new ArchiveError("too-large", `the names of the archive have more than ${nameLimits.together} bytes`);
    let shared = 0;
    while (shared < parts.length && parts[shared] === before[shared]) shared++;
    nodes += parts.length - shared;
    if (nodes > nodeLimit)
      throw new ArchiveError("too-large", `the archive has more than ${nodeLimit} files and directories`);
    before = parts;
  };
}

function checkedPath(name: string): string {
  if (name.length > nameLimits.path)
    throw new ArchiveError("too-large", `the archive has a path longer than ${nameLimits.path} bytes`);
  if (name.startsWith("/") || name.includes("\\") || /^[a-z]:/i.test(name) || name.includes("\0"))
    throw new ArchiveError("path", `the name ${told(name)} is not relative`);
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new ArchiveError("path", `the name ${told(name)} leads out of the archive`);
  return parts.join("/");
}
