import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { kinds, pathOf } from "../engine/kinds.ts";
import { messageOf } from "../text/error-message.ts";

/**
 * Makes sure that a cluster answers and serves Sluice's kinds. Throws a sentence that says what to do where it does not: a host that
 * sees none of its kinds would wait in silence.
 */
export async function requirePrepared(client: ClusterClient, signal?: AbortSignal): Promise<void> {
  for (const { kind, apiVersion } of Object.values(kinds)) {
    try {
      const request = { method: "GET", path: pathOf(kind), query: { limit: 1 } } as const;
      await client.request(signal === undefined ? request : { ...request, signal });
    } catch (error) {
      if (!(error instanceof ApiError)) {
        const why = messageOf(error);
        throw new Error(`the cluster does not answer: ${why}`, { cause: error });
      }
      if (error.statusCode === 401 || error.statusCode === 403)
        throw new Error(`the cluster refuses the credentials of the kubeconfig: ${error.message}`, { cause: error });
      if (error.statusCode !== 404) throw error;
      throw new Error(
        `the cluster does not serve ${kind} (${apiVersion}): prepare it by sluice install, or start with --install`,
        { cause: error },
      );
    }
  }
}
