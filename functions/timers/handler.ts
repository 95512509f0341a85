import { SQSClient } from "@aws-sdk/client-sqs";
import { clientOptions } from "../../lib/platform/aws/client-options.ts";
import { queueUrl } from "../../lib/platform/aws/environment.ts";
import { createLogger } from "../../lib/platform/aws/log.ts";
import { createWorkQueue } from "../../lib/platform/aws/queue.ts";
import type { QueueAnswer, QueueEvent } from "../../lib/platform/aws/queue-event.ts";
import { releaseDue } from "../../lib/platform/aws/timers.ts";

// Not the whole platform: this function touches queues alone, and starts in half the time without the rest.
const clock = { now: () => new Date() };
const queue = createWorkQueue(new SQSClient(clientOptions), (name) => queueUrl(process.env, name), clock);
const log = createLogger();

/** Moves what was delayed to its queue when its time has come. */
export function handler(event: QueueEvent): Promise<QueueAnswer> {
  return releaseDue(event, { queue, clock, log });
}
