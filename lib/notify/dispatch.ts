import { setTimeout as sleep } from "node:timers/promises";
import type { Alert } from "../api/alert.ts";
import { isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { NoKindMatch } from "../cluster/discovery.ts";
import { findMetadata, listObjects } from "../cluster/objects.ts";
import type { ClusterConnections } from "../engine/clusters.ts";
import { settingsReader } from "../engine/settings.ts";
import type { Platform } from "../platform/ports.ts";
import { warnOf } from "./alert-events.ts";
import { matchAlert } from "./alert-match.ts";
import { cleanMetadata, type NotificationEvent, rateLimitKey, withoutToken } from "./event.ts";
import { openLedger } from "./ledger.ts";
import { formatMessage, type NotificationMessage, parseMessage, timeOf } from "./message.ts";
import { sendToProvider } from "./send.ts";

/**
 * Works on one message of the notification queue. An event that happened is limited (EI-005 to EI-007), matched against the
 * cluster's Alerts, and becomes one message for each of them; such a message is sent to the Alert's Provider. A throw means:
 * deliver it again, and nothing is then sent twice that is known to have arrived.
 */
export async function dispatchNotification(
  platform: Platform,
  connect: ClusterConnections,
  body: string,
  runtimeNamespace = "flux-system",
): Promise<void> {
  const message = parseMessage(body);
  const cluster = await connect(message.cluster);
  const { owned, settings } = await settingsReader(platform, runtimeNamespace)(
    message.cluster,
    cluster,
    "notification-controller",
  );
  if (!owned) return platform.log.debug("notification-controller is not Sluice's here", { cluster: message.cluster });
  const ledger = openLedger(
    platform.records,
    () => platform.clock.now().getTime(),
    message.cluster,
    message.event.involvedObject,
  );
  const { delivery } = message;
  if (delivery !== undefined) return sendToProvider({ platform, cluster, settings, ledger }, { ...message, delivery });

  const event = cleanMetadata(message.event);
  if (!(await ledger.admit(rateLimitKey(event), message.id, settings.rateLimitIntervalSeconds * 1000)))
    return platform.log.debug("an event like it went out lately", { cluster: message.cluster, reason: event.reason });
  await fanOut(platform, cluster, { ...message, event: withoutToken(event) });
}

/** EI-009: one accepted event goes to every Alert that takes it. */
async function fanOut(platform: Platform, cluster: ClusterClient, message: NotificationMessage): Promise<void> {
  const now = platform.clock.now().getTime();
  const alerts = await alertsSince(cluster, timeOf(message) ?? now, now);
  let labels: Promise<Record<string, string>> | undefined;
  const readLabels = () => {
    labels ??= labelsOf(cluster, message.event);
    return labels;
  };
  const taken = await Promise.all(
    alerts.map(async (alert) => {
      const { matches, warnings } = await matchAlert(alert, message.event, readLabels);
      await warnOf(cluster, alert, warnings, platform.clock.now());
      return matches ? [alert] : [];
    }),
  );
  const messages = taken
    .flat()
    .map(({ metadata: { namespace = "", name } }) =>
      formatMessage({ ...message, delivery: { namespace, alert: name, failed: 0, warned: false } }),
    );
  if (messages.length > 0) await platform.queue.send("notification", messages);
}

/** Readings of one cluster's Alerts are this far apart at least, in milliseconds: one push may make hundreds of events. */
const apartMilliseconds = 100;

const readings = new WeakMap<ClusterClient, { begins: number; alerts: Promise<Alert[]> }>();

/**
 * The Alerts of a cluster as they were when an event happened, or later: one that was made before hears of it. Events that
 * happened before a reading begins share it. Times are milliseconds since 1970.
 */
function alertsSince(cluster: ClusterClient, happened: number, now: number): Promise<Alert[]> {
  const last = readings.get(cluster);
  if (last !== undefined && last.begins > happened && last.begins <= now + apartMilliseconds) return last.alerts;
  const begins =
    last === undefined ? now : Math.min(Math.max(now, last.begins + apartMilliseconds), now + apartMilliseconds);
  const alerts = sleep(begins - now).then(() => listAlerts(cluster));
  readings.set(cluster, { begins, alerts });
  alerts.catch(() => readings.delete(cluster));
  return alerts;
}

async function listAlerts(cluster: ClusterClient): Promise<Alert[]> {
  try {
    return await listObjects<Alert>(cluster, { apiVersion: "notification.toolkit.fluxcd.io/v1beta3", kind: "Alert" });
  } catch (error) {
    if (error instanceof NoKindMatch || isNotFound(error)) return [];
    throw error;
  }
}

/** AL-005. */
async function labelsOf(
  cluster: ClusterClient,
  { involvedObject }: NotificationEvent,
): Promise<Record<string, string>> {
  const { apiVersion, kind, namespace, name } = involvedObject;
  const found = await findMetadata(cluster, { apiVersion, kind, namespace, name });
  if (found === undefined) throw new Error("the object is gone");
  return found.metadata.labels ?? {};
}
