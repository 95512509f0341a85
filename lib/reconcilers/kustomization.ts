import type { Kustomization, KustomizationStatus } from "../api/kustomization.ts";
import type { Finalizer, Outcome, Reconciler } from "../engine/reconciler.ts";
import { formatGoDuration } from "../text/go-duration.ts";
import { applyRevision } from "./kustomization/apply.ts";
import { cancelHealthCheck } from "./kustomization/cancel-health-check.ts";
import { isClaimedByOthers } from "./kustomization/claimed-drift.ts";
import { LeftToOthers, leftToOthers } from "./kustomization/contested.ts";
import { refuseDecryptionIdentity } from "./kustomization/decryption.ts";
import { deleteInventory } from "./kustomization/deletion.ts";
import { checkDependencies } from "./kustomization/dependencies.ts";
import { refuseHealthExpressions } from "./kustomization/expressions.ts";
import { Halt } from "./kustomization/halt.ts";
import {
  checkHealth,
  type HealthCheck,
  isCheckingHealth,
  parseHealthCheck,
  startHealthCheck,
  withoutHealthCheck,
} from "./kustomization/health.ts";
import { recordHistory } from "./kustomization/history.ts";
import {
  beginPass,
  type Pass,
  publish,
  reportProgress,
  retryIntervalSeconds,
  revisionMetadata,
} from "./kustomization/pass.ts";
import { findSource } from "./kustomization/source.ts";
import { parseWaitingStage, StageWait, waitForStage } from "./kustomization/stage-wait.ts";
import { openTarget } from "./kustomization/target.ts";

/**
 * Takes the artifact of one source, renders `spec.path`, applies it in stages, prunes what disappeared and looks at health
 * (kustomization.md). What needs time, a stage or health, comes back as a continuation; everything else is one pass.
 */
export const reconcileKustomization: Reconciler<Kustomization, KustomizationStatus> = async (
  object,
  context,
  continuation,
) => {
  const pass = beginPass(object, context);
  const stage = parseWaitingStage(continuation);
  if (stage !== undefined) pass.startedAt = stage.startedAt;
  try {
    const check = parseHealthCheck(continuation);
    if (check !== undefined) {
      const isCurrent = object.status?.lastAttemptedRevision === check.revision && isCheckingHealth(pass, check);
      if (!isCurrent) return untouched(object);
      await openTarget(pass);
      pass.conditions.remove("Stalled");
      return (await checkHealth(pass, check)) ?? succeed(pass, check);
    }
    if (context.cause.type === "schedule" && isCheckingHealth(pass)) return untouched(object);
    if (isClaimedByOthers(object, context.cause)) return untouched(object);

    const canceled = cancelHealthCheck(pass);
    if (canceled !== undefined) return canceled;

    await refuseHealthExpressions(pass);
    refuseDecryptionIdentity(object, context);
    const source = await findSource(object, context);
    pass.revision = source.artifact.revision;
    pass.originRevision = source.originRevision;
    await checkDependencies(object, source, context);

    reportProgress(pass, "Fetching manifests");
    await openTarget(pass);
    const applied = await applyRevision(pass, source);
    const started = startHealthCheck(pass, applied);
    if (started === undefined) return succeed(pass, withoutHealthCheck(pass, applied));
    return (await checkHealth(pass, started)) ?? succeed(pass, started);
  } catch (error) {
    if (error instanceof Halt) return halted(pass, error);
    if (error instanceof LeftToOthers) return leftToOthers(pass, error);
    if (!(error instanceof StageWait)) throw error;
    const end = waitForStage(pass, error, stage);
    return end instanceof Halt ? halted(pass, end) : end;
  }
};

/** Removes what the Kustomization applied, as its deletion policy says (KS-178 to KS-182). */
export const finalizeKustomization: Finalizer<Kustomization> = (object, context, continuation) =>
  deleteInventory(beginPass(object, context), continuation);

/** KS-221, KS-231: the revision is applied and, where that was asked for, healthy. */
function succeed(
  pass: Pass,
  applied: Pick<HealthCheck, "revision" | "originRevision" | "digest" | "startedAt">,
): Outcome<KustomizationStatus> {
  const { object, status, conditions, context } = pass;
  status.lastAppliedRevision = applied.revision;
  if (applied.originRevision === undefined) delete status.lastAppliedOriginRevision;
  else status.lastAppliedOriginRevision = applied.originRevision;
  status.observedGeneration = object.metadata.generation ?? 0;
  conditions.remove("Reconciling");
  conditions.remove("Stalled");
  conditions.set("Ready", "True", "ReconciliationSucceeded", `Applied revision: ${applied.revision}`);
  if (applied.digest !== undefined) recordHistory(pass, applied.digest, "ReconciliationSucceeded", applied.startedAt);
  const took = formatGoDuration(context.clock.now().getTime() - applied.startedAt);
  publish(pass, {
    type: "Normal",
    message: `Reconciliation finished in ${took}, next run in ${formatGoDuration(pass.intervalMilliseconds)}`,
    metadata: { "kustomize.toolkit.fluxcd.io/commit_status": "update" },
  });
  return { status: { ...status, conditions: conditions.list() }, events: pass.events, wake: pass.wake };
}

/** KS-222, KS-223, KS-013: what a pass that could not finish leaves behind, and when it is tried again. */
function halted(pass: Pass, halt: Halt): Outcome<KustomizationStatus> {
  const { object, status, conditions, context } = pass;
  conditions.set("Ready", "False", halt.reason, halt.message);
  if (halt.retry === "terminal") conditions.set("Stalled", "True", halt.reason, halt.message);
  // Of all that is terminal only a wrong expression counts as having been looked at (KS-043, KS-202).
  if (halt.reason === "InvalidCELExpression") status.observedGeneration = object.metadata.generation ?? 0;
  const reconciling = conditions.get("Reconciling");
  if (halt.started && reconciling !== undefined) {
    conditions.set("Reconciling", "True", "ProgressingWithRetry", reconciling.message);
  }
  if (halt.event !== undefined) publish(pass, { ...halt.event, metadata: revisionMetadata(pass) });
  const outcome: Outcome<KustomizationStatus> = {
    status: { ...status, conditions: conditions.list() },
    events: pass.events,
    wake: pass.wake,
    ...(halt.waitsFor.length === 0 ? {} : { waitsFor: halt.waitsFor }),
  };
  if (halt.retry === "terminal") return outcome;
  const everySeconds =
    halt.retry === "dependency" ? context.settings.requeueDependencySeconds : retryIntervalSeconds(object);
  return { ...outcome, again: { everySeconds } };
}

/** Nothing to say: another look at this object is under way, or has found more than this one could. */
function untouched(object: Kustomization): Outcome<KustomizationStatus> {
  return { status: { ...object.status }, events: [], unfinished: true };
}
