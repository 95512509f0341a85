import type { FailureReason } from "../../api/reason.ts";

/** The condition that says why an attempt ended. `SourceVerified` is set False for it, the others True. */
export type FailureCondition =
  | "FetchFailed"
  | "StorageOperationFailed"
  | "IncludeUnavailable"
  | "BuildFailed"
  | "SourceVerified";

type FailureOptions = {
  /** Waits for a change of the object: Stalled says so too, and nothing is tried again (SRC-016). */
  terminal?: boolean;
  /** Seconds until the next look at what the object waits for, without back-off and without a notification (SRC-019). */
  waitSeconds?: number;
  /** Told as a trace event, that nobody is notified of (SRC-029). */
  quiet?: boolean;
  /** What the condition says, where events and Stalled say something else. */
  shown?: Shown;
  cause?: unknown;
};

type Shown = { reason: FailureReason; message: string };

/**
 * Why an attempt ends, with Flux's reason and message. The message is for the user and holds no secret. Without a condition,
 * Stalled alone says it.
 */
export class SourceFailure extends Error {
  readonly condition: FailureCondition | undefined;
  readonly reason: FailureReason;
  readonly terminal: boolean;
  readonly waitSeconds: number | undefined;
  readonly quiet: boolean;
  readonly shown: Shown;

  constructor(
    condition: FailureCondition | undefined,
    reason: FailureReason,
    message: string,
    options: FailureOptions = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "SourceFailure";
    this.condition = condition;
    this.reason = reason;
    this.terminal = options.terminal ?? condition === undefined;
    this.waitSeconds = options.waitSeconds;
    this.quiet = options.quiet ?? options.waitSeconds !== undefined;
    this.shown = options.shown ?? { reason, message };
  }
}
