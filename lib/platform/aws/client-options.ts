/**
 * How long an AWS API may take, in milliseconds, before the SDK tries again: connections are local to the region, and a
 * request that hangs must not eat the time of the invocation.
 */
export const clientOptions = {
  maxAttempts: 4,
  requestHandler: { connectionTimeout: 2_000, requestTimeout: 15_000, throwOnRequestTimeout: true },
};
