import { createClusterConnections } from "../lib/engine/clusters.ts";
import { createEngine } from "../lib/engine/engine.ts";
import type { KindReconciler } from "../lib/engine/reconciler.ts";
import { type Kind, parseWorkItem } from "../lib/engine/work-item.ts";
import type { OwnIdentity } from "../lib/platform/aws/identity.ts";
import { createAwsPlatform } from "../lib/platform/aws/platform.ts";
import {
  consumeQueueEvent,
  type InvocationContext,
  type QueueAnswer,
  type QueueEvent,
} from "../lib/platform/aws/queue-event.ts";
import { connectCluster } from "./connect.ts";

/**
 * The Lambda handler of a work queue: the engine with the kinds that this function reconciles, and the identity that it asks AWS as
 * for what these name.
 */
export function workHandler(
  reconcilers: Partial<Record<Kind, KindReconciler>>,
  identity: OwnIdentity,
): (event: QueueEvent, context: InvocationContext) => Promise<QueueAnswer> {
  const platform = createAwsPlatform(process.env, { identity });
  const engine = createEngine({
    platform,
    connect: createClusterConnections(platform.clusters, connectCluster),
    reconcilers,
  });
  return (event, context) =>
    consumeQueueEvent(
      event,
      context,
      (body, delivery) => engine.process(parseWorkItem(body), delivery),
      (error, body) =>
        platform.log.error("a work item failed and is delivered again", {
          error: String(error),
          item: body.slice(0, 1000),
        }),
    );
}
