import type { Alert } from "../api/alert.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { coreEvent, createEvent } from "../engine/events.ts";

/** What is said on an Alert: how users learn of what is wrong with Alerts and Providers, which have no status. */
export type AlertEvent = {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
  annotations?: Record<string, string>;
};

/** A Warning on an Alert. */
export type Warning = Omit<AlertEvent, "type">;

/** Longest message of a core/v1 Event, in characters. */
const messageCharacters = 1024;

/** Writes Warnings on an Alert. */
export function warnOf(cluster: ClusterClient, alert: Alert, warnings: readonly Warning[], now: Date): Promise<void> {
  return recordOnAlert(
    cluster,
    alert,
    warnings.map((warning) => ({ type: "Warning", ...warning })),
    now,
  );
}

/** Writes events on an Alert as Kubernetes Events, and nowhere else. */
export async function recordOnAlert(
  cluster: ClusterClient,
  alert: Alert,
  events: readonly AlertEvent[],
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
    events.map(({ type, reason, message, annotations = {} }, index) =>
      createEvent(
        cluster,
        coreEvent({
          involvedObject,
          type,
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
