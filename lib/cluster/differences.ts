import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { ApiError } from "./api-error.ts";
import type { ApplyAction, ApplyOptions } from "./apply.ts";
import type { ClusterClient } from "./client.ts";
import { concurrently } from "./concurrently.ts";
import { NoKindMatch } from "./discovery.ts";
import { takeOverFields } from "./field-managers.ts";
import { compileIgnoreRules, ignoredPaths, withoutPaths } from "./ignore.ts";
import { isFrozen, isMarked } from "./object-metadata.ts";
import { findObject } from "./objects.ts";
import { compareForApply, groupOf } from "./order.ts";
import { kindsDefinedBy, type Planned, planObjects, scope } from "./plan.ts";
import { hasDrifted, type Probing, tryApply } from "./probe.ts";
import { mayRecreate } from "./recreate.ts";
import { formatRefusal, isImmutable } from "./refusal.ts";
import { maskSecrets } from "./secret-mask.ts";

/** What an apply would do about one object. */
export type Difference =
  | { reference: ObjectReference; action: Exclude<ApplyAction, "configured"> }
  /**
   * The object as it is, and as it would be: without managed fields, without what is left to others (KS-150), and with a Secret's
   * values told apart but not told. `anew`: it would be deleted first (KS-148).
   */
  | { reference: ObjectReference; action: "configured"; live: KubernetesObject; wanted: KubernetesObject; anew?: true }
  /** The API server would not take it; the message is the one of a failed apply. */
  | { reference: ObjectReference; action: "refused"; message: string };

/**
 * What an apply of these objects would do, in apply order, as far as it can be known before: nothing is written. What comes with the
 * set cannot be tried before it is there: objects of its new kinds and in its new namespaces are `created`. All objects are looked at
 * (no record counts), two requests each. Throws ApiError and the reason of an aborted signal.
 */
export async function planDifferences(
  client: ClusterClient,
  objects: readonly KubernetesObject[],
  options: Omit<ApplyOptions, "record" | "look">,
): Promise<Difference[]> {
  const ignored = await compileIgnoreRules(options.ignore ?? []);
  const probing: Probing = { client, options, freshGroups: new Set(), ignored };
  const planned = await planObjects(client, objects, undefined, options);
  planned.sort((a, b) => compareForApply(a.reference, b.reference));
  const kinds = kindsDefinedBy(objects);
  const namespaces = new Set(objects.filter(isNamespace).map(({ metadata }) => metadata.name));
  const isToCome = ({ object }: Planned) =>
    kinds.has(`${groupOf(object.apiVersion)} ${object.kind}`) || namespaces.has(object.metadata.namespace ?? "");
  return concurrently(planned, options.concurrency ?? 4, async (plan) => {
    await scope(client, plan, options);
    return differenceOf(probing, plan, isToCome(plan));
  });
}

async function differenceOf(probing: Probing, plan: Planned, isToCome: boolean): Promise<Difference> {
  const { client, options, ignored } = probing;
  const { group, fieldManager, overrideManagers = [], signal } = options;
  const { reference } = plan;
  if (isFrozen(plan.object, group)) return { reference, action: "skipped" };
  const [trial, live] = await Promise.all([
    tryApply(probing, plan),
    findObject<KubernetesObject>(client, reference, signal).catch(absentIfUnreadable),
  ]);
  const isKept = isMarked(plan.object, `${group}/ssa`, "IfNotPresent");
  if (live !== undefined && (isKept || isFrozen(live, group))) return { reference, action: "skipped" };
  if ("error" in trial) {
    const { error } = trial;
    if (live === undefined && isToCome && isAbsence(error)) return { reference, action: "created" };
    const isAnew = live !== undefined && isImmutable(error) && mayRecreate(plan.object, live, options);
    if (!isAnew) return { reference, action: "refused", message: formatRefusal(reference, error) };
    return { reference, action: "configured", ...shown(live, plan.object, []), anew: true };
  }
  if (live === undefined) return { reference, action: "created" };
  const paths = ignoredPaths(ignored, trial.object);
  const isMerged = isMarked(plan.object, `${group}/ssa`, "Merge") || isMarked(live, `${group}/ssa`, "Merge");
  const isTakenOver = !isMerged && takeOverFields(live, fieldManager, overrideManagers).length > 0;
  if (!isTakenOver && !hasDrifted(live, trial.object, paths)) return { reference, action: "unchanged" };
  return { reference, action: "configured", ...shown(live, trial.object, paths) };
}

function shown(live: KubernetesObject, wanted: KubernetesObject, paths: readonly string[]) {
  return maskSecrets(
    withoutPaths(live, [...paths, "/metadata/managedFields"]),
    withoutPaths(wanted, [...paths, "/metadata/managedFields"]),
  );
}

function absentIfUnreadable(error: unknown): undefined {
  if (error instanceof NoKindMatch || (error instanceof ApiError && error.statusCode === 403)) return undefined;
  throw error;
}

function isAbsence(error: unknown): boolean {
  return error instanceof NoKindMatch || (error instanceof ApiError && error.statusCode === 404);
}

function isNamespace({ apiVersion, kind }: KubernetesObject): boolean {
  return apiVersion === "v1" && kind === "Namespace";
}
