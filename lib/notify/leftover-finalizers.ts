import type { Alert } from "../api/alert.ts";
import type { ObjectMeta } from "../api/object.ts";
import { isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { NoKindMatch } from "../cluster/discovery.ts";
import { listMetadata, listObjects, patchObject } from "../cluster/objects.ts";
import { fluxFinalizer } from "../engine/kinds.ts";
import { recordOnAlert } from "./alert-events.ts";

const apiVersion = "notification.toolkit.fluxcd.io/v1beta3";

/**
 * Takes Flux's finalizer off the objects that Sluice does not reconcile: off a Provider that is being deleted (PR-014), and off
 * Alerts, where only old releases put it (AL-012). Without this they would never go.
 */
export async function removeLeftoverFinalizers(cluster: ClusterClient, now: Date): Promise<void> {
  const [alerts, providers] = await Promise.all([
    orNone(listObjects<Alert>(cluster, { apiVersion, kind: "Alert" })),
    orNone(listMetadata(cluster, { apiVersion, kind: "Provider" })),
  ]);
  const isHeld = ({ finalizers = [] }: ObjectMeta) => finalizers.includes(fluxFinalizer);
  const isGoing = ({ deletionTimestamp }: ObjectMeta) => deletionTimestamp !== undefined;
  await Promise.all([
    ...alerts
      .filter(({ metadata, spec }) => isHeld(metadata) && (isGoing(metadata) || spec.suspend !== true))
      .map(async (alert) => {
        await release(cluster, "Alert", alert.metadata);
        if (isGoing(alert.metadata)) return;
        const message = "removed finalizer from Alert to migrate to static Alert";
        await recordOnAlert(cluster, alert, [{ type: "Normal", reason: "Migration", message }], now);
      }),
    ...providers
      .filter(({ metadata }) => isHeld(metadata) && isGoing(metadata))
      .map(({ metadata }) => release(cluster, "Provider", metadata)),
  ]);
}

/** The resourceVersion makes the change conditional: somebody else's finalizer is never lost. A conflict is the next minute's. */
async function release(cluster: ClusterClient, kind: string, metadata: ObjectMeta): Promise<void> {
  const { namespace = "", name, resourceVersion, finalizers = [] } = metadata;
  const merge = { metadata: { resourceVersion, finalizers: finalizers.filter((one) => one !== fluxFinalizer) } };
  try {
    await patchObject(
      cluster,
      { apiVersion, kind, namespace, name },
      { merge },
      { fieldManager: "notification-controller" },
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function orNone<T>(list: Promise<T[]>): Promise<T[]> {
  try {
    return await list;
  } catch (error) {
    if (error instanceof NoKindMatch || isNotFound(error)) return [];
    throw error;
  }
}
