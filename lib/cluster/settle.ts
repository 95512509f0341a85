import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import type { ClusterClient } from "./client.ts";
import { type HealthObservation, observeHealth } from "./health.ts";
import { computeStatus } from "./kstatus.ts";
import { referenceTo } from "./objects.ts";
import { formatSubject } from "./subject.ts";

/** How long it is looked again in place, in milliseconds (design, decision 4). */
const inPlaceMilliseconds = 1000;

/**
 * What of these objects is not ready (KS-131): `known` as they were answered when they were applied, and `unknown` of which nothing
 * has been read (KS-132). It is looked again in place for a second at most. What is known to be ready costs no request.
 */
export async function settle(
  client: ClusterClient,
  { known, unknown }: { known: readonly KubernetesObject[]; unknown: readonly ObjectReference[] },
  signal: AbortSignal | undefined,
): Promise<HealthObservation[]> {
  let open = [
    ...known.map((object): HealthObservation => ({ reference: referenceTo(object), ...computeStatus(object) })),
    ...(await observeHealth(client, unknown, signal)),
  ].filter(isOpen);
  const end = Date.now() + inPlaceMilliseconds;
  for (let pause = 10; open.length > 0 && !open.every(isFailed); pause = Math.min(pause * 2, 160)) {
    if (Date.now() + pause > end) break;
    await sleep(pause);
    const references = open.map(({ reference }) => reference);
    open = (await observeHealth(client, references, signal)).filter(isOpen);
  }
  return open;
}

/** What ends the wait at once: nothing is under way any more, and something has failed. The text is Flux's. */
export function formatStalled(open: readonly HealthObservation[]): string | undefined {
  if (open.length === 0 || !open.every(isFailed)) return undefined;
  const stalled = open.map((observation) => `${formatSubject(observation.reference)} status: '${observation.status}'`);
  return `failed early due to stalled resources: [${stalled.join(", ")}]`;
}

function isOpen({ status }: HealthObservation): boolean {
  return status !== "Current";
}

function isFailed({ status }: HealthObservation): boolean {
  return status === "Failed";
}
