import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesObject } from "../api/object.ts";
import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { findMetadata } from "../cluster/objects.ts";
import { pathOf, requestedAtAnnotation } from "./kinds.ts";
import type { WorkItem } from "./work-item.ts";

/** An object of one of the engine's kinds as the API server holds it; its CRD's schema has validated spec and status. */
export type FreshObject = KubernetesObject & {
  spec?: { [field: string]: unknown };
  status?: { [field: string]: unknown };
};

/** How long a reader waits in place for a state that an admission call announced; then the schedule finds it. */
const announcedWithinMilliseconds = 1500;

/**
 * Reads an object, at least as new as the item's cause says (SN-004): admission calls come before the object is stored.
 * Undefined where it does not exist or the watch label selector leaves it to another shard (KS-015, SRC-034).
 */
export async function readFresh(
  cluster: ClusterClient,
  item: WorkItem,
  labelSelector: string,
  signal: AbortSignal,
): Promise<FreshObject | undefined> {
  const giveUp = Date.now() + announcedWithinMilliseconds;
  for (let pause = 10; ; pause = Math.min(pause * 2, 200)) {
    const object = await read(cluster, item, labelSelector);
    if (showsAnnounced(object, item) || Date.now() + pause > giveUp) return object;
    await sleep(pause, undefined, { signal });
  }
}

/**
 * Waits until the change of another object that an admission call told of is stored, or for as long as a reader waits at most: a
 * pass that came earlier would find nothing to repair. A change that was refused after the call is not waited for any longer.
 */
export async function untilStored(cluster: ClusterClient, { cause }: WorkItem, signal: AbortSignal): Promise<void> {
  if (!("overwritten" in cause) || cause.overwritten === undefined) return;
  const { resourceVersion, ...reference } = cause.overwritten;
  const giveUp = Date.now() + announcedWithinMilliseconds;
  for (let pause = 10; Date.now() < giveUp; pause = Math.min(pause * 2, 200)) {
    // Who may not be asked, or is of a kind that is gone, is not waited for.
    const found = await findMetadata(cluster, reference, signal).catch(() => undefined);
    if ((found?.metadata.resourceVersion ?? "") !== resourceVersion) return;
    await sleep(pause, undefined, { signal });
  }
}

async function read(cluster: ClusterClient, item: WorkItem, labelSelector: string): Promise<FreshObject | undefined> {
  if (labelSelector !== "") {
    const list = await cluster.request<{ items: FreshObject[] }>({
      method: "GET",
      path: pathOf(item.kind, item.namespace),
      query: { fieldSelector: `metadata.name=${item.name}`, labelSelector },
    });
    return list.items[0];
  }
  try {
    return await cluster.request<FreshObject>({ method: "GET", path: pathOf(item.kind, item.namespace, item.name) });
  } catch (error) {
    if (error instanceof ApiError && error.statusCode === 404) return undefined;
    throw error;
  }
}

function showsAnnounced(object: FreshObject | undefined, { cause }: WorkItem): boolean {
  if (cause.type !== "admission") return true;
  if (cause.deleted === true)
    return object === undefined || object.metadata.deletionTimestamp !== undefined || isOther(object, cause.uid);
  if (object === undefined) return false;
  if (isOther(object, cause.uid)) return true;
  const requested = object.metadata.annotations?.[requestedAtAnnotation];
  return (
    (cause.generation === undefined || (object.metadata.generation ?? 0) >= cause.generation) &&
    (cause.requestedAt === undefined || requested === cause.requestedAt)
  );
}

function isOther(object: KubernetesObject, uid: string): boolean {
  return uid !== "" && object.metadata.uid !== uid;
}
