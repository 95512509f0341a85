import { describe, expect, it } from "vitest";
import { createTokenCache } from "./token-cache.ts";

const limits = { size: 2, milliseconds: 3_600_000 };

/** A cache on a clock that the test moves, and a provider that counts. */
function counting(lifetime: number) {
  let now = 1_000_000;
  let asked = 0;
  const cache = createTokenCache(() => now);
  return {
    cache,
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
    ask: async () => ({ value: ++asked, expiresAt: new Date(now + lifetime) }),
  };
}

describe("createTokenCache", () => {
  it("KS-217: keeps a token for four fifths of its life, and an hour at most", async () => {
    const { cache, pass, ask } = counting(900_000);
    expect(await cache.get("o", "k", limits, ask)).toBe(1);
    pass(719_999);
    expect(await cache.get("o", "k", limits, ask)).toBe(1);
    pass(1);
    expect(await cache.get("o", "k", limits, ask)).toBe(2);

    const long = counting(100 * 3_600_000);
    expect(await long.cache.get("o", "k", limits, long.ask)).toBe(1);
    long.pass(3_600_000);
    expect(await long.cache.get("o", "k", limits, long.ask)).toBe(2);
  });

  it("KS-217: keeps as many as it may, those that were used last; none where it may keep none", async () => {
    const { cache, ask } = counting(900_000);
    for (const key of ["a", "b", "a", "c"]) await cache.get("o", key, limits, ask);
    expect(await cache.get("o", "a", limits, ask)).toBe(1);
    expect(await cache.get("o", "b", limits, ask)).toBe(4);
    const none = counting(900_000);
    await none.cache.get("o", "a", { ...limits, size: 0 }, none.ask);
    expect(await none.cache.get("o", "a", { ...limits, size: 0 }, none.ask)).toBe(2);
  });

  it("KS-217: gives no object the token of another, and forgets those of one that is deleted", async () => {
    const { cache, ask } = counting(900_000);
    expect(await cache.get("one", "k", limits, ask)).toBe(1);
    expect(await cache.get("two", "k", limits, ask)).toBe(2);
    cache.drop("one");
    expect(await cache.get("one", "k", limits, ask)).toBe(3);
    expect(await cache.get("two", "k", limits, ask)).toBe(2);
  });

  it("shares one answer among those who ask at once, and keeps no failure", async () => {
    const { cache, ask } = counting(900_000);
    expect(await Promise.all([cache.get("o", "k", limits, ask), cache.get("o", "k", limits, ask)])).toEqual([1, 1]);
    const fail = () => Promise.reject(new Error("no"));
    await expect(cache.get("o", "other", limits, fail)).rejects.toThrow("no");
    expect(await cache.get("o", "other", limits, ask)).toBe(2);
  });
});
