import type { ObjectReference } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import type { Platform } from "../platform/ports.ts";
import { handToUsers } from "./dependents.ts";
import { nextSlot } from "./due.ts";
import { type FreshObject, readFresh } from "./fresh.ts";
import { kindNamed, kinds, requestedAtAnnotation } from "./kinds.ts";
import { isReady } from "./own-status.ts";
import type { Again, Outcome } from "./reconciler.ts";
import { backOffSeconds, scheduledSeconds } from "./retry.ts";
import type { Settings } from "./settings.ts";
import { mayEverBe, registerWaiter, wakeWaiters } from "./waiting.ts";
import { type Continuation, enqueue, formatWorkItem, queueOf, type WorkItem } from "./work-item.ts";

/** What happens after a look: who is woken, and when the object is looked at again. */
export type FollowUps = {
  /** Wakes the users of a source that have not attempted its revision (KS-007, KS-008). */
  wakeUsers(cluster: ClusterClient, item: WorkItem, object: FreshObject, revision: string): Promise<void>;
  /** Wakes the users of an artifact that a pass published as another object (AG-005). */
  wakePublished(
    cluster: ClusterClient,
    item: WorkItem,
    published: NonNullable<Outcome["published"]>[number],
  ): Promise<void>;
  /** Has the object woken when one of the artifacts that it was made of changes (SB-006, AG-005): at once where it has already. */
  follow(
    cluster: ClusterClient,
    item: WorkItem,
    followed: NonNullable<Outcome["follows"]>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Wakes those who found the object unready (SN-12). */
  wakeWaiting(item: WorkItem, object: FreshObject): Promise<void>;
  /** Wakes objects that the pass itself wrote: the admission call leaves writes of Sluice out (design, decision 5). */
  wakeWritten(item: WorkItem, written: NonNullable<Outcome["wake"]>): Promise<void>;
  /** Registers first, then checks again, then stops: whoever became ready in between wakes the object at once. */
  waitFor(
    cluster: ClusterClient,
    item: WorkItem,
    awaited: readonly ObjectReference[],
    signal: AbortSignal,
  ): Promise<void>;
  /** Plans the look that an outcome asks for. */
  lookAgain(item: WorkItem, object: FreshObject, again: Again, settings: Settings, unfinished: boolean): Promise<void>;
  /** Plans a retry of a look that an error ended (KS-011); false where there were too many. */
  retryAfterError(item: WorkItem, seen: { object?: FreshObject; settings?: Settings }): Promise<boolean>;
};

/** Retries of one item whose object cannot even be read, before its message is put aside: about six hours. */
const unreadableAttempts = 30;

/** The back-off of Flux's controllers where their flags could not be read. */
const defaultBackOff = { minRetryDelaySeconds: 0.75, maxRetryDelaySeconds: 900 };

/** The follow-ups of looks, over the queues and records of a platform. */
export function createFollowUps(platform: Platform): FollowUps {
  const wakeUsers: FollowUps["wakeUsers"] = async (cluster, item, object, revision) => {
    const state = object.metadata.resourceVersion ?? "";
    await handToUsers(cluster, item.cluster, item, { revision, state }, (items) => enqueue(platform, items));
  };

  const wakeWaiting: FollowUps["wakeWaiting"] = (item, object) =>
    wakeAll(item.cluster, referenceOf(item), object.metadata.resourceVersion ?? "");

  const wakeAll = (clusterId: string, awaited: ObjectReference, state: string): Promise<void> => {
    const object = nameOf(awaited);
    return wakeWaiters(platform.records, clusterId, awaited, (waiters) =>
      enqueue(
        platform,
        waiters.flatMap(({ registration, ...waiter }): WorkItem[] => {
          const known = kindNamed(waiter.kind);
          const cause = { type: "dependency", object, state: `${state}/${registration}` } as const;
          return known === undefined ? [] : [{ ...waiter, cluster: clusterId, kind: known.kind, cause }];
        }),
      ),
    );
  };

  const wakePublished: FollowUps["wakePublished"] = async (cluster, item, { reference, revision, state }) => {
    const { kind, namespace = item.namespace, name } = reference;
    const source = { kind, namespace, name };
    await handToUsers(cluster, item.cluster, source, { revision, state }, (items) => enqueue(platform, items));
    await wakeAll(item.cluster, { ...reference, namespace }, state);
  };

  const follow: FollowUps["follow"] = async (cluster, item, followed, signal) => {
    await Promise.all(followed.map(({ reference }) => registerWaiter(platform.records, item.cluster, reference, item)));
    for (const { reference, digest } of followed) {
      const current = await readReference(cluster, item, reference, signal);
      if (current === undefined || digestOf(current) === digest) continue;
      const state = current.metadata.resourceVersion ?? "";
      await enqueue(platform, [{ ...plain(item), cause: { type: "dependency", object: nameOf(reference), state } }]);
      return;
    }
  };

  const wakeWritten: FollowUps["wakeWritten"] = (item, written) => {
    const writer = `${item.kind}/${item.namespace}/${item.name}`;
    return enqueue(
      platform,
      written.flatMap(({ cluster = item.cluster, reference, state }): WorkItem[] => {
        const known = kindNamed(reference.kind);
        if (known === undefined || reference.namespace === undefined) return [];
        const { namespace, name } = reference;
        return [
          {
            cluster,
            kind: known.kind,
            namespace,
            name,
            cause: { type: "dependency", object: writer, state },
          },
        ];
      }),
    );
  };

  const waitFor: FollowUps["waitFor"] = async (cluster, item, references, signal) => {
    const awaited = references.filter(mayEverBe);
    await Promise.all(awaited.map((reference) => registerWaiter(platform.records, item.cluster, reference, item)));
    for (const reference of awaited) {
      const current = await readReference(cluster, item, reference, signal);
      if (current === undefined || !isReady(current)) continue;
      const state = current.metadata.resourceVersion ?? "";
      const object = nameOf({ ...reference, namespace: reference.namespace ?? item.namespace });
      await enqueue(platform, [{ ...plain(item), cause: { type: "dependency", object, state } }]);
      return;
    }
  };

  const send = (item: WorkItem, seconds: number): Promise<void> =>
    platform.queue.sendLater(queueOf[item.kind], formatWorkItem(item), seconds);

  const lookAgain: FollowUps["lookAgain"] = async (item, object, again, settings, unfinished) => {
    const uid = object.metadata.uid ?? "";
    if ("everySeconds" in again) {
      // From a minute on the schedule comes at the same slot by itself.
      if (again.everySeconds >= 60) return;
      const now = platform.clock.now().getTime();
      const { slot, afterSeconds } = nextSlot(uid, again.everySeconds * 1000, now);
      return send({ ...plain(item), cause: { type: "schedule", slot: `${uid}/${slot}` } }, afterSeconds);
    }
    const backOff = "backOff" in again;
    const attempt = backOff ? (item.continuation?.attempt ?? 0) + 1 : (again.continuation.attempt ?? 0);
    const seconds = backOff ? backOffSeconds(attempt, settings) : again.afterSeconds;
    if (backOff && seconds >= scheduledSeconds(object)) return;
    const request = requestOf(item, object);
    const continuation: Continuation = {
      ...(backOff ? {} : again.continuation),
      generation: object.metadata.generation ?? 0,
      attempt,
      ...(unfinished && request !== undefined ? { requestedAt: request } : {}),
    };
    const state = `${uid}/${object.metadata.resourceVersion}/${attempt}`;
    return send({ ...plain(item), cause: { type: "again", state }, continuation }, seconds);
  };

  const retryAfterError: FollowUps["retryAfterError"] = async (item, { object, settings }) => {
    const attempt = (item.continuation?.attempt ?? 0) + 1;
    const seconds = backOffSeconds(attempt, settings ?? defaultBackOff);
    if (object === undefined && attempt > unreadableAttempts) return false;
    // The schedule comes first, and would begin a second row of retries beside this one.
    if (object !== undefined && seconds >= scheduledSeconds(object)) return true;
    await send({ ...item, continuation: { ...item.continuation, attempt, broken: true } }, seconds);
    return true;
  };

  return { wakeUsers, wakePublished, follow, wakeWaiting, wakeWritten, waitFor, lookAgain, retryAfterError };
}

/** Another object of the engine's kinds as it is now; undefined where it is not there, or of another kind. */
async function readReference(
  cluster: ClusterClient,
  item: WorkItem,
  { kind, namespace = item.namespace, name }: ObjectReference,
  signal: AbortSignal,
): Promise<FreshObject | undefined> {
  const identity = kindNamed(kind);
  if (identity === undefined) return undefined;
  return readFresh(cluster, { ...item, kind: identity.kind, namespace, name, cause: unhurried }, "", signal);
}

function digestOf({ status }: FreshObject): string | undefined {
  const artifact = status?.artifact;
  const digest =
    typeof artifact === "object" && artifact !== null && "digest" in artifact ? artifact.digest : undefined;
  return typeof digest === "string" ? digest : undefined;
}

function referenceOf({ kind, namespace, name }: WorkItem): ObjectReference {
  return { apiVersion: kinds[kind].apiVersion, kind, namespace, name };
}

function nameOf({ kind, namespace = "", name }: ObjectReference): string {
  return `${kind}/${namespace}/${name}`;
}

/** The request that a look answers: the one that the unfinished pass began with, else the one that the object carries. */
export function requestOf(item: WorkItem, object: FreshObject): string | undefined {
  return item.continuation?.requestedAt ?? object.metadata.annotations?.[requestedAtAnnotation];
}

/** A reader that takes the object as it is. */
const unhurried = { type: "again", state: "" } as const;

function plain({ cluster, kind, namespace, name, cause }: WorkItem): WorkItem {
  return { cluster, kind, namespace, name, cause };
}
