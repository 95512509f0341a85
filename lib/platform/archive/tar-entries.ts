import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";

/**
 * An entry of a tar as it stands there: nothing of it was looked at but that its size is one. The content is read before the next entry
 * is asked for, or not at all.
 */
export type TarEntry = {
  name: string;
  /** tar-stream's words: `file`, `directory`, `symlink`, `link`, ... */
  type: string;
  size: number;
  executable: boolean;
  /** Where a link leads; empty for all else. */
  target: string;
  content: () => AsyncGenerator<Buffer, void, undefined>;
};

/** Bounds of an archive: bytes once decompressed, with all headers, and how many entries. */
export type TarBounds = { unpacked: number; entries: number };

/** An archive that is not to be unpacked, or is none. `what` tells why apart for callers that have words of their own. */
export class ArchiveError extends Error {
  readonly what: "gzip" | "tar" | "header" | "path" | "type" | "too-large" | "too-many";

  constructor(what: ArchiveError["what"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ArchiveError";
    this.what = what;
  }
}

/**
 * The entries of a tar.gz in their order, as a stream: at no time more of it is unpacked than what is read. `compressed: false` reads a
 * bare tar. Throws ArchiveError, and the reason of the signal.
 */
export async function* tarEntries(
  source: Uint8Array | AsyncIterable<Uint8Array>,
  bounds: TarBounds,
  signal: AbortSignal,
  { compressed = true }: { compressed?: boolean } = {},
): AsyncGenerator<TarEntry, void, undefined> {
  const parser = extract();
  const input = Readable.from(source instanceof Uint8Array ? pieces(source) : source);
  const body = compressed ? input.pipe(createGunzip()) : input;
  const fail = (what: ArchiveError["what"]) => (error: Error) => {
    parser.destroy(error instanceof ArchiveError ? error : new ArchiveError(what, error.message, { cause: error }));
  };
  const end = () => parser.destroy(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  let unpacked = 0;
  input.once("error", fail("tar"));
  if (body !== input) body.once("error", fail("gzip"));
  body.on("data", (chunk: Uint8Array) => {
    unpacked += chunk.length;
    if (unpacked > bounds.unpacked)
      fail("too-large")(new Error(`the archive unpacks to more than ${bounds.unpacked} bytes`));
  });
  body.pipe(parser);
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  const failure = (error: unknown) => {
    if (error instanceof ArchiveError || signal.aborted) return error;
    return new ArchiveError("tar", error instanceof Error ? error.message : String(error), { cause: error });
  };
  async function* content(entry: AsyncIterable<unknown>): AsyncGenerator<Buffer, void, undefined> {
    try {
      for await (const chunk of entry)
        if (chunk instanceof Uint8Array) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    } catch (error) {
      throw failure(error);
    }
  }
  let count = 0;
  try {
    for await (const entry of parser) {
      signal.throwIfAborted();
      const { name, type, size, mode = 0, linkname } = entry.header;
      if (++count > bounds.entries)
        throw new ArchiveError("too-many", `the archive has more than ${bounds.entries} entries`);
      // tar-stream leaves a size that is no number null, and would wait for that entry's content for ever.
      if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
        throw new ArchiveError("header", `the size of the entry ${told(name)} is not a number`);
      const executable = (mode & 0o111) !== 0;
      yield { name, type: type ?? "file", size, executable, target: linkname ?? "", content: () => content(entry) };
      entry.resume();
    }
  } catch (error) {
    throw failure(error);
  } finally {
    signal.removeEventListener("abort", end);
    input.destroy();
    body.destroy();
    parser.destroy();
  }
}

/** A name for a message. */
export function told(name: string): string {
  return JSON.stringify(name.slice(0, 300));
}

/** In pieces, so that what is decompressed is looked at as it grows. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
