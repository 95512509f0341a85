import { inflate, inflateSync, type ZlibOptions } from "node:zlib";
import { GitError } from "./git-error.ts";

/**
 * What stands before the compressed data of one object of a pack. `size` is of the data, unpacked: of the object, or of the delta,
 * whose base is named by its offset in the pack or by its id.
 */
export type PackedHeader = { size: number; dataStart: number } & (
  | { type: "commit" | "tree" | "blob" | "tag" }
  | { type: "ofs-delta"; base: number }
  | { type: "ref-delta"; base: string }
);

const types = [undefined, "commit", "tree", "blob", "tag", undefined, "ofs-delta", "ref-delta"] as const;

/** Reads the header of the object at `start` (gitformat-pack, "Pack file entry"). Throws GitError `corrupt`. */
export function parsePackedHeader(pack: Buffer, start: number, end: number): PackedHeader {
  let at = start;
  const take = (): number => {
    if (at >= end) throw new GitError("corrupt", "the pack ends in the middle of an object");
    return pack[at++] ?? 0;
  };
  let byte = take();
  const type = types[(byte >> 4) & 7];
  let size = byte & 15;
  for (let scale = 16; byte >= 0x80; scale *= 0x80) {
    if (scale > 2 ** 46) throw new GitError("corrupt", "the pack has a number that does not end");
    byte = take();
    size += (byte & 0x7f) * scale;
  }
  if (type === undefined) throw new GitError("corrupt", "the pack has an object of an unknown kind");
  if (type === "ofs-delta") {
    byte = take();
    let distance = byte & 0x7f;
    while (byte >= 0x80) {
      byte = take();
      distance = (distance + 1) * 0x80 + (byte & 0x7f);
      if (distance > end) throw new GitError("corrupt", "the pack has a delta on what lies before it");
    }
    if (distance === 0 || distance >= start)
      throw new GitError("corrupt", "the pack has a delta on what lies outside of it");
    return { type, size, dataStart: at, base: start - distance };
  }
  if (type === "ref-delta") {
    const base = pack.toString("hex", at, at + 20);
    at += 20;
    if (at > end) throw new GitError("corrupt", "the pack ends in the middle of an object");
    return { type, size, dataStart: at, base };
  }
  return { type, size, dataStart: at };
}

/** Writes a header so that `parsePackedHeader` reads it at offset `start`. */
export function formatPackedHeader(
  header: { size: number } & (
    | { type: "commit" | "tree" | "blob" | "tag" }
    | { type: "ofs-delta"; base: number }
    | { type: "ref-delta"; base: string }
  ),
  start: number,
): Buffer {
  const bytes: number[] = [(types.indexOf(header.type) << 4) | (header.size & 15)];
  for (let rest = Math.floor(header.size / 16); rest > 0; rest = Math.floor(rest / 0x80)) {
    bytes.push((bytes.pop() ?? 0) | 0x80, rest % 0x80);
  }
  if (header.type === "ofs-delta") {
    let distance = start - header.base;
    const groups = [distance % 0x80];
    while (distance >= 0x80) {
      distance = Math.floor(distance / 0x80) - 1;
      groups.unshift((distance % 0x80) | 0x80);
    }
    bytes.push(...groups);
  }
  if (header.type === "ref-delta") bytes.push(...Buffer.from(header.base, "hex"));
  return Buffer.from(bytes);
}

/** The content of an object, and where in the pack the next one begins: a pack does not say. */
export type Inflated = { content: Buffer; next: number };

/**
 * Unpacks the data at `start`, which must be `size` bytes long. The caller has bounded `size`; no more than that is ever unpacked.
 * Throws GitError `corrupt`.
 */
export function inflateAt(pack: Buffer, start: number, end: number, size: number): Inflated {
  try {
    return inflatedFrom(inflateSync(pack.subarray(start, end), inflateOptions(size)), start, size);
  } catch (error) {
    throw notInflated(error);
  }
}

/** As `inflateAt`, but beside the event loop: for what is large enough to keep others waiting. */
export function inflateBeside(pack: Buffer, start: number, end: number, size: number): Promise<Inflated> {
  return new Promise((resolve, reject) => {
    inflate(pack.subarray(start, end), inflateOptions(size), (error, result) => {
      try {
        if (error !== null) throw error;
        resolve(inflatedFrom(result, start, size));
      } catch (failure) {
        reject(notInflated(failure));
      }
    });
  });
}

/** One byte more than is expected, so that zlib need not ask for a second piece to see the end. */
function inflateOptions(size: number): ZlibOptions {
  return { info: true, chunkSize: Math.max(64, size + 1), maxOutputLength: Math.max(1, size) };
}

/** With the option `info` zlib gives more than its type says. */
function inflatedFrom(result: unknown, start: number, size: number): Inflated {
  const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
  if (buffer.length !== size) throw new GitError("corrupt", "an object of the pack is smaller than it says");
  return { content: buffer, next: start + engine.bytesWritten };
}

function notInflated(error: unknown): GitError {
  if (error instanceof GitError) return error;
  return new GitError("corrupt", "an object of the pack cannot be unpacked, or is larger than it says", {
    cause: error,
  });
}
