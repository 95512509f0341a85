import { ApiError } from "../cluster/api-error.ts";
import { NoKindMatch } from "../cluster/discovery.ts";

/**
 * Whether an API server gave its answer, even if that was no. Otherwise (it does not answer, is overloaded, or does not know
 * us) the same request may well succeed later, and must not be lost.
 */
export function isAnswer(error: unknown): boolean {
  if (error instanceof NoKindMatch) return true;
  return error instanceof ApiError && error.statusCode < 500 && ![401, 408, 429].includes(error.statusCode);
}
