/**
 * The exponential back-off of failures in a row (KS-011, SRC-017): `attempt` 1 waits the minimum, each further one twice
 * as long, the maximum at most. Seconds.
 */
export function backOffSeconds(
  attempt: number,
  limits: { minRetryDelaySeconds: number; maxRetryDelaySeconds: number },
): number {
  return Math.min(limits.minRetryDelaySeconds * 2 ** Math.min(attempt - 1, 30), limits.maxRetryDelaySeconds);
}
