import type { Gate, Passing, Trouble } from "./relay.ts";

/** Numbers from 0 to 1 that only look random (mulberry32), so that a failure can be had again. */
export function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What may befall a request, and when. */
export const troubles: [name: string, when: "before" | "after", trouble: Trouble | false][] = [
  ["too many requests", "before", { status: 429, headers: { "retry-after": "1" } }],
  ["an error", "before", { status: 500, body: "etcdserver: leader changed" }],
  ["an error after it was done", "after", { status: 500, body: "etcdserver: request timed out" }],
  ["a lost request", "before", false],
  ["a lost answer", "after", false],
  ["half an answer", "after", "half"],
];

/** What a webhook asks before it answers: one that cannot be heard now is held until the next minute, which others test. */
const ofWebhooks = /\/(receivers|secrets|deployments)\b|fieldManager=notification-controller/;

/** Every so often a request meets one of the troubles; `met` counts which. */
export function atRandom(random: () => number, share: number, met: Map<string, number>): Gate {
  const waiting = new Map<Passing, (typeof troubles)[number]>();
  return (passing, when) => {
    const isSpared = ofWebhooks.test(`${passing.url}`);
    if (when === "before" && !isSpared && random() < share) {
      const trouble = troubles[Math.floor(random() * troubles.length)];
      if (trouble !== undefined) waiting.set(passing, trouble);
    }
    const [name, at, trouble] = waiting.get(passing) ?? [];
    if (name === undefined || trouble === undefined || at !== when) return true;
    waiting.delete(passing);
    met.set(name, (met.get(name) ?? 0) + 1);
    return trouble;
  };
}
