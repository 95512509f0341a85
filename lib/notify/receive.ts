import { findCondition } from "../api/condition.ts";
import type { Receiver } from "../api/receiver.ts";
import type { ClusterConnections } from "../engine/clusters.ts";
import { type Settings, settingsReader } from "../engine/settings.ts";
import { enqueue, type Pushed } from "../engine/work-item.ts";
import type { Platform } from "../platform/ports.ts";
import { heldRequests, holdRequest } from "./held-requests.ts";
import { isAnswer } from "./is-answer.ts";
import { isIndexed } from "./receiver-index.ts";
import { createReceiverLookup, type FoundReceiver } from "./receiver-lookup.ts";
import { HookRefused, type HookRequest } from "./receivers/receiver-type.ts";
import { pushedBy, verifyRequest } from "./receivers/receiver-types.ts";
import { ResourceRefused, triggerResources } from "./trigger.ts";

/** What a sender is answered (RH-001): bodies are empty, the status says all. */
export type HookStatus = 200 | 400 | 404 | 500 | 503;

/** Takes the calls to Receivers' paths, and those again that had to wait. */
export type HookReceiver = {
  /** Answers one request. `clusterId` narrows it to one cluster; without it every cluster that has the path is asked (SV-009). */
  receive(request: HookRequest, clusterId?: string): Promise<HookStatus>;
  /** Takes up the requests that waited for clusters to answer: each minute, by the schedule. */
  replay(): Promise<void>;
};

/** How long one cluster may take, in milliseconds: senders hang up after ten seconds. */
const clusterMilliseconds = 5000;

/**
 * Receivers of all clusters (design, "The way of a change"). A request is verified while its sender waits; it is answered 200
 * once its trigger cannot be lost any more: annotated and enqueued, or kept for a cluster that does not answer (SV-006, SV-007).
 */
export function createHookReceiver(
  platform: Platform,
  connect: ClusterConnections,
  runtimeNamespace = "flux-system",
): HookReceiver {
  const { artifacts, clusters, clock, log, records } = platform;
  const lookUp = createReceiverLookup(() => clock.now().getTime());
  const readSettings = settingsReader(platform, runtimeNamespace);

  /** One cluster's answer to a request; undefined where it does not answer in time. */
  async function ask(clusterId: string, request: HookRequest): Promise<HookStatus | undefined> {
    const signal = AbortSignal.timeout(clusterMilliseconds);
    try {
      return await Promise.race([answer(clusterId, request, signal), rejectionOf(signal)]);
    } catch (error) {
      if (isAnswer(error)) {
        log.error("a webhook could not be handled", { cluster: clusterId, error: String(error) });
        return 500;
      }
      log.warn("a cluster does not answer a webhook", { cluster: clusterId, error: String(error) });
      return undefined;
    }
  }

  async function answer(clusterId: string, request: HookRequest, signal: AbortSignal): Promise<HookStatus> {
    const cluster = await connect(clusterId);
    const [{ owned, settings }, receivers] = await Promise.all([
      readSettings(clusterId, cluster, "notification-controller"),
      lookUp(clusterId, cluster, request.path, signal),
    ]);
    if (!owned) return 404;
    const found = receivers.filter(
      ({ receiver }) => settings.watchAllNamespaces || receiver.metadata.namespace === settings.runtimeNamespace,
    );
    const answers = await Promise.all(
      found.map(async (one): Promise<HookStatus> => {
        const refusal = refusalOf(one, request);
        if (refusal !== undefined) {
          log.info("a webhook was refused", { ...nameOf(clusterId, one.receiver), why: refusal.why });
          return refusal.status;
        }
        return trigger(
          { clusterId, cluster, settings },
          one.receiver,
          signal,
          pushedBy(request, one.receiver.spec.type),
        );
      }),
    );
    return combine(answers);
  }

  async function trigger(
    target: { clusterId: string; cluster: Awaited<ReturnType<ClusterConnections>>; settings: Settings },
    receiver: Receiver,
    signal: AbortSignal,
    pushed: Pushed | undefined,
  ): Promise<HookStatus> {
    const { items, errors } = await triggerResources(target, receiver, clock.now(), signal, pushed);
    await enqueue(platform, items);
    const unanswered = errors.find((error) => !isAnswer(error) && !(error instanceof ResourceRefused));
    if (unanswered !== undefined) throw unanswered;
    for (const error of errors)
      log.error("a resource of a Receiver could not be triggered", {
        ...nameOf(target.clusterId, receiver),
        error: String(error),
      });
    return errors.length === 0 ? 200 : 500;
  }

  async function receiveOrHold(clusterId: string, request: HookRequest): Promise<HookStatus> {
    const status = await ask(clusterId, request);
    if (status !== undefined) return status;
    if (!(await isIndexed(records, clusterId, request.path))) return 503;
    if (await holdRequest(artifacts, clusterId, request, clock.now())) return 200;
    log.error("too many webhooks wait for a cluster that does not answer", { cluster: clusterId });
    return 503;
  }

  return {
    receive: async (request, clusterId) => {
      if (!/^\/hook\/[0-9a-f]{64}$/.test(request.path)) return 404;
      const known = await clusters.list();
      const asked = clusterId === undefined ? known : known.filter((id) => id === clusterId);
      return combine(await Promise.all(asked.map((id) => receiveOrHold(id, request))));
    },
    replay: async () => {
      await Promise.all(
        (await clusters.list()).map(async (clusterId) => {
          for await (const { key, request } of heldRequests(artifacts, clusterId, clock.now())) {
            const status = await ask(clusterId, request);
            if (status === undefined) return;
            log.info("a webhook that waited was taken up", { cluster: clusterId, status });
            await artifacts.remove([key]);
          }
        }),
      );
    },
  };
}

/** RH-001: suspended or not ready is 503, a sender that proves nothing 400. */
function refusalOf(
  { receiver, token }: FoundReceiver,
  request: HookRequest,
): { status: HookStatus; why: string } | undefined {
  const { spec, status } = receiver;
  if (spec.suspend === true) return { status: 503, why: "the Receiver is suspended" };
  if (findCondition(status?.conditions ?? [], "Ready")?.status !== "True")
    return { status: 503, why: "the Receiver is not ready" };
  if (token === undefined) return { status: 400, why: "the Secret or its key token is missing" };
  try {
    verifyRequest(request, { type: spec.type, ...(spec.events === undefined ? {} : { events: spec.events }) }, token);
    return undefined;
  } catch (error) {
    if (error instanceof HookRefused) return { status: 400, why: error.message };
    throw error;
  }
}

/** One answer for all who were asked: a failure must show, and a path that somebody has is not unknown. */
function combine(answers: readonly HookStatus[]): HookStatus {
  const order: HookStatus[] = [500, 200, 400, 503, 404];
  return order.find((status) => answers.includes(status)) ?? 404;
}

/** Rejects when the signal ends. */
function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function nameOf(clusterId: string, { metadata }: Receiver): Record<string, string> {
  return { cluster: clusterId, receiver: `${metadata.namespace ?? ""}/${metadata.name}` };
}
