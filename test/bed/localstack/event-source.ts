import { setTimeout as sleep } from "node:timers/promises";
import { DeleteMessageCommand, type Message, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { InvocationContext, QueueAnswer, QueueEvent } from "../../../lib/platform/aws/queue-event.ts";

/** A function's handler, as an event source mapping calls it. */
export type QueueHandler = (event: QueueEvent, context: InvocationContext) => Promise<QueueAnswer>;

/** What one invocation may take, in milliseconds. */
const invocationMilliseconds = 60_000;

/**
 * Feeds a queue's messages to a handler in this process, as Lambda's event source mapping does: `concurrency` pollers take
 * one message each; what the handler does not name as failed is deleted, the rest comes again at the visibility timeout.
 */
export function startEventSource(
  queueUrl: string,
  handler: QueueHandler,
  { concurrency }: { concurrency: number },
): { stop(): Promise<void> } {
  const sqs = new SQSClient({});
  const stopping = new AbortController();
  const poll = async () => {
    while (!stopping.signal.aborted) {
      try {
        for (const message of await receive(sqs, queueUrl, 5, stopping.signal)) await invoke(message);
      } catch (error) {
        if (stopping.signal.aborted) return;
        console.warn("the event source could not poll", error);
        await sleep(500);
      }
    }
  };
  const invoke = async (message: Message) => {
    const { MessageId: messageId = "", Body: body = "", ReceiptHandle, Attributes } = message;
    const attributes = { ApproximateReceiveCount: Attributes?.ApproximateReceiveCount ?? "1" };
    const deadline = Date.now() + invocationMilliseconds;
    const answer = await handler(
      { Records: [{ messageId, body, attributes }] },
      { getRemainingTimeInMillis: () => deadline - Date.now() },
    );
    if (answer.batchItemFailures.length === 0) {
      await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
    }
  };
  const pollers = Array.from({ length: concurrency }, poll);
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(pollers);
      sqs.destroy();
    },
  };
}

/** Takes every message that a queue has: for looking at dead letters. */
export async function drain(queueUrl: string): Promise<string[]> {
  const sqs = new SQSClient({});
  const bodies: string[] = [];
  for (;;) {
    const messages = await receive(sqs, queueUrl, 0);
    if (messages.length === 0) return bodies;
    for (const { Body = "", ReceiptHandle } of messages) {
      bodies.push(Body);
      await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
    }
  }
}

async function receive(sqs: SQSClient, queueUrl: string, seconds: number, signal?: AbortSignal): Promise<Message[]> {
  const command = new ReceiveMessageCommand({
    QueueUrl: queueUrl,
    WaitTimeSeconds: seconds,
    MessageSystemAttributeNames: ["ApproximateReceiveCount"],
  });
  const { Messages = [] } = await sqs.send(command, signal === undefined ? {} : { abortSignal: signal });
  return Messages;
}
