import { GitError } from "./git-error.ts";

/** A number in groups of seven bits, the lowest first (gitformat-pack). Throws GitError `corrupt` where it does not end in time. */
export function parseSize(bytes: Buffer, start: number): { value: number; next: number } {
  let value = 0;
  let scale = 1;
  for (let next = start; next < bytes.length && scale <= 2 ** 42; next++) {
    const byte = bytes[next] ?? 0;
    value += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (byte < 0x80) return { value, next: next + 1 };
  }
  throw new GitError("corrupt", "the pack has a number that does not end");
}

/** Writes a number so that `parseSize` reads it. */
export function formatSize(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}

/** What a delta says of itself: the size that its base must have, the size of its result, and where its instructions begin. */
export function parseDeltaHeader(delta: Buffer): { baseSize: number; resultSize: number; start: number } {
  const base = parseSize(delta, 0);
  const result = parseSize(delta, base.next);
  return { baseSize: base.value, resultSize: result.value, start: result.next };
}

/**
 * Makes an object from its base and a delta (gitformat-pack, "Deltified representation"). The caller has bounded the size of the
 * result. Throws GitError `corrupt` where the delta does not fit its base or itself.
 */
export function applyDelta(base: Buffer, delta: Buffer): Buffer {
  const { baseSize, resultSize, start } = parseDeltaHeader(delta);
  if (baseSize !== base.length) throw corrupt("is made for another base");
  const result = Buffer.allocUnsafe(resultSize);
  let written = 0;
  let at = start;
  while (at < delta.length) {
    const instruction = delta[at++] ?? 0;
    if (instruction >= 0x80) {
      let offset = 0;
      let size = 0;
      for (let index = 0; index < 4; index++) {
        if (instruction & (1 << index)) offset += (delta[at++] ?? 0) * 2 ** (8 * index);
      }
      for (let index = 0; index < 3; index++) {
        if (instruction & (0x10 << index)) size += (delta[at++] ?? 0) << (8 * index);
      }
      if (size === 0) size = 0x10000;
      if (at > delta.length || offset + size > base.length || written + size > resultSize)
        throw corrupt("copies too much");
      base.copy(result, written, offset, offset + size);
      written += size;
    } else if (instruction > 0) {
      if (at + instruction > delta.length || written + instruction > resultSize) throw corrupt("inserts too much");
      delta.copy(result, written, at, at + instruction);
      at += instruction;
      written += instruction;
    } else throw corrupt("has an instruction that is reserved");
  }
  if (written !== resultSize) throw corrupt("makes less than it says");
  return result;
}

function corrupt(what: string): GitError {
  return new GitError("corrupt", `a delta of the pack ${what}`);
}
