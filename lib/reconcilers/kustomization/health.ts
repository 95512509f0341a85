import { setTimeout as sleep } from "node:timers/promises";
import type { KustomizationStatus } from "../../api/kustomization.ts";
import type { ObjectReference } from "../../api/object.ts";
import { type HealthObservation, observeHealth } from "../../cluster/health.ts";
import type { Outcome } from "../../engine/reconciler.ts";
import type { Continuation } from "../../engine/work-item.ts";
import type { Json } from "../../platform/ports.ts";
import { formatGoDuration } from "../../text/go-duration.ts";
import { failure } from "./halt.ts";
import { recordHistory } from "./history.ts";
import { type Pass, progressMessage, publish } from "./pass.ts";

/** A health check under way: all that a later look needs to go on with it, or to end it. Times are milliseconds since 1970. */
export type HealthCheck = {
  revision: string;
  originRevision?: string;
  /** Digest of what was rendered, for the history; absent where nothing was. */
  digest?: string;
  startedAt: number;
  checkStartedAt: number;
  deadline: number;
  /** Whether passing is worth an event (KS-193). */
  tell: boolean;
  looks: number;
  /** What is looked at. */
  objects: ObjectReference[];
};

/** Where a pass stands when everything is applied and pruned. */
export type Applied = { digest?: string; changed: boolean; objects: ObjectReference[] };

const inPlaceMilliseconds = 1000;

/** What has to become healthy before the pass succeeds (KS-190); `due` is false where nothing is asked for. */
export function startHealthCheck(pass: Pass, applied: Applied): HealthCheck & { due: boolean } {
  const { object, context, conditions } = pass;
  const references = object.spec.wait === true ? applied.objects : (object.spec.healthChecks ?? []).map(asReference);
  const objects = references.filter(
    ({ kind, name, namespace }) =>
      !(kind === "Kustomization" && name === object.metadata.name && namespace === object.metadata.namespace),
  );
  const now = context.clock.now().getTime();
  const wasHealthy = conditions.get("Healthy")?.status === "True";
  const isNewRevision = object.status?.lastAppliedRevision !== pass.revision;
  if (references.length === 0) conditions.remove("Healthy");
  return {
    due: references.length > 0,
    revision: pass.revision ?? "",
    ...(pass.originRevision === undefined ? {} : { originRevision: pass.originRevision }),
    ...(applied.digest === undefined ? {} : { digest: applied.digest }),
    startedAt: pass.startedAt,
    checkStartedAt: now,
    deadline: now + pass.timeoutMilliseconds,
    tell: !wasHealthy || (isNewRevision && applied.changed),
    looks: 0,
    objects,
  };
}

function asReference(reference: {
  apiVersion?: string;
  kind: string;
  name: string;
  namespace?: string;
}): ObjectReference {
  const { kind, name, namespace } = reference;
  const apiVersion =
    reference.apiVersion === undefined || reference.apiVersion === "" ? "apps/v1" : reference.apiVersion;
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

/**
 * Looks at health, again in place for a second at most, and undefined when all is well. Where something is still under way
 * the outcome asks for a later look; a failure or the deadline throws a Halt (KS-191 to KS-195, SN-08).
 */
export async function checkHealth(pass: Pass, check: HealthCheck): Promise<Outcome<KustomizationStatus> | undefined> {
  const { context, conditions, status } = pass;
  pass.revision = check.revision;
  pass.originRevision = check.originRevision;
  const placeEnd = Date.now() + inPlaceMilliseconds;
  for (let pause = 50; ; pause = Math.min(pause * 2, 400)) {
    const observations = await observeHealth(pass.target, check.objects, context.signal);
    const failed = observations.filter((observation) => observation.status === "Failed");
    const pending = observations.filter((observation) => observation.status !== "Current");
    const now = context.clock.now().getTime();
    const took = formatGoDuration(now - check.checkStartedAt);
    if (pending.length === 0) {
      const message = `Health check passed in ${took}`;
      if (check.tell) publish(pass, { type: "Normal", message, reason: "Progressing" });
      conditions.set("Healthy", "True", "Succeeded", message);
      return undefined;
    }
    const failFast = context.settings.featureGates.DisableFailFastBehavior !== true;
    if (failed.length > 0 && (failFast || failed.length === pending.length)) {
      throw unhealthy(pass, check, `failed early due to stalled resources: ${describe(failed)}`);
    }
    if (now >= check.deadline) throw unhealthy(pass, check, `timeout waiting for: ${describe(pending)}`);
    if (Date.now() + pause > placeEnd) break;
    await sleep(pause, undefined, { signal: context.signal });
  }
  const message = progressMessage(pass, "Running health checks");
  conditions.set("Reconciling", "True", "Progressing", message);
  conditions.set("Ready", "Unknown", "Progressing", "Reconciliation in progress");
  conditions.set("Healthy", "Unknown", "Progressing", message);
  const looks = check.looks + 1;
  return {
    status: { ...status, conditions: conditions.list() },
    events: pass.events,
    unfinished: true,
    again: {
      afterSeconds: Math.min(looks, 5),
      continuation: { revision: check.revision, attempt: looks, state: formatHealthCheck({ ...check, looks }) },
    },
  };
}

function unhealthy(pass: Pass, check: HealthCheck, problem: string) {
  const now = pass.context.clock.now().getTime();
  pass.conditions.set("Healthy", "False", "HealthCheckFailed", problem);
  pass.conditions.set("Reconciling", "True", "Progressing", progressMessage(pass, "Running health checks"));
  if (check.digest !== undefined) recordHistory(pass, check.digest, "HealthCheckFailed", now - check.startedAt);
  return failure(
    "HealthCheckFailed",
    `health check failed after ${formatGoDuration(now - check.checkStartedAt)}: ${problem}`,
  );
}

function describe(observations: HealthObservation[]): string {
  const lines = observations.map(({ reference, status }) => {
    const name = reference.namespace === undefined ? reference.name : `${reference.namespace}/${reference.name}`;
    return `${reference.kind}/${name} status: '${status}'`;
  });
  return `[${lines.join(", ")}]`;
}

function formatHealthCheck({
  revision,
  originRevision,
  digest,
  startedAt,
  checkStartedAt,
  deadline,
  tell,
  looks,
  objects,
}: HealthCheck): { [key: string]: Json } {
  return {
    revision,
    ...(originRevision === undefined ? {} : { originRevision }),
    ...(digest === undefined ? {} : { digest }),
    startedAt,
    checkStartedAt,
    deadline,
    tell,
    looks,
    objects: objects.map(({ apiVersion, kind, namespace, name }) => [apiVersion, kind, namespace ?? "", name]),
  };
}

/** The health check that a delayed look carries, or undefined where it carries none that can be read. */
export function parseHealthCheck(continuation: Continuation | undefined): HealthCheck | undefined {
  const state = continuation?.state;
  if (state === undefined) return undefined;
  const { revision, originRevision, digest, startedAt, checkStartedAt, deadline, tell, looks, objects } = state;
  if (typeof revision !== "string" || typeof startedAt !== "number" || typeof checkStartedAt !== "number")
    return undefined;
  if (typeof deadline !== "number" || typeof tell !== "boolean" || typeof looks !== "number" || !Array.isArray(objects))
    return undefined;
  return {
    revision,
    ...(typeof originRevision === "string" ? { originRevision } : {}),
    ...(typeof digest === "string" ? { digest } : {}),
    startedAt,
    checkStartedAt,
    deadline,
    tell,
    looks,
    objects: objects.flatMap(parseReference),
  };
}

function parseReference(value: Json): ObjectReference[] {
  if (!Array.isArray(value)) return [];
  const [apiVersion, kind, namespace, name] = value;
  if (
    typeof apiVersion !== "string" ||
    typeof kind !== "string" ||
    typeof namespace !== "string" ||
    typeof name !== "string"
  )
    return [];
  return [{ apiVersion, kind, name, ...(namespace === "" ? {} : { namespace }) }];
}
