import type { InventoryEntry, Kustomization, KustomizationStatus } from "../api/kustomization.ts";
import type { Finalizer, Outcome, Reconciler } from "../engine/reconciler.ts";
import { formatGoDuration } from "../text/go-duration.ts";
import { applyRevision } from "./kustomization/apply.ts";
import { deleteInventory } from "./kustomization/deletion.ts";
import { checkDependencies } from "./kustomization/dependencies.ts";
import { Halt } from "./kustomization/halt.ts";
import { checkHealth, parseHealthCheck, startHealthCheck } from "./kustomization/health.ts";
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
import { refuseUnsupported } from "./kustomization/unsupported.ts";

/**
 * Takes the artifact of one source, renders `spec.path`, applies it in stages, prunes what disappeared and looks at health
 * (kustomization.md). A look at health that is not done yet comes back as a continuation; everything else is one pass.
 */
export const reconcileKustomization: Reconciler<Kustomization, KustomizationStatus> = async (
  object,
  context,
  continuation,
) => {
  const pass = beginPass(object, context);
  try {
    const check = parseHealthCheck(continuation);
    if (check !== undefined) {
      if (object.status?.lastAttemptedRevision !== check.revision) return overtaken(object);
      pass.conditions.remove("Stalled");
      return (await checkHealth(pass, check)) ?? succeed(pass, check);
    }
    refuseUnsupported(object);
    const source = await findSource(object, context);
    pass.revision = source.artifact.revision;
    pass.originRevision = source.originRevision;
    await checkDependencies(object, source, context);

    reportProgress(pass, "Fetching manifests");
    const applied = await applyRevision(pass, source);
    const started = startHealthCheck(pass, applied);
    return (started.due ? await checkHealth(pass, started) : undefined) ?? succeed(pass, started);
  } catch (error) {
    if (error instanceof Halt) return halted(pass, error);
    throw error;
  }
};

/** Removes what the Kustomization applied, as its deletion policy says (KS-178 to KS-182). */
export const finalizeKustomization: Finalizer<Kustomization> = (object, context, continuation) =>
  deleteInventory(beginPass(object, context), continuation);

/** KS-221, KS-231: the revision is applied and, where that was asked for, healthy. */
function succeed(
  pass: Pass,
  applied: { revision: string; originRevision?: string; digest?: string; startedAt: number },
): Outcome<KustomizationStatus> {
  const { object, status, conditions, context } = pass;
  status.lastAppliedRevision = applied.revision;
  if (applied.originRevision === undefined) delete status.lastAppliedOriginRevision;
  else status.lastAppliedOriginRevision = applied.originRevision;
  status.observedGeneration = object.metadata.generation ?? 0;
  conditions.remove("Reconciling");
  conditions.remove("Stalled");
  conditions.set("Ready", "True", "ReconciliationSucceeded", `Applied revision: ${applied.revision}`);
  const took = context.clock.now().getTime() - applied.startedAt;
  if (applied.digest !== undefined) recordHistory(pass, applied.digest, "ReconciliationSucceeded", took);
  publish(pass, {
    type: "Normal",
    message: `Reconciliation finished in ${formatGoDuration(took)}, next run in ${formatGoDuration(pass.intervalMilliseconds)}`,
    metadata: { "kustomize.toolkit.fluxcd.io/commit_status": "update" },
  });
  return { status: { ...status, conditions: conditions.list() }, events: pass.events };
}

/** KS-222, KS-223, KS-013: what a pass that could not finish leaves behind, and when it is tried again. */
function halted(pass: Pass, halt: Halt): Outcome<KustomizationStatus> {
  const { object, status, conditions, context } = pass;
  conditions.set("Ready", "False", halt.reason, halt.message);
  if (halt.retry === "terminal") conditions.set("Stalled", "True", halt.reason, halt.message);
  const reconciling = conditions.get("Reconciling");
  if (halt.started && reconciling !== undefined)
    conditions.set("Reconciling", "True", "ProgressingWithRetry", reconciling.message);
  if (halt.event !== undefined) publish(pass, { ...halt.event, metadata: revisionMetadata(pass) });
  const outcome: Outcome<KustomizationStatus> = {
    status: { ...status, conditions: conditions.list() },
    events: pass.events,
    ...(halt.waitsFor.length === 0 ? {} : { waitsFor: halt.waitsFor }),
  };
  if (halt.retry === "terminal") return outcome;
  const afterSeconds =
    halt.retry === "dependency" ? context.settings.requeueDependencySeconds : retryIntervalSeconds(object);
  return { ...outcome, again: { afterSeconds } };
}

/** A newer revision has been attempted since this look was put off: what it found is its own. */
function overtaken(object: Kustomization): Outcome<KustomizationStatus> {
  return { status: { ...object.status }, events: [], unfinished: true };
}

export type { InventoryEntry };
