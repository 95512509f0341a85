/** The part of an SQS event that a consumer reads. */
export type QueueEvent = {
  Records: { messageId: string; body: string; attributes: { ApproximateReceiveCount: string } }[];
};

/** What Lambda's event source mapping expects back: the messages to deliver again. */
export type QueueAnswer = { batchItemFailures: { itemIdentifier: string }[] };

/** The part of Lambda's context that a consumer reads. */
export type InvocationContext = { getRemainingTimeInMillis(): number };

/** Time kept at the end of an invocation for what must still be written when the work is cut off. */
const reserveMilliseconds = 3000;

/**
 * Hands each message of an event to `handle`, in order, and answers with those that failed and, since a FIFO group must
 * not be overtaken, all that follow them. `attempt` is 1 for a first delivery; the signal ends before the function does.
 */
export async function consumeQueueEvent(
  event: QueueEvent,
  context: InvocationContext,
  handle: (body: string, delivery: { attempt: number; signal: AbortSignal }) => Promise<void>,
  failed: (error: unknown, body: string) => void,
): Promise<QueueAnswer> {
  const signal = AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - reserveMilliseconds));
  for (const [index, record] of event.Records.entries()) {
    try {
      await handle(record.body, { attempt: Number(record.attributes.ApproximateReceiveCount), signal });
    } catch (error) {
      failed(error, record.body);
      return { batchItemFailures: event.Records.slice(index).map(({ messageId }) => ({ itemIdentifier: messageId })) };
    }
  }
  return { batchItemFailures: [] };
}

/** Hands all messages of an unordered queue's event to `handle` at once, and answers with those alone that failed. */
export async function consumeUnordered(
  event: QueueEvent,
  handle: (body: string) => Promise<void>,
  failed: (error: unknown, body: string) => void,
): Promise<QueueAnswer> {
  const failures = await Promise.all(
    event.Records.map(async ({ messageId, body }) => {
      try {
        await handle(body);
        return [];
      } catch (error) {
        failed(error, body);
        return [{ itemIdentifier: messageId }];
      }
    }),
  );
  return { batchItemFailures: failures.flat() };
}
