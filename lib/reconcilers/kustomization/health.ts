import { setTimeout as sleep } from "node:timers/promises";
import type { KustomizationStatus } from "../../api/kustomization.ts";
import type { ObjectReference } from "../../api/object.ts";
import { observeHealth } from "../../cluster/health.ts";
import { formatInventoryId, referencesOf } from "../../cluster/inventory.ts";
import type { Outcome } from "../../engine/reconciler.ts";
import type { Continuation } from "../../engine/work-item.ts";
import type { Json } from "../../platform/ports.ts";
import { formatGoDuration } from "../../text/go-duration.ts";
import type { Applied } from "./apply.ts";
import { healthRulesOf } from "./expressions.ts";
import { failure } from "./halt.ts";
import { recordHistory } from "./history.ts";
import { type Pass, progressMessage, publish } from "./pass.ts";
import { readRecord } from "./record.ts";
import { describe } from "./stage-wait.ts";

/** A health check under way: all that a later look needs to go on with it, or to end it. Times are milliseconds since 1970. */
export type HealthCheck = {
  revision: string;
  originRevision?: string;
  /** Digest of what was rendered, for the history; absent where nothing was. */
  digest?: string;
  startedAt: number;
  checkStartedAt: number;
  /** The transition time of Healthy, once it says that this check is under way: another one of the same revision has another. */
  since: string;
  deadline: number;
  /** Whether passing is worth an event (KS-193). */
  tell: boolean;
  looks: number;
};

/**
 * Looking again in place for this long costs less than another invocation (design, decision 4). Later looks look once: what was not
 * ready then takes longer, and many that wait would hold all places.
 */
const inPlaceMilliseconds = 1000;
/** How much longer than its timeout a health check may seem to run before it counts as lost. */
const lostMilliseconds = 30_000;

/** The health check that ends this pass (KS-190), or undefined where nothing asks for one. */
export function startHealthCheck(pass: Pass, applied: Applied): HealthCheck | undefined {
  const { object, status, context, conditions } = pass;
  const { wait, healthChecks = [] } = object.spec;
  const nothing = wait === true ? status.inventory?.entries.length === 0 : healthChecks.length === 0;
  if (nothing) {
    conditions.remove("Healthy");
    return undefined;
  }
  const now = context.clock.now().getTime();
  const isNewRevision = object.status?.lastAppliedRevision !== pass.revision;
  return {
    revision: pass.revision ?? "",
    ...(pass.originRevision === undefined ? {} : { originRevision: pass.originRevision }),
    ...(applied.digest === undefined ? {} : { digest: applied.digest }),
    startedAt: pass.startedAt,
    checkStartedAt: now,
    since: "",
    deadline: now + pass.timeoutMilliseconds,
    tell: conditions.get("Healthy")?.status !== "True" || (isNewRevision && applied.changed),
    looks: 0,
  };
}

/** What a pass succeeds with: it is the same whether a health check came before or not. */
export function withoutHealthCheck(
  pass: Pass,
  applied: Applied,
): Pick<HealthCheck, "revision" | "originRevision" | "digest" | "startedAt"> {
  return {
    revision: pass.revision ?? "",
    ...(pass.originRevision === undefined ? {} : { originRevision: pass.originRevision }),
    ...(applied.digest === undefined ? {} : { digest: applied.digest }),
    startedAt: pass.startedAt,
  };
}

/** Objects to look at, and those that go by themselves when they are done (KS-199). */
async function healthTargets(pass: Pass): Promise<{ references: ObjectReference[]; expiring: Set<string> }> {
  const { object, status, context } = pass;
  const expiring = new Set<string>();
  let references = (object.spec.healthChecks ?? []).map(asReference);
  if (object.spec.wait === true) {
    const known = (await readRecord(context, object, pass.remote ?? {}))?.applied.objects ?? {};
    references = referencesOf(status.inventory?.entries ?? []).filter(
      (reference) => known[formatInventoryId(reference)]?.skipped !== true,
    );
    for (const [id, { expires }] of Object.entries(known)) if (expires === true) expiring.add(id);
  }
  const { name, namespace } = object.metadata;
  const own = (reference: ObjectReference) =>
    reference.kind === "Kustomization" && reference.name === name && reference.namespace === namespace;
  return { references: references.filter((reference) => !own(reference)), expiring };
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
 * Looks at health, at first again in place for a second at most, and undefined when all is well. Where something is still under way
 * the outcome asks for a later look; a failure or the deadline throws a Halt (KS-191 to KS-195, SN-08).
 */
export async function checkHealth(pass: Pass, check: HealthCheck): Promise<Outcome<KustomizationStatus> | undefined> {
  const { context, conditions, status } = pass;
  pass.revision = check.revision;
  pass.originRevision = check.originRevision;
  const { references, expiring } = await healthTargets(pass);
  const rules = await healthRulesOf(pass);
  const placeEnd = Date.now() + (check.looks === 0 ? inPlaceMilliseconds : 0);
  for (let pause = 50; ; pause = Math.min(pause * 2, 400)) {
    const observations = await observeHealth(pass.target, references, context.signal, rules);
    const pending = observations.filter(
      ({ status: health, reference }) =>
        health !== "Current" && !(health === "NotFound" && expiring.has(formatInventoryId(reference))),
    );
    const now = context.clock.now().getTime();
    if (pending.length === 0) {
      const message = `Health check passed in ${formatGoDuration(now - check.checkStartedAt)}`;
      if (check.tell) publish(pass, { type: "Normal", message, reason: "Progressing" });
      conditions.set("Healthy", "True", "Succeeded", message);
      return undefined;
    }
    const failed = pending.filter((observation) => observation.status === "Failed");
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
  if (check.looks === 0) conditions.remove("Healthy");
  conditions.set("Healthy", "Unknown", "Progressing", message);
  const since = conditions.get("Healthy")?.lastTransitionTime ?? "";
  const looks = check.looks + 1;
  return {
    status: { ...status, conditions: conditions.list() },
    events: pass.events,
    wake: pass.wake,
    unfinished: true,
    again: {
      afterSeconds: Math.min(looks, 5),
      continuation: { revision: check.revision, attempt: looks, state: formatHealthCheck({ ...check, since, looks }) },
    },
  };
}

function unhealthy(pass: Pass, check: HealthCheck, problem: string) {
  const took = pass.context.clock.now().getTime() - check.checkStartedAt;
  pass.conditions.set("Healthy", "False", "HealthCheckFailed", problem);
  pass.conditions.set("Reconciling", "True", "Progressing", progressMessage(pass, "Running health checks"));
  if (check.digest !== undefined) recordHistory(pass, check.digest, "HealthCheckFailed", check.startedAt);
  return failure("HealthCheckFailed", `health check failed after ${formatGoDuration(took)}: ${problem}`);
}

/**
 * Whether a health check of the revision that was attempted last is under way, this one where one is given: another look at it is
 * planned. One that has outlived its timeout was lost, and one that was canceled has ended.
 */
export function isCheckingHealth({ object, context, timeoutMilliseconds }: Pass, check?: HealthCheck): boolean {
  const healthy = object.status?.conditions?.find(({ type }) => type === "Healthy");
  const ready = object.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.reason !== "Progressing" || (check !== undefined && check.since !== healthy?.lastTransitionTime))
    return false;
  if (healthy?.reason !== "Progressing" || healthy.observedGeneration !== object.metadata.generation) return false;
  const since = context.clock.now().getTime() - Date.parse(healthy.lastTransitionTime);
  return since < timeoutMilliseconds + lostMilliseconds;
}

/** The state of a health check as a delayed look carries it. */
function formatHealthCheck(check: HealthCheck): { [key: string]: Json } {
  const { revision, originRevision, digest, ...others } = check;
  return {
    revision,
    ...(originRevision === undefined ? {} : { originRevision }),
    ...(digest === undefined ? {} : { digest }),
    ...others,
  };
}

/** The health check that a delayed look carries, or undefined where it carries none that can be read. */
export function parseHealthCheck(continuation: Continuation | undefined): HealthCheck | undefined {
  const state = continuation?.state;
  if (state === undefined) return undefined;
  const { revision, originRevision, digest, startedAt, checkStartedAt, since, deadline, tell, looks } = state;
  if (
    typeof since !== "string" ||
    typeof revision !== "string" ||
    typeof startedAt !== "number" ||
    typeof checkStartedAt !== "number"
  )
    return undefined;
  if (typeof deadline !== "number" || typeof tell !== "boolean" || typeof looks !== "number") return undefined;
  return {
    revision,
    ...(typeof originRevision === "string" ? { originRevision } : {}),
    ...(typeof digest === "string" ? { digest } : {}),
    startedAt,
    checkStartedAt,
    since,
    deadline,
    tell,
    looks,
  };
}
