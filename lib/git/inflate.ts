import { createInflate, inflate, inflateSync, type ZlibOptions } from "node:zlib";
import type { Spool } from "../platform/spool.ts";
import { GitError } from "./git-error.ts";

/** The content of an object, and where in the pack what follows it begins: a pack does not say. */
export type Inflated = { content: Buffer; next: number };

/** Bytes that are read at once from a pack that is not in memory, where the next objects are wanted as well. */
const readAhead = 1024 * 1024;
const pieceSize = 128 * 1024;

/** Reads compressed objects out of a pack. No method unpacks more than the size that it is told, which the caller has bounded. */
export type PackReader = {
  /** Bytes of the pack from `start` on, at least `size` where it has so many before its end, and the offset of the first. */
  window(start: number, size: number): { bytes: Buffer; offset: number };
  /** Unpacks the data at `start`, which must be `size` bytes long. Throws GitError `corrupt`. */
  inflate(start: number, size: number): Inflated;
  /** As `inflate`, but beside the event loop: for what is large enough to keep others waiting. */
  inflateBeside(start: number, size: number): Promise<Inflated>;
  /** As `inflate`, in pieces: for what is too large for memory. Returns where the next object begins. */
  pieces(start: number, size: number): AsyncGenerator<Buffer, number, undefined>;
};

/** A reader of the pack up to `end`. With `sequential` it reads ahead. */
export function packReader(pack: Spool, end: number, { sequential = false } = {}): PackReader {
  let current: { bytes: Buffer; offset: number } = { bytes: Buffer.alloc(0), offset: 0 };
  const whole = pack.whole();
  if (whole !== undefined) current = { bytes: whole.subarray(0, end), offset: 0 };
  const window = (start: number, size: number) => {
    const until = Math.min(end, start + size);
    if (start >= current.offset && until <= current.offset + current.bytes.length) return current;
    const read = Math.min(end, start + (sequential ? Math.max(size, readAhead) : size));
    const fresh = { bytes: pack.read(start, read), offset: start };
    if (sequential) current = fresh;
    return fresh;
  };
  /** Nearly all data is smaller when it is compressed; where it is not, more is read until it suffices. */
  const attempts = function* (start: number, size: number) {
    for (let want = size + (size >> 8) + 64; ; want *= 4) {
      const { bytes, offset } = window(start, want);
      yield { bytes: bytes.subarray(start - offset), isAll: start + want >= end };
    }
  };
  return {
    window,
    inflate: (start, size) => {
      for (const { bytes, isAll } of attempts(start, size)) {
        try {
          return inflatedFrom(inflateSync(bytes, inflateOptions(size)), start, size);
        } catch (error) {
          if (isAll || !isCutShort(error)) throw notInflated(error);
        }
      }
      throw notInflated(undefined);
    },
    inflateBeside: async (start, size) => {
      for (const { bytes, isAll } of attempts(start, size)) {
        try {
          return inflatedFrom(await inflateAsync(bytes, inflateOptions(size)), start, size);
        } catch (error) {
          if (isAll || !isCutShort(error)) throw notInflated(error);
        }
      }
      throw notInflated(undefined);
    },
    pieces: (start, size) => pieces(pack, start, size),
  };
}

async function* pieces(pack: Spool, start: number, size: number): AsyncGenerator<Buffer, number, undefined> {
  const inflating = createInflate({ chunkSize: pieceSize });
  let at = start;
  let unpacked = 0;
  const feed = (error?: Error | null): void => {
    if (error !== undefined && error !== null) return;
    if (inflating.destroyed) return;
    try {
      // What lies behind the object shows zlib where it ends.
      const bytes = pack.read(at, at + pieceSize);
      at += bytes.length;
      if (bytes.length === 0) inflating.end();
      else inflating.write(bytes, feed);
    } catch (failure) {
      inflating.destroy(failure instanceof Error ? failure : new Error(String(failure)));
    }
  };
  feed();
  try {
    for await (const piece of inflating) {
      if (!(piece instanceof Buffer)) continue;
      unpacked += piece.length;
      if (unpacked > size) throw notInflated(undefined);
      yield piece;
    }
  } catch (error) {
    throw notInflated(error);
  } finally {
    inflating.destroy();
  }
  if (unpacked !== size) throw smaller();
  return start + inflating.bytesWritten;
}

function inflateAsync(bytes: Buffer, options: ZlibOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    inflate(bytes, options, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

/** One byte more than is expected, so that zlib need not ask for a second piece to see the end. */
function inflateOptions(size: number): ZlibOptions {
  return { info: true, chunkSize: Math.max(64, size + 1), maxOutputLength: Math.max(1, size) };
}

/** With the option `info` zlib gives more than its type says. */
function inflatedFrom(result: unknown, start: number, size: number): Inflated {
  const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
  if (buffer.length !== size) throw smaller();
  return { content: buffer, next: start + engine.bytesWritten };
}

function isCutShort(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "Z_BUF_ERROR";
}

function smaller(): GitError {
  return new GitError("corrupt", "an object of the pack is smaller than it says");
}

function notInflated(error: unknown): GitError {
  if (error instanceof GitError) return error;
  return new GitError("corrupt", "an object of the pack cannot be unpacked, or is larger than it says", {
    cause: error,
  });
}
