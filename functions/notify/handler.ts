import { createClusterConnections } from "../../lib/engine/clusters.ts";
import { dispatchNotification } from "../../lib/notify/dispatch.ts";
import { createAwsPlatform } from "../../lib/platform/aws/platform.ts";
import { consumeUnordered, type QueueAnswer, type QueueEvent } from "../../lib/platform/aws/queue-event.ts";
import { connectCluster } from "../connect.ts";

const platform = createAwsPlatform(process.env);
const connect = createClusterConnections(platform.clusters, connectCluster);

/** Notifications: events to Alerts, and each on its way to a Provider. */
export function handler(event: QueueEvent): Promise<QueueAnswer> {
  return consumeUnordered(
    event,
    (body) => dispatchNotification(platform, connect, body),
    (error) => platform.log.error("a notification failed and is delivered again", { error: String(error) }),
  );
}
