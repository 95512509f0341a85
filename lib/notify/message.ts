import { createHash } from "node:crypto";
import type { QueueMessage } from "../platform/ports.ts";
import { isFields } from "../text/fields.ts";
import { type NotificationEvent, parseEvent } from "./event.ts";

/**
 * What travels in the notification queue. First an event that happened, as the engine sends it; then, for each Alert that takes
 * it, a delivery of its own (SV-003), so that one Provider's trouble is no other's.
 */
export type NotificationMessage = { cluster: string; id: string; event: NotificationEvent; delivery?: DeliveryState };

/** One delivery: the Alert, how many attempts failed before, and whether the user was told of it. */
export type DeliveryState = { namespace: string; alert: string; failed: number; warned: boolean };

/** Reads a message. Throws for one that no version of Sluice could have written: it ends in the dead-letter queue. */
export function parseMessage(body: string): NotificationMessage {
  const value: unknown = JSON.parse(body);
  if (!isFields(value) || typeof value.cluster !== "string") throw new Error("the message is not a notification");
  const event = parseEvent(value.event);
  if (event === undefined) throw new Error("the message's event is not one");
  const id = typeof value.id === "string" ? value.id : createHash("sha256").update(body).digest("hex");
  const { delivery } = value;
  if (delivery === undefined) return { cluster: value.cluster, id, event };
  if (!isFields(delivery)) throw new Error("the message's delivery is not one");
  const { namespace, alert, failed, warned } = delivery;
  if (typeof namespace !== "string" || typeof alert !== "string" || typeof failed !== "number")
    throw new Error("the message's delivery is not one");
  return { cluster: value.cluster, id, event, delivery: { namespace, alert, failed, warned: warned === true } };
}

/** When the event happened, in milliseconds since 1970: its id ends with it, as events are named. Undefined where it does not. */
export function timeOf({ id }: NotificationMessage): number | undefined {
  const nanoseconds = /\.([0-9a-f]{16})$/.exec(id)?.[1];
  return nanoseconds === undefined ? undefined : Number(BigInt(`0x${nanoseconds}`) / 1_000_000n);
}

/** Writes a message. Nothing orders notifications. */
export function formatMessage(message: NotificationMessage): QueueMessage {
  const body = JSON.stringify(message);
  return { body, group: message.cluster, deduplication: createHash("sha256").update(body).digest("hex") };
}
