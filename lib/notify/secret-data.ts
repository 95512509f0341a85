import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { getObject } from "../cluster/objects.ts";

/** The decoded values of a Secret, by key. */
export type SecretData = ReadonlyMap<string, Buffer>;

/** Reads a Secret. Throws ApiError (`isNotFound` where it is absent). */
export async function readSecretData(
  cluster: ClusterClient,
  { namespace, name }: { namespace: string; name: string },
  signal?: AbortSignal,
): Promise<SecretData> {
  const secret = await getObject<KubernetesObject & { data?: Record<string, string> }>(
    cluster,
    { apiVersion: "v1", kind: "Secret", namespace, name },
    signal,
  );
  return new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64")]));
}
