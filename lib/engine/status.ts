import type { KubernetesObject } from "../api/object.ts";
import { ApiError, isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { isFields } from "../text/fields.ts";
import type { FreshObject } from "./fresh.ts";
import { kinds, pathOf } from "./kinds.ts";
import type { Status } from "./reconciler.ts";
import type { Kind } from "./work-item.ts";

/**
 * A JSON merge patch (RFC 7386) that turns `from` into `to`, or undefined where they are equal.
 * Lists are replaced as a whole; a field that `to` lacks becomes null.
 */
export function mergePatch(from: unknown, to: unknown): unknown {
  if (!isFields(from) || !isFields(to)) return equal(from, to) ? undefined : to;
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(from)) if (to[key] === undefined && from[key] !== undefined) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    if (value === undefined) continue;
    const change = mergePatch(from[key], value);
    if (change !== undefined) patch[key] = change;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/**
 * Writes a status if it differs from what the object has, by the kind's field manager (KS-227, SRC-031).
 * Returns the object as it is then. The patch holds the resourceVersion that was read; on a conflict the newest object is
 * read and `compute` decides again from it, five times at most, so that nobody's change is lost.
 */
export async function writeStatus(
  cluster: ClusterClient,
  kind: Kind,
  object: KubernetesObject,
  compute: (current: KubernetesObject) => Status,
): Promise<{ object: KubernetesObject; written: boolean }> {
  let current = object;
  for (let attempt = 1; ; attempt++) {
    const patch = mergePatch(current.status ?? {}, compute(current));
    // A conflict after which nothing is left to do is one with a write of ours whose answer was lost.
    if (patch === undefined) return { object: current, written: attempt > 1 };
    try {
      const answer = await cluster.request({
        method: "PATCH",
        path: `${pathOf(kind, current.metadata.namespace, current.metadata.name)}/status`,
        query: { fieldManager: kinds[kind].fieldManager },
        contentType: "application/merge-patch+json",
        body: { metadata: { resourceVersion: current.metadata.resourceVersion }, status: patch },
      });
      return { object: answer, written: true };
    } catch (error) {
      if (!(error instanceof ApiError) || error.statusCode !== 409 || attempt === 5) throw error;
      current = await cluster.request({
        method: "GET",
        path: pathOf(kind, current.metadata.namespace, current.metadata.name),
      });
    }
  }
}

/**
 * Changes `metadata.finalizers` and returns the object as it was stored, or undefined where it is gone. The resourceVersion
 * makes the change conditional; on a conflict the newest object is read and decided anew, five times at most.
 */
export async function writeFinalizers(
  cluster: ClusterClient,
  kind: Kind,
  object: FreshObject,
  change: (finalizers: string[]) => string[],
): Promise<FreshObject | undefined> {
  const path = pathOf(kind, object.metadata.namespace, object.metadata.name);
  let current = object;
  for (let attempt = 1; ; attempt++) {
    const { resourceVersion, finalizers = [] } = current.metadata;
    try {
      return await cluster.request({
        method: "PATCH",
        path,
        query: { fieldManager: kinds[kind].fieldManager },
        contentType: "application/merge-patch+json",
        body: { metadata: { resourceVersion, finalizers: change(finalizers) } },
      });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!(error instanceof ApiError) || error.statusCode !== 409 || attempt === 5) throw error;
      current = await cluster.request({ method: "GET", path });
    }
  }
}

function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  if (isFields(a) && isFields(b)) {
    const keys = Object.keys(a).filter((key) => a[key] !== undefined);
    return (
      keys.length === Object.keys(b).filter((key) => b[key] !== undefined).length &&
      keys.every((key) => equal(a[key], b[key]))
    );
  }
  return false;
}
