import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { messageOf } from "../text/error-message.ts";
import type { ClusterClient } from "./client.ts";
import type { HealthRules } from "./health-expressions.ts";
import { formatInventoryId } from "./inventory.ts";
import { computeStatus, isUnschedulable } from "./kstatus.ts";
import { formatSelector, groupByKind, readKind } from "./live.ts";
import { listObjects } from "./objects.ts";
import { isStatusless } from "./statusless.ts";
import { textsAt } from "./unstructured.ts";

/** kstatus: where an object is on the way to what its specification asks for (KS-196). */
export type HealthStatus = "Current" | "InProgress" | "Failed" | "NotFound" | "Terminating" | "Unknown";

/** What one look at one object found. */
export type HealthObservation = {
  reference: ObjectReference;
  status: HealthStatus;
  message: string;
  /** Why the status is `Unknown`: the error of the read, or of rules that do not fit the object (KS-194). */
  error?: string;
};

/** Reads at a time. */
const concurrency = 8;
/** A LIST of a namespace also brings what nobody asked about: worth it from so many objects of a kind on. */
const listFrom = 4;

/**
 * Looks once at each object and says how it is by the rules of kstatus (section 11 of kustomization.md). The observations
 * are in the order of the references. Objects of one kind and namespace are read with one LIST where that is cheaper.
 * A read that is refused is an observation (`Unknown`), not an error; an aborted signal rejects. `rules` say how the kinds are
 * that kstatus does not know, or has other rules for (KS-201).
 */
export async function observeHealth(
  client: ClusterClient,
  references: readonly ObjectReference[],
  signal?: AbortSignal,
  rules: HealthRules = () => undefined,
): Promise<HealthObservation[]> {
  const asked = references.map((reference) => ({ reference, namespace: reference.namespace ?? "" }));
  const groups = groupByKind(asked).flatMap((kind) => [...Map.groupBy(kind, ({ namespace }) => namespace).values()]);
  const observed = new Map<ObjectReference, HealthObservation>();
  await Promise.all(
    groups.map(async (group) => {
      const inGroup = group.map(({ reference }) => reference);
      for (const observation of await observeGroup(client, inGroup, rules, signal)) {
        observed.set(observation.reference, observation);
      }
    }),
  );
  return references.flatMap((reference) => observed.get(reference) ?? []);
}

/** Objects of one kind in one namespace. */
async function observeGroup(
  client: ClusterClient,
  references: ObjectReference[],
  rules: HealthRules,
  signal: AbortSignal | undefined,
): Promise<HealthObservation[]> {
  const knownByMetadata = references.some((reference) => isStatusless(reference) && rules(reference) === undefined);
  const content = knownByMetadata ? "metadata" : "whole";
  try {
    const live = await readKind(client, references, { content, listFrom, concurrency, signal });
    return await Promise.all(
      references.map((reference) => observe(client, reference, live.get(formatInventoryId(reference)), rules, signal)),
    );
  } catch (error) {
    if (signal?.aborted === true) throw error;
    if (references.length === 1) return references.map((reference) => unknown(reference, error));
    // One refusal must not hide what the others are: each is asked by itself.
    return (await Promise.all(references.map((reference) => observeGroup(client, [reference], rules, signal)))).flat();
  }
}

/** What an object, read or found absent, is. */
async function observe(
  client: ClusterClient,
  reference: ObjectReference,
  object: KubernetesObject | undefined,
  rules: HealthRules,
  signal: AbortSignal | undefined,
): Promise<HealthObservation> {
  if (object === undefined) return { reference, status: "NotFound", message: "Resource not found" };
  try {
    const rule = rules(reference);
    if (rule !== undefined) return { reference, ...rule(object) };
    const computed = computeStatus(object);
    const hasPods = /^apps\/.* (StatefulSet|ReplicaSet)$/.test(`${reference.apiVersion} ${reference.kind}`);
    if (computed.status !== "InProgress" || !hasPods) return { reference, ...computed };
    const failures = await countFailedPods(client, object, signal);
    return failures === 0
      ? { reference, ...computed }
      : { reference, status: "Failed", message: `${failures} pods have failed` };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return unknown(reference, error);
  }
}

/** KS-198: pods that crash in a loop; neither those without a node nor those that are going. */
async function countFailedPods(
  client: ClusterClient,
  owner: KubernetesObject,
  signal: AbortSignal | undefined,
): Promise<number> {
  const labels = textsAt(owner, "spec", "selector", "matchLabels");
  const { namespace } = owner.metadata;
  if (Object.keys(labels).length === 0 || namespace === undefined) return 0;
  const listing = { apiVersion: "v1", kind: "Pod", namespace, labelSelector: formatSelector(labels) };
  const pods = (await listObjects(client, listing, signal)).map((pod) => ({ ...pod, apiVersion: "v1", kind: "Pod" }));
  return pods.filter(
    (pod) =>
      pod.metadata.deletionTimestamp === undefined && !isUnschedulable(pod) && computeStatus(pod).status === "Failed",
  ).length;
}

function unknown(reference: ObjectReference, error: unknown): HealthObservation {
  const message = messageOf(error);
  return { reference, status: "Unknown", message, error: message };
}
