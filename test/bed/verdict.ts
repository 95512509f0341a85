import type { KubernetesObject } from "../../lib/api/object.ts";
import { ApiError } from "../../lib/cluster/api-error.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { applyObject } from "../../lib/cluster/objects.ts";

/** What the API server says of an object in a dry run: `accepted`, or its status code and message. */
export async function verdictOn(client: ClusterClient, object: KubernetesObject): Promise<string> {
  try {
    await applyObject(client, object, { fieldManager: "test", dryRun: true });
    return "accepted";
  } catch (error) {
    if (error instanceof ApiError) return `${error.statusCode} ${error.message}`;
    throw error;
  }
}
