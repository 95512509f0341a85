import type { KustomizationStatus } from "../../api/kustomization.ts";
import type { HealthObservation } from "../../cluster/health.ts";
import { formatSubject } from "../../cluster/subject.ts";
import type { Outcome } from "../../engine/reconciler.ts";
import type { Continuation } from "../../engine/work-item.ts";
import { failure, type Halt } from "./halt.ts";
import type { Pass } from "./pass.ts";

/** How long a stage may take before its objects count as stuck (KS-131): fixed, whatever the timeout is. */
const stageMilliseconds = 60_000;

/** A stage of the apply needs time: definitions that are not served yet, namespaces that are still going away. */
export class StageWait extends Error {
  readonly pending: readonly HealthObservation[];

  constructor(pending: readonly HealthObservation[]) {
    super(`waiting for ${describe(pending)}`);
    this.name = "StageWait";
    this.pending = pending;
  }
}

/** A pass that waits for a stage, as a delayed look carries it. Milliseconds since 1970. */
export type WaitingStage = { startedAt: number; stageStartedAt: number; looks: number };

/** The stage that a delayed look goes on with, or undefined where it speaks of none. */
export function parseWaitingStage(continuation: Continuation | undefined): WaitingStage | undefined {
  const stage = continuation?.state?.stage;
  if (typeof stage !== "object" || stage === null || Array.isArray(stage)) return undefined;
  const { startedAt, stageStartedAt, looks } = stage;
  if (typeof startedAt !== "number" || typeof stageStartedAt !== "number" || typeof looks !== "number")
    return undefined;
  return { startedAt, stageStartedAt, looks };
}

/**
 * What a pass says while a stage needs time: it is looked at again in a second (SN-09). A Halt when something failed for
 * good, or after 60 s (KS-131).
 */
export function waitForStage(
  pass: Pass,
  { pending }: StageWait,
  known: WaitingStage | undefined,
): Outcome<KustomizationStatus> | Halt {
  const { context, conditions, status } = pass;
  const now = context.clock.now().getTime();
  const stage: WaitingStage = {
    startedAt: pass.startedAt,
    stageStartedAt: known?.stageStartedAt ?? now,
    looks: (known?.looks ?? 0) + 1,
  };
  const failed = pending.filter((observation) => observation.status === "Failed");
  const late = now - stage.stageStartedAt >= stageMilliseconds;
  if (failed.length === pending.length || late) {
    const text = late && failed.length < pending.length ? `timeout waiting for: ${describe(pending)}` : early(failed);
    return failure("ReconciliationFailed", `${text}\n`);
  }
  conditions.set("Ready", "Unknown", "Progressing", "Reconciliation in progress");
  return {
    status: { ...status, conditions: conditions.list() },
    events: pass.events,
    wake: pass.wake,
    unfinished: true,
    again: {
      afterSeconds: Math.min(stage.looks, 2),
      continuation: { attempt: stage.looks, state: { stage } },
    },
  };
}

function early(failed: readonly HealthObservation[]): string {
  return `failed early due to stalled resources: ${describe(failed)}`;
}

/** `[<Kind>/<namespace>/<name> status: '<status>', ...]`, as KS-131 and KS-194 spell what is waited for. */
export function describe(observations: readonly HealthObservation[]): string {
  const lines = observations.map(
    ({ reference, status, error }) =>
      `${formatSubject(reference)} status: '${status}'${error === undefined ? "" : `: ${error}`}`,
  );
  return `[${lines.join(", ")}]`;
}
