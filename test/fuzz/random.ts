/** Numbers that look random and are the same for the same seed: a run of the fuzzer can be repeated, each execution by itself. */
export type Random = {
  /** A whole number from 0 to one less than `bound`. */
  below(bound: number): number;
  /** One of the items. Throws where there is none. */
  pick<T>(items: readonly T[]): T;
};

/** The numbers of one execution (sfc32, whose state is the four words that are given). */
export function randomOf(seed: number, stream: number, execution: number): Random {
  let [a, b, c, counter] = [seed | 0, stream | 0, execution | 0, 1];
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  for (let index = 0; index < 12; index++) next();
  const below = (bound: number): number => Math.floor((next() / 2 ** 32) * bound);
  return {
    below,
    pick: (items) => {
      const item = items[below(items.length)];
      if (item === undefined) throw new RangeError("there is nothing to pick from");
      return item;
    },
  };
}

/** A number for a text, to seed with (FNV-1a). */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
