import type { Random } from "./random.ts";

/** Inputs do not grow beyond this many bytes: what is superlinear shows itself before. */
export const inputLimit = 16_384;

const numbers = [0, 1, 3, 4, 5, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
const decimals = ["0", "-1", "00", "1e9", "9007199254740993", "18446744073709551616", "4294967296", "0x10", "NaN"];

/**
 * One input out of others: bytes flipped, replaced, taken out, repeated and put in, numbers and lengths made extreme, words of the
 * format put in, parts of another entry of the corpus put in, and ends cut off; several of these at once.
 */
export function mutate(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  let bytes: Buffer = Buffer.from(random.pick(corpus));
  for (let rounds = 1 + random.below(random.below(4) === 0 ? 8 : 2); rounds > 0; rounds--)
    bytes = mutateOnce(bytes, corpus, words, random);
  return bytes.length > inputLimit ? bytes.subarray(0, inputLimit) : bytes;
}

function mutateOnce(bytes: Buffer, corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  const span = Math.min(bytes.length - at, 1 + random.below(random.below(4) === 0 ? 256 : 8));
  const replaced = (part: Uint8Array, length = span): Buffer =>
    Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + length)]);
  switch (random.below(13)) {
    case 0:
    case 1: {
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    }
    case 2: {
      if (at < bytes.length) bytes[at] = random.below(256);
      return bytes;
    }
    case 3:
      return replaced(Buffer.alloc(0));
    case 4: {
      const part = bytes.subarray(at, at + span);
      const times = 1 + random.below(random.below(8) === 0 ? 400 : 4);
      return replaced(Buffer.concat(Array.from({ length: times }, () => part)), 0);
    }
    case 5:
      return Buffer.from(bytes.subarray(0, at));
    case 6: {
      const other = random.pick(corpus);
      const from = random.below(other.length + 1);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(from)]);
    }
    case 7: {
      const other = random.pick(corpus);
      const from = random.below(other.length + 1);
      return replaced(other.subarray(from, from + 1 + random.below(64)), random.below(2) * span);
    }
    case 8: {
      const number = Buffer.alloc(4);
      number.writeUInt32BE(random.pick(numbers));
      return replaced(number.subarray(random.pick([0, 2, 3])), random.pick([0, 4, 2, 1]));
    }
    case 9:
      return changeNumber(bytes, random);
    case 10:
    case 11:
      return words.length === 0
        ? replaced(Buffer.of(random.below(256)), 0)
        : replaced(Buffer.from(random.pick(words), "latin1"), random.below(2) * span);
    default: {
      const filler = Buffer.alloc(1 + random.below(random.below(8) === 0 ? 2000 : 16), bytes[at] ?? 0x20);
      return replaced(filler, 0);
    }
  }
}

/** Another number in the place of one that is written in digits. */
function changeNumber(bytes: Buffer, random: Random): Buffer {
  const start = bytes.findIndex(
    (byte, index) => index >= random.below(bytes.length + 1) && byte >= 0x30 && byte <= 0x39,
  );
  if (start < 0) return bytes;
  let end = start;
  while ((bytes[end] ?? 0) >= 0x30 && (bytes[end] ?? 0) <= 0x39) end++;
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(random.pick(decimals)), bytes.subarray(end)]);
}
