import { join } from "node:path";
import type { AwsCredentials, Logger, Platform, QueueName } from "../ports.ts";
import { createLocalArtifactStore } from "./artifact-store.ts";
import { createLocalClusters, type NamedCluster } from "./clusters.ts";
import { createDeadLetters, type DeadLetters } from "./dead-letters.ts";
import { createLocalQueue, type LocalQueue, type QueueTimes } from "./queue.ts";
import { openQueueJournal } from "./queue-journal.ts";
import { createLocalRecordStore, type RecordExpiry } from "./record-store.ts";
import { createLocalSecrets } from "./secrets.ts";

/** What a local platform is made of. Everything that lasts lies in `directory`, which one process has at a time. */
export type LocalPlatformOptions = {
  directory: string;
  /** How the outside reaches the listener, without trailing slash. */
  endpoint: string;
  cluster: NamedCluster;
  log: Logger;
  /** AWS credentials of the host itself, where it was given any. */
  awsCredentials?: AwsCredentials | undefined;
  /** Records that are of no use after a time. */
  expiry?: RecordExpiry[];
  /** Shorter times for tests. */
  times?: Partial<QueueTimes>;
};

/** The ports over a directory and this process, with the receiving side that AWS gives to event source mappings. */
export type LocalPlatform = Platform & {
  consume: LocalQueue["consume"];
  /** Messages accepted and not done. */
  depth(queue: QueueName): { ready: number; delayed: number };
  deadLetters: DeadLetters;
  /** Stops delivering, waits a few seconds for what is in flight, and lets go of the directory. */
  close(): Promise<void>;
};

/** Opens the platform: undone messages of an earlier process are delivered again once their queue has a consumer. */
export function createLocalPlatform(options: LocalPlatformOptions): LocalPlatform {
  const { directory, endpoint, log, awsCredentials } = options;
  const deadLetters = createDeadLetters(join(directory, "dead-letters"));
  const queue = createLocalQueue({
    journal: openQueueJournal(directory),
    deadLetters,
    ...(options.times === undefined ? {} : { times: options.times }),
    onFailure: ({ queue: name, body, attempt, error, last }) => {
      const fields = { queue: name, attempt, error: error instanceof Error ? error.message : String(error) };
      if (last) log.error("a message became a dead letter", { ...fields, body: body.slice(0, 500) });
      else log.warn("a message will be delivered again", fields);
    },
  });
  const records = createLocalRecordStore(directory, options.expiry);
  return {
    artifacts: createLocalArtifactStore(join(directory, "artifacts")),
    records: { get: records.get, put: records.put, remove: records.remove },
    queue: { send: queue.send, sendLater: queue.sendLater },
    secrets: createLocalSecrets(join(directory, "secrets")),
    clusters: createLocalClusters(join(directory, "clusters"), options.cluster),
    clock: { now: () => new Date() },
    ...(awsCredentials === undefined ? {} : { awsCredentials: async () => awsCredentials }),
    log,
    endpoint,
    consume: queue.consume,
    depth: queue.depth,
    deadLetters,
    close: async () => {
      await queue.close();
      records.close();
    },
  };
}
