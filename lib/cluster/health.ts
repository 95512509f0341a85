import type { ObjectReference } from "../api/object.ts";
import type { ClusterClient } from "./client.ts";

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

/**
 * Looks once at each object and says how it is by the rules of kstatus (section 11 of kustomization.md). The observations
 * are in the order of the references. Objects of one kind and namespace are read with one LIST where that is cheaper.
 * A read that is refused is an observation (`Unknown`), not an error; an aborted signal rejects.
 */
export async function observeHealth(
  _client: ClusterClient,
  _references: readonly ObjectReference[],
  _signal?: AbortSignal,
): Promise<HealthObservation[]> {
  throw new Error("being written");
}
