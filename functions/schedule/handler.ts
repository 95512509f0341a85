import { createClusterConnections } from "../../lib/engine/clusters.ts";
import { runSchedule } from "../../lib/engine/schedule.ts";
import { runUpkeep } from "../../lib/notify/upkeep.ts";
import { createAwsPlatform } from "../../lib/platform/aws/platform.ts";
import { connectCluster } from "../connect.ts";

const platform = createAwsPlatform(process.env);
const connect = createClusterConnections(platform.clusters, connectCluster);

/**
 * Each minute: enqueues what is due, in every cluster, and takes up what waited for one to answer. The event's time names the
 * minute, so that a repeated event repeats nothing.
 */
export async function handler(event: { time: string }): Promise<void> {
  await Promise.all([runSchedule(platform, connect, new Date(event.time)), runUpkeep(platform, connect)]);
}
