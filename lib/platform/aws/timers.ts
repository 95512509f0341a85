import type { Clock, Logger, WorkQueue } from "../ports.ts";
import { parseDelayedMessage } from "./delayed-message.ts";
import type { QueueAnswer, QueueEvent } from "./queue-event.ts";

/** SQS delays by whole seconds: what is due within less than one is due. */
const toleranceSeconds = 1;

/**
 * Sends each message of the delay queue to the queue that it waits for, or delays it again if its time has not come: SQS
 * holds none for longer than 15 minutes. Answers with the messages that could not be sent.
 */
export async function releaseDue(
  event: QueueEvent,
  platform: { queue: WorkQueue; clock: Clock; log: Logger },
): Promise<QueueAnswer> {
  const results = await Promise.allSettled(
    event.Records.map(async ({ body }) => {
      const { queue, message, dueAt } = parseDelayedMessage(body);
      const seconds = (dueAt - platform.clock.now().getTime()) / 1000;
      if (seconds < toleranceSeconds) await platform.queue.send(queue, [message]);
      else await platform.queue.sendLater(queue, message, seconds);
    }),
  );
  const failures = event.Records.flatMap((record, index) => {
    const result = results[index];
    if (result?.status !== "rejected") return [];
    platform.log.error("a delayed message failed and is delivered again", {
      error: String(result.reason),
      body: record.body.slice(0, 1000),
    });
    return [{ itemIdentifier: record.messageId }];
  });
  return { batchItemFailures: failures };
}
