import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";

/** One entry of an archive that was read. The path is relative, with slashes, and leads nowhere above the root. */
export type ArchiveEntry =
  | { path: string; type: "directory" }
  | { path: string; type: "file"; executable: boolean; content: Buffer }
  | { path: string; type: "link"; target: string };

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
export async function* readArchive(
  source: Uint8Array | AsyncIterable<Uint8Array>,
  limits: ArchiveLimits,
  signal: AbortSignal,
  { compressed = true }: { compressed?: boolean } = {},
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const parser = extract();
  const input = Readable.from(source instanceof Uint8Array ? pieces(source) : source);
  const body = compressed ? input.pipe(createGunzip()) : input;
  const fail = (what: ArchiveError["what"]) => (error: Error) => {
    parser.destroy(error instanceof ArchiveError ? error : new ArchiveError(what, error.message, { cause: error }));
  };
  input.once("error", fail("tar"));
  if (body !== input) body.once("error", fail("gzip"));
  body.pipe(parser);
  let total = 0;
  let count = 0;
  try {
    for await (const entry of parser) {
      signal.throwIfAborted();
      const { header } = entry;
      if (++count > limits.entries)
        throw new ArchiveError("too-large", `the archive has more than ${limits.entries} entries`);
      const { size } = header;
      // tar-stream would wait for the end of what has no length.
      if (size === null || size === undefined || !Number.isSafeInteger(size) || size < 0)
        throw new ArchiveError("tar", `the size of the entry ${told(header.name)} is not a number`);
      const path = checkedPath(header.name);
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
      if (total > limits.total)
        throw new ArchiveError("too-large", `the archive holds more than ${limits.total} bytes`);
      if (path === "") throw new ArchiveError("path", "a file of the archive has no name");
      const chunks: Buffer[] = [];
      for await (const chunk of entry)
        if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
      yield { path, type: "file", executable: isExecutable(header), content: Buffer.concat(chunks) };
    }
  } catch (error) {
    if (error instanceof ArchiveError || signal.aborted) throw error;
    throw new ArchiveError("tar", error instanceof Error ? error.message : String(error), { cause: error });
  } finally {
    input.destroy();
    body.destroy();
    parser.destroy();
  }
}

/** In pieces, so that what is decompressed is looked at as it grows. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

function isExecutable({ mode = 0 }: Header): boolean {
  return (mode & 0o111) !== 0;
}

function checkedPath(name: string): string {
  if (name.startsWith("/") || name.includes("\\") || /^[a-z]:/i.test(name) || name.includes("\0"))
    throw new ArchiveError("path", `the name ${told(name)} is not relative`);
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new ArchiveError("path", `the name ${told(name)} leads out of the archive`);
  return parts.join("/");
}

function told(name: string): string {
  return JSON.stringify(name.slice(0, 300));
}
