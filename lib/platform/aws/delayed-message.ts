import type { QueueMessage, QueueName } from "../ports.ts";

/** A message of the delay queue: what is to be sent where, and when. `dueAt` is in milliseconds since 1970. */
export type DelayedMessage = { queue: QueueName; message: QueueMessage; dueAt: number };

/** The longest delay of SQS, in seconds. A message that is due later is delayed again. */
const longestDelay = 900;

/** The delay that brings a message nearest to its time without coming before it: whole seconds, 900 at most. */
export function delaySeconds(dueAt: number, now: number): number {
  return Math.min(longestDelay, Math.max(0, Math.ceil((dueAt - now) / 1000)));
}

/** The body of a delay queue's message. */
export function formatDelayedMessage(delayed: DelayedMessage): string {
  return JSON.stringify(delayed);
}

/** Reads a delay queue's message. Throws for one that Sluice has not written: it ends in the dead-letter queue. */
export function parseDelayedMessage(body: string): DelayedMessage {
  const value: unknown = JSON.parse(body);
  if (!isDelayedMessage(value)) throw new Error("the message is not a delayed message");
  return value;
}

function isDelayedMessage(value: unknown): value is DelayedMessage {
  if (typeof value !== "object" || value === null) return false;
  const { queue, message, dueAt } = value as { [field: string]: unknown };
  if (queue !== "source" && queue !== "apply" && queue !== "notification") return false;
  if (typeof dueAt !== "number" || !Number.isFinite(dueAt) || typeof message !== "object" || message === null)
    return false;
  const { body, group, deduplication } = message as { [field: string]: unknown };
  return typeof body === "string" && typeof group === "string" && typeof deduplication === "string";
}
