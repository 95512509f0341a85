import type { ClusterClient } from "../cluster/client.ts";
import type { Platform } from "../platform/ports.ts";
import { messageOf } from "../text/error-message.ts";
import { type ClusterConnections, UnknownCluster } from "./clusters.ts";
import { isOvertaken } from "./due.ts";
import { recordEvents } from "./events.ts";
import { createFollowUps, requestOf } from "./follow-ups.ts";
import { type FreshObject, readFresh, untilStored } from "./fresh.ts";
import { kinds, requestedAtAnnotation } from "./kinds.ts";
import { isReady, mergedStatus } from "./own-status.ts";
import { createProgress } from "./progress.ts";
import type { Context, KindReconciler, Outcome } from "./reconciler.ts";
import { scheduledOf } from "./scheduled.ts";
import { type Settings, settingsReader } from "./settings.ts";
import { writeFinalizers, writeStatus } from "./status.ts";
import type { Continuation, Kind, WorkItem } from "./work-item.ts";

/** How an item came: which attempt of its message this is (1 is the first), and the signal that ends before the function does. */
export type Delivery = { attempt: number; signal: AbortSignal };

/**
 * Looks at one object and does what it needs. An error of the world is retried by a later look, backing off; a throw means
 * that the message itself must be delivered again, and in the end be put aside.
 */
export type Engine = { process(item: WorkItem, delivery: Delivery): Promise<void> };

/** What one look knows besides the object. */
type Pass = {
  item: WorkItem;
  delivery: Delivery;
  cluster: ClusterClient;
  settings: Settings;
  reconciler: KindReconciler;
};

/**
 * The life cycle that all kinds share (design, "Contracts"): ownership, freshness, finalizer, deletion, suspend,
 * reconcile, status, events, wakes, and the next look. Each step may be repeated: state decides, not the message.
 */
export function createEngine(options: {
  platform: Platform;
  connect: ClusterConnections;
  reconcilers: Partial<Record<Kind, KindReconciler>>;
  runtimeNamespace?: string;
}): Engine {
  const { platform, connect, reconcilers } = options;
  const followUps = createFollowUps(platform);
  const readSettings = settingsReader(platform, options.runtimeNamespace ?? "flux-system");

  async function process(item: WorkItem, delivery: Delivery): Promise<void> {
    const reconciler = reconcilers[item.kind];
    if (reconciler === undefined) throw new Error(`no reconciler for kind ${item.kind} runs here`);
    const seen: { object?: FreshObject; settings?: Settings } = {};
    try {
      await look(item, delivery, reconciler, await connect(item.cluster), seen);
    } catch (error) {
      if (error instanceof UnknownCluster) throw error;
      const { cluster: clusterId, kind, namespace, name, cause } = item;
      const message = messageOf(error);
      platform.log.error("a look failed", { cluster: clusterId, kind, namespace, name, cause: cause.type, message });
      if (!(await followUps.retryAfterError(item, seen))) throw error;
    }
  }

  async function look(
    item: WorkItem,
    delivery: Delivery,
    reconciler: KindReconciler,
    cluster: ClusterClient,
    seen: { object?: FreshObject; settings?: Settings },
  ): Promise<void> {
    const log = platform.log.child({
      cluster: item.cluster,
      kind: item.kind,
      namespace: item.namespace,
      name: item.name,
    });
    const { component } = kinds[item.kind];
    const { owned, settings } = await readSettings(item.cluster, cluster, component);
    seen.settings = settings;
    if (!owned) return log.debug(`${component} is not Sluice's here`);
    if (!settings.watchAllNamespaces && item.namespace !== settings.runtimeNamespace) return;

    const fresh = await readFresh(cluster, item, settings.watchLabelSelector, delivery.signal);
    if (fresh === undefined) return;
    seen.object = fresh;
    if (isStale(item.continuation, fresh)) return log.debug("a newer generation has overtaken this look");

    const pass: Pass = { item, delivery, cluster, settings, reconciler };
    if (isDone(pass, fresh)) return log.debug("another look has done what this one was due for");
    const held = fresh.metadata.finalizers ?? [];
    const deleting = fresh.metadata.deletionTimestamp !== undefined;
    const { finalizer } = kinds[item.kind];
    if (finalizer === undefined) return tellOffered(item, cluster, reconciler, fresh, delivery.signal);
    const passive = !deleting && reconciler.isPassive?.(fresh) === true;
    if (passive && (fresh.spec?.suspend === true || !isEntangled(fresh, finalizer))) return;
    const object =
      deleting || passive || held.includes(finalizer)
        ? fresh
        : await writeFinalizers(cluster, item.kind, fresh, (others) => [...others, finalizer]);
    if (object === undefined) return;

    const progress = createProgress(cluster, item.kind, object, log);
    const context: Context = {
      clusterId: item.cluster,
      cluster,
      artifacts: platform.artifacts,
      records: platform.records,
      secrets: platform.secrets,
      awsCredentials: platform.awsCredentials,
      remoteClusters: platform.remoteClusters ?? [],
      clock: platform.clock,
      log,
      signal: delivery.signal,
      settings,
      endpoint: platform.endpoint,
      redelivered: isRepeated(pass),
      cause: item.cause,
      progress: progress.report,
      announce: progress.write,
    };
    if (deleting) return finalize(pass, object, context);
    if (passive) {
      await finalize(pass, object, context);
      await writeStatus(cluster, item.kind, object, () => ({}));
      return;
    }
    const { suspended } = reconciler;
    if (suspended?.isSuspended(object) === true) return settle(pass, object, suspended.outcome(object, context));
    if (object.spec?.suspend === true) return acknowledge(pass, object);
    await untilStored(cluster, item, delivery.signal);
    try {
      const outcome = await reconciler.reconcile(object, context, item.continuation);
      await settle(pass, await progress.stop(), outcome);
    } finally {
      await progress.stop();
    }
  }

  /** EA-002: whoever published the object's artifact wakes nobody. */
  async function tellOffered(
    item: WorkItem,
    cluster: ClusterClient,
    { offered }: KindReconciler,
    object: FreshObject,
    signal: AbortSignal,
  ): Promise<void> {
    if (offered === undefined) return;
    await untilStored(cluster, item, signal);
    const current = (await readFresh(cluster, item, "", signal)) ?? object;
    const revision = offered(current);
    if (revision === undefined) return;
    await followUps.wakeUsers(cluster, item, current, revision);
    await followUps.wakeWaiting(item, current);
  }

  /**
   * Events first: a status that is written is not told of again. Then the status, since everybody who is woken reads it; then
   * wakes and the next look together.
   */
  async function settle(pass: Pass, object: FreshObject, outcome: Outcome): Promise<void> {
    const { item, cluster, settings } = pass;
    const handled = outcome.unfinished === true ? undefined : requestOf(item, object);
    const wanted = handled === undefined ? outcome.status : { ...outcome.status, lastHandledReconcileAt: handled };
    await record(pass, object, outcome.events);
    const { object: current, written } = await writeStatus(cluster, item.kind, object, (latest) =>
      mergedStatus(latest, wanted),
    );
    // A look that died or failed after its status was written may not have woken whom it should: that is made up for.
    const repeated = isRepeated(pass);
    const { produced, published, follows, wake, waitsFor, again } = outcome;
    await Promise.all([
      produced !== undefined &&
        (produced.isNew || repeated) &&
        followUps.wakeUsers(cluster, item, current, produced.revision),
      ...(published ?? []).map((artifact) => followUps.wakePublished(cluster, item, artifact)),
      follows !== undefined && followUps.follow(cluster, item, follows, pass.delivery.signal),
      (written || repeated) && isReady(current) && followUps.wakeWaiting(item, current),
      wake !== undefined && followUps.wakeWritten(item, wake),
      waitsFor !== undefined && followUps.waitFor(cluster, item, waitsFor, pass.delivery.signal),
      again !== undefined && followUps.lookAgain(item, object, again, settings, outcome.unfinished === true),
    ]);
  }

  async function finalize(pass: Pass, object: FreshObject, context: Context): Promise<void> {
    const { item, cluster, reconciler, settings } = pass;
    const { finalizer } = kinds[item.kind];
    if (finalizer === undefined || !(object.metadata.finalizers ?? []).includes(finalizer)) return;
    const result = await reconciler.finalize(object, context, item.continuation);
    await record(pass, object, result.events);
    if (result.done) {
      await writeFinalizers(cluster, item.kind, object, (held) => held.filter((name) => name !== finalizer));
      return;
    }
    const { status } = result;
    if (status !== undefined) {
      await writeStatus(cluster, item.kind, object, (latest) => mergedStatus(latest, status));
    }
    await followUps.lookAgain(item, object, result.again, settings, false);
  }

  function record({ cluster, item }: Pass, object: FreshObject, events: Outcome["events"]): Promise<void> {
    const sink = { cluster, clusterId: item.cluster, queue: platform.queue, clock: platform.clock };
    return recordEvents(sink, object, kinds[item.kind].component, events);
  }

  return { process };
}

/** KS-006, KS-014, SRC-020: a suspended object answers the request and stays as it is otherwise. */
async function acknowledge(pass: Pass, object: FreshObject): Promise<void> {
  const requestedAt = object.metadata.annotations?.[requestedAtAnnotation];
  if (requestedAt === undefined) return;
  await writeStatus(pass.cluster, pass.item.kind, object, (latest) => ({
    ...(latest.status ?? {}),
    lastHandledReconcileAt: requestedAt,
  }));
}

/**
 * Whether an object that is only read has something of a time when it was more (HR-014), or the status that its schema began it with:
 * with that, whoever waits for it would think that it is not yet looked at.
 */
function isEntangled({ metadata, status }: FreshObject, finalizer: string): boolean {
  return (metadata.finalizers ?? []).includes(finalizer) || Object.keys(status ?? {}).length > 0;
}

/** Whether a look for the same reason may have ended halfway: it was delivered before, or an error ended it. */
function isRepeated({ delivery, item }: Pass): boolean {
  return delivery.attempt > 1 || item.continuation?.broken === true;
}

/** Whether the schedule's reason to look has gone since. What may have ended halfway is looked at all the same. */
function isDone(pass: Pass, object: FreshObject): boolean {
  const { kind, cause } = pass.item;
  if (cause.type !== "schedule" || isRepeated(pass)) return false;
  return isOvertaken(cause.slot.slice(cause.slot.indexOf("/") + 1), scheduledOf(kind, object));
}

function isStale(continuation: Continuation | undefined, object: FreshObject): boolean {
  const generation = continuation?.generation;
  return generation !== undefined && generation !== object.metadata.generation;
}
