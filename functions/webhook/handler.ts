import { createClusterConnections } from "../../lib/engine/clusters.ts";
import { createFront } from "../../lib/front/front.ts";
import {
  answerOf,
  type FunctionUrlAnswer,
  type FunctionUrlEvent,
  requestOf,
} from "../../lib/platform/aws/function-url.ts";
import { createAwsPlatform } from "../../lib/platform/aws/platform.ts";
import { connectCluster } from "../connect.ts";

const platform = createAwsPlatform(process.env);
const front = createFront(platform, { connect: createClusterConnections(platform.clusters, connectCluster) });

/** The front: webhooks, artifacts and admission calls. */
export async function handler(event: FunctionUrlEvent): Promise<FunctionUrlAnswer> {
  return answerOf(await front.fetch(requestOf(event)));
}
