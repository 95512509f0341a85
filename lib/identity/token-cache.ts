/** How many tokens are kept, and for how long at most (`--token-cache-max-size`, `--token-cache-max-duration`). */
export type TokenLimits = { size: number; milliseconds: number };

/** A thing that ends at a time. */
export type Ending<T> = { value: T; expiresAt: Date };

/** Tokens of this process by whom they were asked for; losing them costs a request each, never more. */
export type TokenCache = {
  /** The token that is kept under an owner and a key, or the one that `ask` gives. Two who ask at once share one answer. */
  get<T>(owner: string, key: string, limits: TokenLimits, ask: () => Promise<Ending<T>>): Promise<T>;
  /** Forgets all that was kept for an owner. */
  drop(owner: string): void;
};

/** As kubelet does with its own tokens: a new one is due when four fifths of its life are over. */
const usedShare = 0.8;

/** An empty cache (KS-217). `now` is in milliseconds since 1970. */
export function createTokenCache(now: () => number = Date.now): TokenCache {
  // A Map keeps the order of insertion: what was used last is put at its end.
  const kept = new Map<string, { owner: string; until: number; value: Promise<unknown> }>();
  return {
    get: <T>(owner: string, key: string, { size, milliseconds }: TokenLimits, ask: () => Promise<Ending<T>>) => {
      const id = JSON.stringify([owner, key]);
      const found = kept.get(id);
      kept.delete(id);
      if (found !== undefined && found.until > now()) {
        kept.set(id, found);
        // What is kept under a key was asked for under the same key, by the same code.
        return found.value as Promise<T>;
      }
      const askedAt = now();
      const entry = { owner, until: Number.POSITIVE_INFINITY, value: Promise.resolve<unknown>(undefined) };
      const value = ask().then(
        (answer) => {
          entry.until = askedAt + Math.min((answer.expiresAt.getTime() - askedAt) * usedShare, milliseconds);
          return answer.value;
        },
        (error: unknown) => {
          if (kept.get(id) === entry) kept.delete(id);
          throw error;
        },
      );
      entry.value = value;
      if (size > 0) kept.set(id, entry);
      for (const oldest of kept.keys()) {
        if (kept.size <= size) break;
        kept.delete(oldest);
      }
      return value;
    },
    drop: (owner) => {
      for (const [id, entry] of kept) if (entry.owner === owner) kept.delete(id);
    },
  };
}
