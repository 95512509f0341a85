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

/** Most bytes that a header has. */
export const packedHeaderLimit = 40;

/**
 * Reads the header of the object at `start` (gitformat-pack, "Pack file entry"). `bytes` is the pack from its offset `offset` to
 * `end`, which is an index of `bytes`, as `start` is; what is returned are offsets in the pack. Throws GitError `corrupt`.
 */
export function parsePackedHeader(bytes: Buffer, start: number, end: number, offset = 0): PackedHeader {
  let at = start;
  const take = (): number => {
    if (at >= end) throw new GitError("corrupt", "the pack ends in the middle of an object");
    return bytes[at++] ?? 0;
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
      if (distance > offset + end) throw new GitError("corrupt", "the pack has a delta on what lies before it");
    }
    if (distance === 0 || distance >= offset + start)
      throw new GitError("corrupt", "the pack has a delta on what lies outside of it");
    return { type, size, dataStart: offset + at, base: offset + start - distance };
  }
  if (type === "ref-delta") {
    const base = bytes.toString("hex", at, at + 20);
    at += 20;
    if (at > end) throw new GitError("corrupt", "the pack ends in the middle of an object");
    return { type, size, dataStart: offset + at, base };
  }
  return { type, size, dataStart: offset + at };
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
