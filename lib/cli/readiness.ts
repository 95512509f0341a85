import type { Condition } from "../api/condition.ts";
import { runtimeNamespace } from "../api/install/labels.ts";
import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { findObject, listObjects } from "../cluster/objects.ts";
import { type Component, kindNamed, kinds } from "../engine/kinds.ts";
import { gatesOf, isPlaceholder, type Placeholder } from "../engine/settings.ts";
import type { NamedObject } from "./named-object.ts";

/** A core/v1 Event, as far as it is read. */
export type ReadEvent = KubernetesObject & {
  type?: string;
  reason?: string;
  message?: string;
  lastTimestamp?: string | null;
};

/** An object with the specification and status that all kinds share. */
export type Explained = KubernetesObject & {
  spec?: { interval?: string; suspend?: boolean; type?: string };
  status?: { conditions?: Condition[]; observedGeneration?: number; lastHandledReconcileAt?: string };
};

/** Who does a component's work: Sluice, a controller in the cluster, nobody; or it may not be looked up. */
export type Owner = "sluice" | "controller" | "nobody" | "unknown";

/** What an object is made of or waits for: absent where there is no such object, unreadable where it may not be read. */
export type Needed = { reference: ObjectReference; object: Explained | "absent" | "unreadable" };

/** All that says why an object is, or is not, ready (SB-010). */
export type Readiness = {
  object: Explained;
  component: Component;
  owner: Owner;
  /** With which gates of its placeholder the component's controller would not start, a sentence each (DEF-004). */
  refusedGates: string[];
  needs: Needed[];
  /** In order of time. */
  events: ReadEvent[];
};

/** Reads it from the cluster. Throws a sentence where there is no such object, and ApiError where it may not be read. */
export async function readReadiness(
  client: ClusterClient,
  { kind: { kind, apiVersion, component }, name }: NamedObject,
  namespace: string,
): Promise<Readiness> {
  const object = await findObject<Explained>(client, { apiVersion, kind, namespace, name });
  if (object === undefined) throw new Error(`there is no ${kind} '${name}' in the namespace '${namespace}'`);
  const [{ owner, refusedGates }, needs, events] = await Promise.all([
    ownerOf(client, component),
    Promise.all(needsOf(object).map((reference) => readNeeded(client, reference))),
    eventsOf(client, object, namespace),
  ]);
  return { object, component, owner, refusedGates, needs, events };
}

async function ownerOf(client: ClusterClient, name: Component): Promise<Pick<Readiness, "owner" | "refusedGates">> {
  const placeholder = { apiVersion: "apps/v1", kind: "Deployment", namespace: runtimeNamespace, name };
  try {
    const found = await findObject<Placeholder>(client, placeholder);
    if (found === undefined) return { owner: "nobody", refusedGates: [] };
    if (!isPlaceholder(found)) return { owner: "controller", refusedGates: [] };
    return { owner: "sluice", refusedGates: gatesOf(found).problems };
  } catch (error) {
    if (isForbidden(error)) return { owner: "unknown", refusedGates: [] };
    throw error;
  }
}

async function readNeeded(client: ClusterClient, reference: ObjectReference): Promise<Needed> {
  try {
    return { reference, object: (await findObject<Explained>(client, reference)) ?? "absent" };
  } catch (error) {
    if (isForbidden(error)) return { reference, object: "unreadable" };
    throw error;
  }
}

async function eventsOf(client: ClusterClient, { kind, metadata }: Explained, namespace: string): Promise<ReadEvent[]> {
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${metadata.name}`;
  try {
    const events = await listObjects<ReadEvent>(client, { apiVersion: "v1", kind: "Event", namespace, fieldSelector });
    const position = (event: ReadEvent) => `${event.lastTimestamp ?? ""} ${event.metadata.name}`;
    return events.sort((a, b) => (position(a) < position(b) ? -1 : 1));
  } catch (error) {
    if (isForbidden(error)) return [];
    throw error;
  }
}

/** The objects of Sluice's kinds that an object refers to: its source, what it includes, what it is generated from, what it depends on. */
export function needsOf({ kind, spec, metadata: { namespace = "" } }: KubernetesObject): ObjectReference[] {
  const { sourceRef, include, sources, dependsOn } = record(spec);
  return [
    ...referenceOf(record(sourceRef), namespace),
    ...list(include).flatMap((entry) =>
      referenceOf({ ...record(record(entry).repository), kind: "GitRepository" }, namespace),
    ),
    ...list(sources).flatMap((entry) => referenceOf(record(entry), namespace)),
    ...list(dependsOn).flatMap((entry) => referenceOf({ ...record(entry), kind }, namespace)),
  ];
}

function referenceOf({ kind, name, namespace }: Record<string, unknown>, home: string): ObjectReference[] {
  const identity = typeof kind === "string" ? kindNamed(kind) : undefined;
  if (identity === undefined || typeof name !== "string" || name === "") return [];
  return [
    {
      apiVersion: kinds[identity.kind].apiVersion,
      kind: identity.kind,
      namespace: typeof namespace === "string" && namespace !== "" ? namespace : home,
      name,
    },
  ];
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isForbidden(error: unknown): boolean {
  return error instanceof ApiError && error.statusCode === 403;
}
