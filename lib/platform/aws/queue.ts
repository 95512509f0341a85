import { setTimeout as sleep } from "node:timers/promises";
import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, type SQSClient } from "@aws-sdk/client-sqs";
import type { Clock, QueueName, WorkQueue } from "../ports.ts";
import { batchesOf } from "./batch.ts";
import { delaySeconds, formatDelayedMessage } from "./delayed-message.ts";

/** The queues of a deployment: three that work is taken from, and the one where messages wait. */
export type QueueUrls = (queue: QueueName | "delay") => string;

/** How often what SQS did not accept of a batch is sent. */
const attempts = 4;

/** An entry of a batch. FIFO queues have a group and a de-duplication id, the delay queue has a delay. */
type Entry = { body: string; group?: string; deduplication?: string; delay?: number };

/**
 * Sends to SQS: FIFO queues for source and apply work, standard ones for notifications and for what waits. A batch that SQS
 * accepts in part is completed; what it does not take after some attempts is an error, and the caller sends all again.
 */
export function createWorkQueue(client: SQSClient, urls: QueueUrls, clock: Clock): WorkQueue {
  const delay = createCollector((entries: Entry[]) => sendAll(client, urls("delay"), entries));
  const send: WorkQueue["send"] = async (queue, messages) => {
    await sendAll(client, urls(queue), queue === "notification" ? messages.map(({ body }) => ({ body })) : messages);
  };
  return {
    send,
    sendLater: (queue, message, seconds) => {
      if (seconds <= 0) return send(queue, [message]);
      const now = clock.now().getTime();
      const dueAt = now + seconds * 1000;
      return delay({ body: formatDelayedMessage({ queue, message, dueAt }), delay: delaySeconds(dueAt, now) });
    },
  };
}

/**
 * Batches of different groups go at once, as many as the client has connections for; where a group spans two of them, the
 * order within it is kept by sending one after the other.
 */
async function sendAll(client: SQSClient, url: string, entries: Entry[]): Promise<void> {
  const batches = batchesOf(entries);
  const groups = entries.flatMap(({ group }) => (group === undefined ? [] : [group]));
  if (new Set(groups).size === groups.length) {
    await Promise.all(batches.map((batch) => sendBatch(client, url, batch)));
  } else {
    for (const batch of batches) await sendBatch(client, url, batch);
  }
}

async function sendBatch(client: SQSClient, url: string, batch: Entry[]): Promise<void> {
  let left = batch.map(entryOf);
  for (let attempt = 1; ; attempt++) {
    const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: left }));
    const [first] = Failed;
    if (first === undefined) return;
    if (attempt === attempts || Failed.some(({ SenderFault }) => SenderFault === true)) {
      throw new Error(
        `${Failed.length} of ${batch.length} messages were not accepted by ${url}: ${first.Code}: ${first.Message ?? ""}`,
      );
    }
    const failed = new Set(Failed.map(({ Id }) => Id));
    left = left.filter(({ Id }) => failed.has(Id));
    await sleep(50 * 2 ** attempt);
  }
}

function entryOf({ body, group, deduplication, delay }: Entry, index: number): SendMessageBatchRequestEntry {
  return {
    Id: String(index),
    MessageBody: body,
    ...(group === undefined ? {} : { MessageGroupId: group }),
    ...(deduplication === undefined ? {} : { MessageDeduplicationId: deduplication }),
    ...(delay === undefined ? {} : { DelaySeconds: delay }),
  };
}

/** Calls of one turn of the event loop are sent together: the schedule delays dozens of items at once, one by one. */
function createCollector<Item>(send: (items: Item[]) => Promise<void>): (item: Item) => Promise<void> {
  let collected: { items: Item[]; sent: Promise<void> } | undefined;
  return (item) => {
    if (collected !== undefined) {
      collected.items.push(item);
      return collected.sent;
    }
    const items = [item];
    const sent = Promise.resolve().then(() => {
      collected = undefined;
      return send(items);
    });
    collected = { items, sent };
    return sent;
  };
}
