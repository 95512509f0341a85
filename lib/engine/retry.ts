import type { ObjectMeta } from "../api/object.ts";
import { parseGoDuration } from "../text/go-duration.ts";
import { nextSlot } from "./due.ts";

/** What decides when an object is looked at again. */
type Retried = { metadata: ObjectMeta; spec?: unknown };

/** The flags of a component that bound its back-off. */
export type RetryLimits = { minRetryDelaySeconds: number; maxRetryDelaySeconds: number };

/**
 * The exponential back-off of failures in a row (KS-011, SRC-017): `attempt` 1 waits the minimum, each further one twice
 * as long, the maximum at most. Seconds.
 */
export function backOffSeconds(attempt: number, limits: RetryLimits): number {
  return Math.min(limits.minRetryDelaySeconds * 2 ** Math.min(attempt - 1, 30), limits.maxRetryDelaySeconds);
}

/** After how long the schedule looks at an object at the latest; seconds. Objects without an interval are taken as hourly. */
export function scheduledSeconds({ metadata, spec }: Retried): number {
  if (metadata.deletionTimestamp !== undefined) return 60;
  return Math.max(intervalOf(spec) / 1000, 60);
}

/** When an object is looked at again after its `attempt`th failure in a row: backing off, or at its interval where that comes first. */
export function nextAttempt(object: Retried, attempt: number, limits: RetryLimits, now: Date): Date {
  const seconds = backOffSeconds(attempt, limits);
  if (seconds < scheduledSeconds(object)) return new Date(now.getTime() + seconds * 1000);
  const interval = Math.max(intervalOf(object.spec), 1000);
  const { afterSeconds } = nextSlot(object.metadata.uid ?? "", interval, now.getTime());
  return new Date(now.getTime() + afterSeconds * 1000);
}

function intervalOf(spec: unknown): number {
  const interval = typeof spec === "object" && spec !== null && "interval" in spec ? spec.interval : undefined;
  return typeof interval === "string" ? parseGoDuration(interval) : 3_600_000;
}
