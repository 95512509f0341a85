import { createClusterConnections } from "../../lib/engine/clusters.ts";
import { enqueuePushed } from "../../lib/engine/pushed-source.ts";
import { createAwsPlatform } from "../../lib/platform/aws/platform.ts";
import { parsePushEvent } from "../../lib/platform/aws/push-event.ts";
import type { InvocationContext } from "../../lib/platform/aws/queue-event.ts";
import { connectCluster } from "../connect.ts";

const platform = createAwsPlatform(process.env);
const connect = createClusterConnections(platform.clusters, connectCluster);

/** A push to ECR, or an object of a bucket that came or went: enqueues looks at the sources that read it. */
export async function handler(event: unknown, context: InvocationContext): Promise<void> {
  const pushed = parsePushEvent(event);
  if (pushed === undefined) throw new Error("this is no event of ECR or S3 by which something was pushed");
  const signal = AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - 2000));
  await enqueuePushed(platform, connect, pushed, signal);
}
