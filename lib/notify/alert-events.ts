import type { Alert } from "../api/alert.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { coreEvent, createEvent } from "../engine/events.ts";

/** A Warning on an Alert: how users learn of what is wrong with Alerts and Providers, which have no status. */
export type Warning = { reason: string; message: string; annotations?: Record<string, string> };

/** Longest message of a core/v1 Event, in characters. */
const messageCharacters = 1024;

/** Writes Warnings on an Alert as Kubernetes Events, and nowhere else. */
export async function warnOf(
  cluster: ClusterClient,
  alert: Alert,
  warnings: readonly Warning[],
  now: Date,
): Promise<void> {
  const { name, namespace = "", uid = "", resourceVersion } = alert.metadata;
  const involvedObject = {
    kind: "Alert",
    namespace,
    name,
    uid,
    apiVersion: alert.apiVersion,
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  await Promise.all(
    warnings.map(({ reason, message, annotations = {} }, index) =>
      createEvent(
        cluster,
        coreEvent({
          involvedObject,
          type: "Warning",
          reason,
          message: message.length > messageCharacters ? `${message.slice(0, messageCharacters - 2)} …` : message,
          metadata: annotations,
          reporter: "notification-controller",
          now,
          index,
        }),
      ),
    ),
  );
}
