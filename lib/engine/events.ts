import type { KubernetesObject } from "../api/object.ts";
import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import type { Clock, WorkQueue } from "../platform/ports.ts";
import type { EventRecord } from "./reconciler.ts";

/** Who reports an event (EV-004) and where it goes besides the object's namespace. */
export type EventSink = { cluster: ClusterClient; clusterId: string; queue: WorkQueue; clock: Clock };

/**
 * Writes events of one object, in order: a core/v1 Event each and, unless it is a trace, a notification (EV-001..EV-006).
 * An Event that the API server refuses (its namespace is going away) is not an error: the notification still goes out.
 */
export async function recordEvents(
  sink: EventSink,
  object: KubernetesObject,
  reporter: string,
  events: readonly EventRecord[],
): Promise<void> {
  const written = events.map((event, index) => describe(object, reporter, event, sink.clock.now(), index));
  await Promise.all([
    ...written.map(({ kubernetesEvent }) => createEvent(sink.cluster, kubernetesEvent)),
    notify(sink, written),
  ]);
}

/** Begins the annotations of an Event that say how it came to it (SB-010). */
export const tracePrefix = "sluice.dev/";

type Written = { kubernetesEvent: KubernetesObject; notification: { [key: string]: unknown } | undefined };

function describe(object: KubernetesObject, reporter: string, event: EventRecord, now: Date, index: number): Written {
  const metadata = { ...event.metadata, ...announcedAnnotations(object) };
  const trace = Object.entries(event.trace ?? {}).map(([key, value]) => [`${tracePrefix}${key}`, value]);
  const involvedObject = {
    kind: object.kind,
    namespace: object.metadata.namespace ?? "",
    name: object.metadata.name,
    uid: object.metadata.uid ?? "",
    apiVersion: object.apiVersion,
    resourceVersion: object.metadata.resourceVersion ?? "",
  };
  const timestamp = `${now.toISOString().slice(0, 19)}Z`;
  return {
    kubernetesEvent: coreEvent({
      involvedObject,
      type: event.type,
      reason: event.reason,
      message: event.message,
      metadata: { ...metadata, ...Object.fromEntries(trace) },
      reporter,
      now,
      index,
    }),
    notification:
      event.type === "Trace" || involvedObject.namespace === ""
        ? undefined
        : {
            involvedObject,
            severity: event.type === "Warning" ? "error" : "info",
            timestamp,
            message: event.message.slice(0, 39000),
            reason: event.reason,
            ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
            reportingController: reporter,
          },
  };
}

/** EV-006: annotations that the user put on the object for its events. */
function announcedAnnotations(object: KubernetesObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object.metadata.annotations ?? {}).filter(([key]) => key.startsWith("event.toolkit.fluxcd.io/")),
  );
}

/** The involved object of an event, as core/v1 ObjectReference spells it. */
export type InvolvedObject = {
  kind: string;
  namespace: string;
  name: string;
  uid: string;
  apiVersion: string;
  resourceVersion?: string;
};

/**
 * A core/v1 Event named as client-go names it, `<object>.<nanoseconds in hex>`, so that a list is in order of time.
 * `index` sets apart the events of one millisecond.
 */
export function coreEvent(event: {
  involvedObject: InvolvedObject;
  type: EventRecord["type"];
  reason: string;
  message: string;
  metadata: Record<string, string>;
  reporter: string;
  now: Date;
  index: number;
}): KubernetesObject {
  const { involvedObject, now } = event;
  const namespace = involvedObject.namespace === "" ? "default" : involvedObject.namespace;
  const time = (BigInt(now.getTime()) * 1_000_000n + BigInt(event.index)).toString(16);
  const timestamp = `${now.toISOString().slice(0, 19)}Z`;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: {
      name: `${involvedObject.name.slice(0, 253 - time.length - 1)}.${time}`,
      namespace,
      ...(Object.keys(event.metadata).length === 0 ? {} : { annotations: event.metadata }),
    },
    involvedObject,
    type: event.type === "Warning" ? "Warning" : "Normal",
    reason: event.reason,
    message: event.message,
    source: { component: event.reporter },
    reportingComponent: event.reporter,
    firstTimestamp: timestamp,
    lastTimestamp: timestamp,
    count: 1,
  };
}

/** Creates a Kubernetes Event. Its loss never fails the work it tells of. */
export async function createEvent(cluster: ClusterClient, event: KubernetesObject): Promise<void> {
  try {
    await cluster.request({
      method: "POST",
      path: `/api/v1/namespaces/${event.metadata.namespace}/events`,
      body: event,
    });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

async function notify(sink: EventSink, written: readonly Written[]): Promise<void> {
  const messages = written.flatMap(({ kubernetesEvent, notification }) =>
    notification === undefined
      ? []
      : [
          {
            body: JSON.stringify({ cluster: sink.clusterId, id: idOf(kubernetesEvent), event: notification }),
            group: sink.clusterId,
            deduplication: idOf(kubernetesEvent),
          },
        ],
  );
  if (messages.length > 0) await sink.queue.send("notification", messages);
}

/** Names the event among all: who tells of it knows by this a message that came twice from an event that happened twice. */
function idOf({ metadata }: KubernetesObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}
