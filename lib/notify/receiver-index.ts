import type { Platform } from "../platform/ports.ts";

/**
 * The paths that Receivers have, outside of their clusters: while an API server does not answer it tells a request that must
 * not be lost from one that belongs to nobody (SV-006, SV-007). A Receiver's reconciliation keeps it in step.
 */
export async function indexReceiver(
  records: Platform["records"],
  clusterId: string,
  path: string,
  receiver: { namespace: string; name: string },
): Promise<void> {
  const key = indexKey(clusterId, path);
  if ((await records.get(key)) !== undefined) return;
  await records.put(key, receiver, "any");
}

/** Forgets a path. */
export async function unindexReceiver(records: Platform["records"], clusterId: string, path: string): Promise<void> {
  await records.remove(indexKey(clusterId, path), "any");
}

/** Whether a Receiver of this cluster had that path when it was last reconciled. */
export async function isIndexed(records: Platform["records"], clusterId: string, path: string): Promise<boolean> {
  return (await records.get(indexKey(clusterId, path))) !== undefined;
}

function indexKey(clusterId: string, path: string): string {
  return `receivers/${clusterId}/${path.slice("/hook/".length)}`;
}
