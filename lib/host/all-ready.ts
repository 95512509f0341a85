import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesObject } from "../api/object.ts";
import { isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { kinds, pathOf } from "../engine/kinds.ts";
import type { Kind } from "../engine/work-item.ts";

/** What an object says of itself, in the state that its spec asks for now. */
export type Readiness = {
  object: string;
  state: "Ready" | "Suspended" | "Reconciling" | "Failed" | "Stalled";
  message: string;
};

type Conditioned = KubernetesObject & {
  spec?: { suspend?: boolean; type?: string };
  status?: { observedGeneration?: number; conditions?: { type: string; status: string; message?: string }[] };
};

/**
 * Waits until every object of Sluice's kinds is Ready or suspended, and resolves with all of them, ready or not: sooner when those
 * that are not ready are stalled, since they wait for somebody to change them, and when `seconds` have passed.
 */
export async function waitUntilAllReady(
  client: ClusterClient,
  options: { seconds: number; signal: AbortSignal },
): Promise<{ ready: boolean; objects: Readiness[] }> {
  const deadline = Date.now() + options.seconds * 1000;
  for (;;) {
    const objects = await readAll(client, options.signal);
    const waiting = objects.filter(({ state }) => state !== "Ready" && state !== "Suspended");
    if (waiting.length === 0) return { ready: true, objects };
    if (waiting.every(({ state }) => state === "Stalled") || Date.now() > deadline) return { ready: false, objects };
    await sleep(100, undefined, { signal: options.signal });
  }
}

async function readAll(client: ClusterClient, signal: AbortSignal): Promise<Readiness[]> {
  const lists = await Promise.all(
    Object.values(kinds).map(async ({ kind }) => {
      const items = await listOf(client, kind, signal);
      return items.map((object) => readinessOf({ ...object, kind }));
    }),
  );
  return lists.flat();
}

/** Not every cluster has all kinds; HelmRepositories that are only read have no readiness (HR-013). */
async function listOf(client: ClusterClient, kind: Kind, signal: AbortSignal): Promise<Conditioned[]> {
  if (kinds[kind].defaultIntervalSeconds === 0) return [];
  try {
    const list = await client.request<{ items: Conditioned[] }>({ method: "GET", path: pathOf(kind), signal });
    return list.items.filter(({ spec }) => spec?.type !== "oci");
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

/** Readiness by the rules of kstatus: a status of an earlier generation says nothing. */
export function readinessOf({ kind, metadata, spec, status }: Conditioned): Readiness {
  const object = `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
  if (spec?.suspend === true) return { object, state: "Suspended", message: "" };
  const condition = (type: string) => status?.conditions?.find((candidate) => candidate.type === type);
  const ready = condition("Ready");
  const message = ready?.message ?? "";
  const current = status?.observedGeneration === metadata.generation;
  if (current && condition("Stalled")?.status === "True") return { object, state: "Stalled", message };
  if (current && ready?.status === "True") return { object, state: "Ready", message };
  return { object, state: ready?.status === "False" ? "Failed" : "Reconciling", message };
}
