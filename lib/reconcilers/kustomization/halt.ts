import type { ObjectReference } from "../../api/object.ts";
import type { FailureReason } from "../../api/reason.ts";

/**
 * Ends a pass of a Kustomization before it has succeeded: what Ready says, what is told, and when to look again.
 * The step that finds the reason throws it; the reconciler turns it into conditions and events in one place.
 */
export class Halt extends Error {
  readonly reason: FailureReason;
  /** An event with another text than the condition's, or none. */
  readonly event: { type: "Normal" | "Warning"; message: string } | undefined;
  /** A terminal halt is not retried until the spec changes or a pass is requested (KS-013). */
  readonly retry: "terminal" | "interval" | "dependency";
  readonly waitsFor: ObjectReference[];
  /** Progress had started: Reconciling stays, with the retry named (KS-222); before that it is not added (KS-223). */
  readonly started: boolean;

  constructor(halt: {
    reason: FailureReason;
    message: string;
    event?: { type: "Normal" | "Warning"; message: string };
    retry: "terminal" | "interval" | "dependency";
    waitsFor?: ObjectReference[];
    started: boolean;
    cause?: unknown;
  }) {
    super(halt.message, { cause: halt.cause });
    this.name = "Halt";
    this.reason = halt.reason;
    this.event = halt.event;
    this.retry = halt.retry;
    this.waitsFor = halt.waitsFor ?? [];
    this.started = halt.started;
  }
}

/**
 * A configuration that cannot be worked with, found before progress starts: a Warning with the same text, and no retry until the
 * spec changes or a pass is requested (KS-013).
 */
export function terminal(reason: FailureReason, message: string, cause?: unknown): Halt {
  return new Halt({ reason, message, event: { type: "Warning", message }, retry: "terminal", started: false, cause });
}

/** A failure after progress had started: a Warning with the same text, and a retry at `retryInterval` (KS-011, KS-232). */
export function failure(reason: FailureReason, message: string, cause?: unknown): Halt {
  return new Halt({ reason, message, event: { type: "Warning", message }, retry: "interval", started: true, cause });
}
