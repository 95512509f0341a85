import type { Receiver } from "../api/receiver.ts";
import { ApiError, isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { NoKindMatch } from "../cluster/discovery.ts";
import { listObjects } from "../cluster/objects.ts";
import { readSecretData } from "./secret-data.ts";

/** A Receiver with the token of its Secret as it is now; undefined where Secret or key are missing. */
export type FoundReceiver = { receiver: Receiver; token: Uint8Array | undefined };

/** How long what was found for a path is believed, in milliseconds: a flood of calls becomes a few requests. */
const believedMilliseconds = 2000;
/** Paths that are remembered at most. */
const remembered = 1000;

/**
 * Finds the Receivers of a path in one cluster by field selector, or where the cluster's definition has none for it among all
 * of them (design, "State"). Two Receivers may share a path (QK-006). One that is being deleted no longer counts (RC-012).
 */
export function createReceiverLookup(
  now: () => number,
): (clusterId: string, cluster: ClusterClient, path: string, signal: AbortSignal) => Promise<FoundReceiver[]> {
  const known = new Map<string, { at: number; found: Promise<FoundReceiver[]> }>();
  return (clusterId, cluster, path, signal) => {
    const key = `${clusterId} ${path}`;
    const entry = known.get(key);
    if (entry !== undefined && Math.abs(now() - entry.at) < believedMilliseconds) return entry.found;
    const found = find(cluster, path, signal);
    if (known.size >= remembered) known.clear();
    known.set(key, { at: now(), found });
    found.catch(() => known.delete(key));
    return found;
  };
}

async function find(cluster: ClusterClient, path: string, signal: AbortSignal): Promise<FoundReceiver[]> {
  const receivers = await listReceivers(cluster, path, signal);
  return Promise.all(
    receivers
      .filter(({ status, metadata }) => status?.webhookPath === path && metadata.deletionTimestamp === undefined)
      .map(async (receiver) => ({ receiver, token: await readToken(cluster, receiver, signal) })),
  );
}

async function listReceivers(cluster: ClusterClient, path: string, signal: AbortSignal): Promise<Receiver[]> {
  const listing = { apiVersion: "notification.toolkit.fluxcd.io/v1", kind: "Receiver" };
  try {
    return await listObjects<Receiver>(cluster, { ...listing, fieldSelector: `status.webhookPath=${path}` }, signal);
  } catch (error) {
    if (error instanceof NoKindMatch || isNotFound(error)) return [];
    if (!(error instanceof ApiError) || error.statusCode !== 400) throw error;
    return listObjects<Receiver>(cluster, listing, signal);
  }
}

async function readToken(
  cluster: ClusterClient,
  { metadata, spec }: Receiver,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (spec.secretRef === undefined) return undefined;
  try {
    const secret = { namespace: metadata.namespace ?? "", name: spec.secretRef.name };
    return (await readSecretData(cluster, secret, signal)).get("token");
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
