import { parseWorkItem, type WorkItem } from "../engine/work-item.ts";
import type { LocalPlatform } from "../platform/local/platform.ts";
import type { QueueMessage, QueueName } from "../platform/ports.ts";
import type { Push } from "./sample/sample-server.ts";

/** One thing that happened on the way of a change. `seconds` is the time since the change was made or became known. */
export type Step = {
  step: "push" | "webhook" | "drift" | "fetched" | "applied" | "healthy" | "ready" | "failed";
  object: string;
  detail: string;
  seconds?: number;
};

/** Tells what Sluice does as it does it. */
export type LiveView = {
  /** Looks at everything that is sent to the platform's queues; what is sent is unchanged. */
  wrap(platform: LocalPlatform): LocalPlatform;
  /** A push to a repository that this process serves, which the GitRepository of that name follows. */
  pushed(source: { namespace: string; name: string }, push: Push): void;
};

/** So many changes are remembered for their times. */
const remembered = 500;

/**
 * The live view: it reads the events that go to the notification queue (they are Flux's, so the view says nothing that
 * `kubectl events` would not) and the causes of work that goes to the others.
 */
export function createLiveView(show: (step: Step) => void): LiveView {
  /** When a change of an object became known, by object; and when the change behind a revision did. */
  const known = new Map<string, number>();
  const revisions = new Map<string, number>();
  /** Objects that something was said of since they were last ready, and the revision that they were ready at. */
  const unfinished = new Set<string>();
  const healthy = new Set<string>();
  const finished = new Map<string, string>();
  const failures = new Map<string, string>();

  const since = (start: number | undefined) => (start === undefined ? {} : { seconds: (Date.now() - start) / 1000 });

  function began(object: string, time = Date.now()): void {
    remember(known, object, time);
  }

  function sawWork(item: WorkItem): void {
    const object = titleOf(item);
    if (item.cause.type === "webhook") {
      if (Date.now() - (known.get(object) ?? 0) > 1_000) began(object);
      show({ step: "webhook", object, detail: `by Receiver ${item.cause.receiver}`, ...since(known.get(object)) });
    } else if (item.cause.type === "drift") {
      began(object);
      unfinished.add(object);
      show({ step: "drift", object, detail: `${item.cause.object} was changed by ${item.cause.by}` });
    } else if (item.cause.type === "admission") began(object);
  }

  function sawEvent({ involvedObject, severity, reason, message, revision }: Told): void {
    const object = titleOf(involvedObject);
    const start = latest(revisions.get(revision), known.get(object));
    if (severity === "error") {
      const detail = `${reason}: ${firstLine(message)}`;
      // A retry that fails in the same way is no news.
      if (failures.get(object) === detail) return;
      remember(failures, object, detail);
      unfinished.add(object);
      show({ step: "failed", object, detail, ...since(start) });
      return;
    }
    failures.delete(object);
    if (reason === "NewArtifact") {
      const beginning = known.get(object);
      if (beginning !== undefined) remember(revisions, revision, beginning);
      known.delete(object);
      show({ step: "fetched", object, detail: `${short(revision)} ${quoted(message)}`, ...since(beginning) });
    } else if (reason === "Progressing" && message.startsWith("Health check passed")) {
      healthy.add(object);
      unfinished.add(object);
    } else if (reason === "Progressing") {
      unfinished.add(object);
      show({ step: "applied", object, detail: `${short(revision)} ${changes(message)}`, ...since(start) });
    } else if (reason === "ReconciliationSucceeded") {
      const step = healthy.delete(object) ? "healthy" : "ready";
      if (!unfinished.delete(object) && finished.get(object) === revision) return;
      remember(finished, object, revision);
      show({ step, object, detail: short(revision), ...since(start) });
      known.delete(object);
    }
  }

  function saw(queue: QueueName, { body }: QueueMessage): void {
    if (queue === "notification") {
      const told = parseTold(body);
      if (told !== undefined) sawEvent(told);
    } else sawWork(parseWorkItem(body));
  }

  return {
    wrap: (platform) => ({
      ...platform,
      queue: {
        sendLater: platform.queue.sendLater,
        send: async (queue, messages) => {
          await platform.queue.send(queue, messages);
          for (const message of messages) saw(queue, message);
        },
      },
    }),
    pushed: (source, push) => {
      const object = titleOf({ kind: "GitRepository", ...source });
      began(object);
      show({ step: "push", object, detail: `${push.branch}@${push.commit.slice(0, 7)} '${firstLine(push.subject)}'` });
    },
  };
}

type Told = {
  involvedObject: { kind: string; namespace: string; name: string };
  severity: string;
  reason: string;
  message: string;
  revision: string;
};

/** The body of a notification, as far as it is shown (EV-003). That it goes on to a channel is no news of the event. */
function parseTold(body: string): Told | undefined {
  const value: unknown = JSON.parse(body);
  if (fieldsOf(value).delivery !== undefined) return undefined;
  const event = fieldsOf(fieldsOf(value).event);
  const involved = fieldsOf(event.involvedObject);
  const metadata = Object.entries(fieldsOf(event.metadata));
  if (typeof involved.kind !== "string" || typeof event.reason !== "string") return undefined;
  return {
    involvedObject: { kind: involved.kind, namespace: String(involved.namespace), name: String(involved.name) },
    severity: String(event.severity),
    reason: event.reason,
    message: String(event.message),
    revision: String(metadata.find(([key]) => key.endsWith("/revision"))?.[1] ?? ""),
  };
}

function fieldsOf(value: unknown): { [field: string]: unknown } {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function titleOf({ kind, namespace, name }: { kind: string; namespace: string; name: string }): string {
  return `${kind}/${namespace}/${name}`;
}

/** A change by hand is newer than the revision that it is taken back to. */
function latest(...times: (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > remembered && oldest !== undefined) map.delete(oldest);
}

/** `main@sha1:1a2b3c4d…` as people say it: `main@1a2b3c4`. */
function short(revision: string): string {
  return revision.replace(/(sha1|sha256|sha512):([0-9a-f]{7})[0-9a-f]*/, "$2");
}

/** The commit's subject, from `stored artifact for commit '…'`. */
function quoted(message: string): string {
  return /'.*'/.exec(firstLine(message))?.[0] ?? "";
}

/** The first changes of an apply, one a line in the event. */
function changes(message: string): string {
  const lines = message.split("\n").filter((line) => line.trim() !== "");
  const more = lines.length > 3 ? ` and ${lines.length - 3} more` : "";
  return lines.slice(0, 3).join(", ") + more;
}

function firstLine(text: string): string {
  const [line = ""] = text.split("\n");
  return line.length > 300 ? `${line.slice(0, 300)}...` : line;
}
