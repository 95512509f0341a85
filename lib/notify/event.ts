import { createHash } from "node:crypto";
import type { InvolvedObject } from "../engine/events.ts";
import { isFields } from "../text/fields.ts";

/** What an object says of itself, on its way to those who listen (EV-001). */
export type NotificationEvent = {
  involvedObject: InvolvedObject;
  severity: "trace" | "info" | "error";
  timestamp: string;
  message: string;
  reason: string;
  metadata?: Record<string, string>;
  reportingController: string;
  reportingInstance?: string;
};

/** The group of annotations that users put on objects for their events (EV-006). */
export const eventGroup = "event.toolkit.fluxcd.io/";

/** The prefix of the metadata that the object's own controller gives: its API group and `/`. */
export function groupPrefixOf({ involvedObject }: NotificationEvent): string {
  const { apiVersion } = involvedObject;
  return `${apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : ""}/`;
}

/** EI-004: what is not of the two groups is no metadata, and neither are the deprecated checksum and the digest. */
export function cleanMetadata(event: NotificationEvent): NotificationEvent {
  const prefix = groupPrefixOf(event);
  const dropped = [`${prefix}checksum`, `${prefix}digest`].map((key) => key.toLowerCase());
  return withMetadata(
    event,
    Object.entries(event.metadata ?? {}).filter(
      ([key]) => !dropped.includes(key.toLowerCase()) && (key.startsWith(eventGroup) || key.startsWith(prefix)),
    ),
  );
}

/** EI-008: the token is for the rate limit alone. */
export function withoutToken(event: NotificationEvent): NotificationEvent {
  const token = `${groupPrefixOf(event)}token`;
  return withMetadata(
    event,
    Object.entries(event.metadata ?? {}).filter(([key]) => key !== token),
  );
}

/** The event with other metadata; none at all where there are no entries (EV-001). */
export function withMetadata(event: NotificationEvent, entries: [string, string][]): NotificationEvent {
  const { metadata: _replaced, reportingController, reportingInstance, ...rest } = event;
  return {
    ...rest,
    ...(entries.length === 0 ? {} : { metadata: Object.fromEntries(entries) }),
    reportingController,
    ...(reportingInstance === undefined ? {} : { reportingInstance }),
  };
}

/** EI-005: events with one key are one event within the rate limit's interval. */
export function rateLimitKey(event: NotificationEvent): string {
  const { name, namespace, kind } = event.involvedObject;
  const prefix = groupPrefixOf(event);
  const parts = ["event", `name=${name}`, `namespace=${namespace}`, `kind=${kind}`, `message=${event.message}`];
  for (const field of ["originRevision", "revision", "token"]) {
    const value = event.metadata?.[`${prefix}${field}`];
    if (value !== undefined) parts.push(`${field}=${value}`);
  }
  return createHash("sha256").update(parts.join("/")).digest("hex");
}

/** `<Kind>/<namespace>/<name>`: how events on Alerts name what happened to whom. */
export function describeObject({ kind, namespace, name }: InvolvedObject): string {
  return `${kind}/${namespace}/${name}`;
}

/** Reads an event as a queue carries it. Undefined for anything else. */
export function parseEvent(value: unknown): NotificationEvent | undefined {
  if (!isFields(value) || !isFields(value.involvedObject)) return undefined;
  const { severity, metadata, reportingInstance } = value;
  const [kind, namespace, name, uid, apiVersion] = ["kind", "namespace", "name", "uid", "apiVersion"].map((field) =>
    textOf(isFields(value.involvedObject) ? value.involvedObject[field] : undefined),
  );
  if (!kind || !namespace || !name || apiVersion === undefined || uid === undefined) return undefined;
  if (severity !== "trace" && severity !== "info" && severity !== "error") return undefined;
  const resourceVersion = textOf(value.involvedObject.resourceVersion);
  const event: NotificationEvent = {
    involvedObject: { kind, namespace, name, uid, apiVersion, ...(resourceVersion === "" ? {} : { resourceVersion }) },
    severity,
    timestamp: textOf(value.timestamp),
    message: textOf(value.message),
    reason: textOf(value.reason),
    reportingController: textOf(value.reportingController),
    ...(typeof reportingInstance === "string" ? { reportingInstance } : {}),
  };
  const entries = Object.entries(isFields(metadata) ? metadata : {});
  return withMetadata(
    event,
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
