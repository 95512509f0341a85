import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import type { Spool } from "../spool.ts";
import { isEntrySize } from "./entry-size.ts";

/** One entry of an archive that was read. The path is relative, with slashes, and leads nowhere above the root. */
export type ArchiveEntry<Content = Buffer> =
  | { path: string; type: "directory" }
  | { path: string; type: "file"; executable: boolean; content: Content }
  | { path: string; type: "link"; target: string };

/** Where the content of a file lies in a spool, in bytes. */
export type Place = { start: number; size: number };

/** Bounds of what is unpacked: bytes of all files and of one, and how many entries. */
export type ArchiveLimits = { total: number; file: number; entries: number };

/** An archive that is not to be unpacked, or is none. `what` tells why apart for callers that have words of their own. */
export class ArchiveError extends Error {
  readonly what: "gzip" | "tar" | "path" | "type" | "too-large";

  constructor(what: ArchiveError["what"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ArchiveError";
    this.what = what;
  }
}

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
const nameLimits = { path: 4096, depth: 256, together: 256 * 1024 * 1024, nodesBesides: 100_000 };

/** What is decompressed besides the files: headers and padding of each entry, and what follows the last. */
const overhead = { entry: 4 * 1024, archive: 16 * 1024 * 1024 };

async function* entriesOf<Content>(
  source: Uint8Array | AsyncIterable<Uint8Array>,
  limits: ArchiveLimits,
  signal: AbortSignal,
  compressed: boolean,
  take: (body: AsyncIterable<Buffer>) => Promise<Content>,
): AsyncGenerator<ArchiveEntry<Content>, void, undefined> {
  const parser = extract();
  const input = Readable.from(source instanceof Uint8Array ? pieces(source) : source);
  const body = compressed ? input.pipe(createGunzip()) : input;
  const fail = (what: ArchiveError["what"]) => (error: Error) => {
    parser.destroy(error instanceof ArchiveError ? error : new ArchiveError(what, error.message, { cause: error }));
  };
  const end = () => parser.destroy(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  const tooLarge = () => new ArchiveError("too-large", `the archive holds more than ${limits.total} bytes`);
  let unpacked = 0;
  input.once("error", fail("tar"));
  if (body !== input) body.once("error", fail("gzip"));
  body.on("data", (chunk: Uint8Array) => {
    unpacked += chunk.length;
    if (unpacked > limits.total + limits.entries * overhead.entry + overhead.archive) fail("too-large")(tooLarge());
  });
  body.pipe(parser);
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  let total = 0;
  let count = 0;
  const names = nameCounter(limits);
  try {
    for await (const entry of parser) {
      signal.throwIfAborted();
      const { header } = entry;
      if (++count > limits.entries)
        throw new ArchiveError("too-large", `the archive has more than ${limits.entries} entries`);
      const { size } = header;
      if (!isEntrySize(size))
        throw new ArchiveError("tar", `the size of the entry ${told(header.name)} is not a number`);
      const path = checkedPath(header.name);
      names(path);
      if (header.type === "directory") {
        entry.resume();
        if (path !== "") yield { path, type: "directory" };
        continue;
      }
      if (header.type === "symlink" || header.type === "link") {
        entry.resume();
        yield { path, type: "link", target: header.linkname ?? "" };
        continue;
      }
      if (header.type !== "file" && header.type !== "contiguous-file")
        throw new ArchiveError("type", `the entry ${told(header.name)} is of an unsupported type (${header.type})`);
      if (size > limits.file)
        throw new ArchiveError("too-large", `the file ${told(header.name)} is larger than ${limits.file} bytes`);
      total += size;
      if (total > limits.total) throw tooLarge();
      if (path === "") throw new ArchiveError("path", "a file of the archive has no name");
      yield { path, type: "file", executable: isExecutable(header), content: await take(buffers(entry)) };
    }
  } catch (error) {
    if (error instanceof ArchiveError || signal.aborted) throw error;
    throw new ArchiveError("tar", error instanceof Error ? error.message : String(error), { cause: error });
  } finally {
    signal.removeEventListener("abort", end);
    input.destroy();
    body.destroy();
    parser.destroy();
  }
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

async function* buffers(entry: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of entry)
    if (chunk instanceof Uint8Array) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
}

/** In pieces, so that what is decompressed is looked at as it grows. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

function isExecutable({ mode = 0 }: Header): boolean {
  return (mode & 0o111) !== 0;
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

function told(name: string): string {
  return JSON.stringify(name.slice(0, 300));
}
