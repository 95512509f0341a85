import type { KubernetesObject } from "../api/object.ts";
import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import type { Platform } from "../platform/ports.ts";
import type { ClusterConnections } from "./clusters.ts";
import { usersOfSource } from "./dependents.ts";
import { recordEvents } from "./events.ts";
import { type FreshObject, readFresh } from "./fresh.ts";
import { finalizer, kindNamed, kinds, requestedAtAnnotation } from "./kinds.ts";
import type { Again, Context, KindReconciler, Outcome, Status } from "./reconciler.ts";
import { backOffSeconds } from "./retry.ts";
import { createSettingsReader, type Settings } from "./settings.ts";
import { writeFinalizers, writeStatus } from "./status.ts";
import { registerWaiter, wakeWaiters } from "./waiting.ts";
import { type Continuation, enqueue, formatWorkItem, type Kind, queueOf, type WorkItem } from "./work-item.ts";

/** How an item came: which attempt of its message this is (1 is the first), and the signal that ends before the function does. */
export type Delivery = { attempt: number; signal: AbortSignal };

/** Looks at one object and does what it needs. A throw means: deliver the item again. */
export type Engine = { process(item: WorkItem, delivery: Delivery): Promise<void> };

/** A pass that takes longer says in the status what it is doing (SN-10). */
const slowPassMilliseconds = 2000;

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
  const readSettings = createSettingsReader({
    clock: platform.clock,
    log: platform.log,
    runtimeNamespace: options.runtimeNamespace ?? "flux-system",
    freshSeconds: 5,
  });

  async function process(item: WorkItem, delivery: Delivery): Promise<void> {
    const reconciler = reconcilers[item.kind];
    if (reconciler === undefined) throw new Error(`no reconciler for kind ${item.kind} runs here`);
    const identity = kinds[item.kind];
    const log = platform.log.child({
      cluster: item.cluster,
      kind: item.kind,
      namespace: item.namespace,
      name: item.name,
    });
    const cluster = await connect(item.cluster);

    const { owned, settings } = await readSettings(item.cluster, cluster, identity.component);
    if (!owned) return log.debug(`${identity.component} is not Sluice's here`);
    if (!settings.watchAllNamespaces && item.namespace !== settings.runtimeNamespace) return;

    let fresh: FreshObject | undefined = await readFresh(cluster, item, settings.watchLabelSelector, delivery.signal);
    if (fresh === undefined) return;
    if (isStale(item.continuation, fresh)) return log.debug("a newer generation has overtaken this look");

    let progress: Status | undefined;
    let latest: FreshObject = fresh;
    const pass: Pass = { item, delivery, cluster, settings, reconciler };
    const context: Context = {
      clusterId: item.cluster,
      cluster,
      artifacts: platform.artifacts,
      records: platform.records,
      secrets: platform.secrets,
      clock: platform.clock,
      log,
      signal: delivery.signal,
      settings,
      endpoint: platform.endpoint,
      cause: item.cause,
      progress: (status) => {
        progress = status;
      },
      announce: async (status) => {
        const { object } = await writeStatus(cluster, item.kind, latest, (current) => merged(current, status));
        latest = object;
      },
    };

    if (fresh.metadata.deletionTimestamp !== undefined) return finalize(pass, fresh, context);
    if (!(fresh.metadata.finalizers ?? []).includes(finalizer)) {
      const added = [...(fresh.metadata.finalizers ?? []), finalizer];
      fresh = await writeFinalizers(cluster, item.kind, fresh, added);
    }
    if (fresh.spec?.suspend === true) return acknowledge(pass, fresh);

    latest = fresh;
    const slow = setTimeout(() => {
      const status = progress;
      if (status === undefined) return;
      context
        .announce(status)
        .catch((error: unknown) =>
          log.warn("the progress of a slow pass could not be written", { error: String(error) }),
        );
    }, slowPassMilliseconds);
    try {
      const outcome = await reconciler.reconcile(latest, context, item.continuation);
      clearTimeout(slow);
      await settle(pass, latest, outcome);
    } finally {
      clearTimeout(slow);
    }
  }

  /** Status first, since everybody who is woken reads it; then events, wakes and the next look together. */
  async function settle(pass: Pass, object: FreshObject, outcome: Outcome): Promise<void> {
    const { item, cluster, settings } = pass;
    const { object: current, written } = await writeStatus(cluster, item.kind, object, (latest) => {
      const handled = outcome.unfinished === true ? undefined : requestOf(pass.item, object);
      return merged(
        latest,
        handled === undefined ? outcome.status : { ...outcome.status, lastHandledReconcileAt: handled },
      );
    });
    // A redelivered item may have died after its status was written: it wakes again what it may not have woken.
    const news = written || pass.delivery.attempt > 1;
    await Promise.all([
      recordEvents(
        { cluster, clusterId: item.cluster, queue: platform.queue, clock: platform.clock },
        current,
        kinds[item.kind].component,
        outcome.events,
      ),
      outcome.produced !== undefined && wakeUsers(pass, outcome.produced.revision),
      news && isReady(current) && wakeThoseWaiting(item, current),
      outcome.waitsFor !== undefined && waitFor(pass, outcome.waitsFor),
      outcome.again !== undefined && lookAgain(item, object, outcome.again, settings, outcome.unfinished === true),
    ]);
  }

  async function finalize(pass: Pass, object: FreshObject, context: Context): Promise<void> {
    const { item, cluster, reconciler, settings } = pass;
    const held = object.metadata.finalizers ?? [];
    if (!held.includes(finalizer)) return;
    const sink = { cluster, clusterId: item.cluster, queue: platform.queue, clock: platform.clock };
    const result = await reconciler.finalize(object, context, item.continuation);
    await recordEvents(sink, object, kinds[item.kind].component, result.events);
    if (!result.done) {
      const { status } = result;
      if (status !== undefined) await writeStatus(cluster, item.kind, object, (latest) => merged(latest, status));
      return lookAgain(item, object, result.again, settings, false);
    }
    try {
      await writeFinalizers(
        cluster,
        item.kind,
        object,
        held.filter((name) => name !== finalizer),
      );
    } catch (error) {
      if (!(error instanceof ApiError) || error.statusCode !== 404) throw error;
    }
  }

  /** KS-006, KS-014, SRC-020: a suspended object answers the request and stays as it is otherwise. */
  async function acknowledge(pass: Pass, object: FreshObject): Promise<void> {
    const requestedAt = object.metadata.annotations?.[requestedAtAnnotation];
    if (requestedAt === undefined) return;
    await writeStatus(pass.cluster, pass.item.kind, object, (latest) =>
      merged(latest, { ...latest.status, lastHandledReconcileAt: requestedAt }),
    );
  }

  async function wakeUsers(pass: Pass, revision: string): Promise<void> {
    await enqueue(platform, await usersOfSource(pass.cluster, pass.item.cluster, pass.item, revision));
  }

  async function wakeThoseWaiting(item: WorkItem, object: FreshObject): Promise<void> {
    const awaited = {
      apiVersion: kinds[item.kind].apiVersion,
      kind: item.kind,
      namespace: item.namespace,
      name: item.name,
    };
    await wakeWaiters(platform.records, item.cluster, awaited, async (waiters) => {
      const cause = {
        type: "dependency",
        object: `${item.kind}/${item.namespace}/${item.name}`,
        state: object.metadata.resourceVersion ?? "",
      } as const;
      const items = waiters.flatMap(({ kind, namespace, name }): WorkItem[] => {
        const known = kindNamed(kind);
        return known === undefined ? [] : [{ cluster: item.cluster, kind: known.kind, namespace, name, cause }];
      });
      await enqueue(platform, items);
    });
  }

  /** Register first, then check again, then stop: whoever became ready in between wakes this object at once. */
  async function waitFor(pass: Pass, awaited: NonNullable<Outcome["waitsFor"]>): Promise<void> {
    const { item, cluster } = pass;
    await Promise.all(awaited.map((reference) => registerWaiter(platform.records, item.cluster, reference, item)));
    for (const reference of awaited) {
      const identity = kindNamed(reference.kind);
      if (identity === undefined) continue;
      const target = {
        ...item,
        kind: identity.kind,
        namespace: reference.namespace ?? item.namespace,
        name: reference.name,
      };
      const current = await readFresh(
        cluster,
        { ...target, cause: { type: "again", state: "" } },
        "",
        pass.delivery.signal,
      );
      if (current === undefined || !isReady(current)) continue;
      const state = current.metadata.resourceVersion ?? "";
      await enqueue(platform, [
        {
          ...withoutContinuation(item),
          cause: { type: "dependency", object: `${reference.kind}/${target.namespace}/${reference.name}`, state },
        },
      ]);
      return;
    }
  }

  async function lookAgain(
    item: WorkItem,
    object: FreshObject,
    again: Again,
    settings: Settings,
    unfinished: boolean,
  ): Promise<void> {
    const attempt = "backOff" in again ? (item.continuation?.attempt ?? 0) + 1 : (again.continuation?.attempt ?? 0);
    const request = requestOf(item, object);
    const continuation: Continuation = {
      ...("backOff" in again ? {} : again.continuation),
      generation: object.metadata.generation ?? 0,
      attempt,
      ...(unfinished && request !== undefined ? { requestedAt: request } : {}),
    };
    const seconds = "backOff" in again ? backOffSeconds(attempt, settings) : again.afterSeconds;
    const state = `${object.metadata.uid}/${object.metadata.resourceVersion}/${attempt}`;
    const next: WorkItem = { ...withoutContinuation(item), cause: { type: "again", state }, continuation };
    await platform.queue.sendLater(queueOf[item.kind], formatWorkItem(next), seconds);
  }

  return { process };
}

type Pass = {
  item: WorkItem;
  delivery: Delivery;
  cluster: ClusterClient;
  settings: Settings;
  reconciler: KindReconciler;
};

/** The request that this pass answers: the one that the unfinished pass began with, else the one that the object carries. */
function requestOf(item: WorkItem, object: FreshObject): string | undefined {
  return item.continuation?.requestedAt ?? object.metadata.annotations?.[requestedAtAnnotation];
}

function withoutContinuation({ cluster, kind, namespace, name, cause }: WorkItem): WorkItem {
  return { cluster, kind, namespace, name, cause };
}

function isStale(continuation: Continuation | undefined, object: FreshObject): boolean {
  return (
    continuation !== undefined &&
    object.metadata.generation !== undefined &&
    continuation.generation !== object.metadata.generation
  );
}

function isReady(object: FreshObject): boolean {
  const conditions = object.status?.conditions;
  return (
    Array.isArray(conditions) &&
    conditions.some((condition) => condition.type === "Ready" && condition.status === "True")
  );
}

/** Conditions of other owners survive a status that is written as a whole (KS-224, SRC-031). */
function merged(latest: KubernetesObject, wanted: Status): Status {
  const conditions = (status: unknown): { type: string }[] =>
    typeof status === "object" && status !== null && "conditions" in status && Array.isArray(status.conditions)
      ? status.conditions
      : [];
  const owned = new Set([
    "Ready",
    "Reconciling",
    "Stalled",
    "Healthy",
    "ArtifactInStorage",
    "ArtifactOutdated",
    "FetchFailed",
    "IncludeUnavailable",
    "StorageOperationFailed",
    "SourceVerified",
    "BuildFailed",
  ]);
  const own = conditions(wanted).filter((condition) => owned.has(condition.type));
  const foreign = conditions(latest.status).filter((condition) => !owned.has(condition.type));
  return { ...wanted, conditions: [...own, ...foreign] };
}
