import type { Kustomization, KustomizationStatus } from "../../api/kustomization.ts";
import type { Context, Outcome } from "../../engine/reconciler.ts";
import { type Pass, progressMessage, publish } from "./pass.ts";

/**
 * With the gate CancelHealthCheckOnNewRevision: what a trigger leaves behind that comes while a health check is running (KS-204);
 * the pass that it asks for follows at once. Undefined where none is running, or nothing new has come. Without the gate a newer
 * pass takes the place of the check and says nothing of it.
 */
export function cancelHealthCheck(pass: Pass): Outcome<KustomizationStatus> | undefined {
  const { object, context, conditions, status } = pass;
  if (context.settings.featureGates.CancelHealthCheckOnNewRevision !== true || !isRunning(object)) return undefined;
  const trigger = triggerOf(object, context);
  if (trigger === undefined) return undefined;
  pass.revision = status.lastAttemptedRevision;
  const message = `New reconciliation triggered by ${trigger}`;
  conditions.set("Ready", "False", "HealthCheckCanceled", message);
  conditions.set("Reconciling", "True", "ProgressingWithRetry", progressMessage(pass, "Running health checks"));
  publish(pass, {
    type: "Normal",
    message: `Health checks canceled due to new reconciliation triggered by ${trigger}`,
  });
  return {
    status: { ...status, conditions: conditions.list() },
    events: pass.events,
    wake: pass.wake,
    unfinished: true,
    again: { afterSeconds: 0, continuation: { attempt: 0, state: { canceled: true } } },
  };
}

/** Whether the status says that a health check is running, of whatever generation. */
function isRunning({ status }: Kustomization): boolean {
  const reasonOf = (wanted: string) => status?.conditions?.find(({ type }) => type === wanted)?.reason;
  return reasonOf("Healthy") === "Progressing" && reasonOf("Ready") === "Progressing";
}

/**
 * `<Kind>/<namespace>/<name>` of what asks for a new pass: the source that has another revision than the one that is checked, a
 * ConfigMap or Secret, or the Kustomization itself, by its specification or a request. A message that comes once more asks for
 * nothing new.
 */
function triggerOf(object: Kustomization, { cause, redelivered }: Context): string | undefined {
  if (redelivered) return undefined;
  const { metadata, status } = object;
  const self = `Kustomization/${metadata.namespace}/${metadata.name}`;
  switch (cause.type) {
    case "source":
      return cause.revision === status?.lastAttemptedRevision ? undefined : cause.source;
    case "reference":
      return cause.object;
    case "admission": {
      const isObserved =
        status?.conditions?.find(({ type }) => type === "Healthy")?.observedGeneration === metadata.generation;
      return isObserved && cause.requestedAt === undefined ? undefined : self;
    }
    case "webhook":
      return self;
    default:
      return undefined;
  }
}
