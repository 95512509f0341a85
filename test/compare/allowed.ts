import type { Difference } from "./compare.ts";

/** A difference that is meant, and why. */
export type Allowed = { why: string; is(difference: Difference, name: string): boolean };

/** Differences that docs/differences.md names, or a row's note. */
export const allowed: readonly Allowed[] = [];
