import type { EventRecord } from "../../engine/reconciler.ts";
import { nextAttempt } from "../../engine/retry.ts";
import type { Continuation } from "../../engine/work-item.ts";
import { formatGoDuration } from "../../text/go-duration.ts";
import type { FailureCondition } from "./source-failure.ts";
import type { SourcePass } from "./source-kind.ts";

/** One attempt at a source: when it began, and which failure in a row it would be. */
export type Attempt = { began: Date; number: number };

const steps: Record<FailureCondition, string> = {
  FetchFailed: "fetch",
  SourceVerified: "verify",
  StorageOperationFailed: "store",
  BuildFailed: "build",
  IncludeUnavailable: "include",
};

/** Begins an attempt. */
export function beginAttempt({ context }: Pick<SourcePass, "context">, continuation?: Continuation): Attempt {
  return { began: context.clock.now(), number: (continuation?.attempt ?? 0) + 1 };
}

/**
 * What the event of a failed attempt says besides its message (SB-010): the step that failed, how long the attempt took, and
 * when the next one is, to the second; none where the object waits for a change. A failure without a condition is one of the specification,
 * or where it is tried again, of the status that could not be written.
 */
export function traceOf(
  { began, number }: Attempt,
  { object, context }: Pick<SourcePass, "object" | "context">,
  failure: { condition: FailureCondition | undefined; terminal: boolean; waitSeconds: number | undefined },
): NonNullable<EventRecord["trace"]> {
  const now = context.clock.now();
  const { condition, terminal, waitSeconds } = failure;
  const next =
    waitSeconds === undefined
      ? nextAttempt(object, number, context.settings, now)
      : new Date(now.getTime() + waitSeconds * 1000);
  return {
    step: condition === undefined ? (terminal ? "specification" : "status") : steps[condition],
    duration: formatGoDuration(now.getTime() - began.getTime()),
    ...(terminal ? {} : { "next-attempt": `${next.toISOString().slice(0, 19)}Z` }),
  };
}
