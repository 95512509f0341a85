import type { KubernetesObject } from "../../lib/api/object.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { createObject } from "../../lib/cluster/objects.ts";
import { recordEvents } from "../../lib/engine/events.ts";
import type { EventRecord } from "../../lib/engine/reconciler.ts";
import { dispatchNotification } from "../../lib/notify/dispatch.ts";
import { uniqueNamespace } from "./bed.ts";
import { type ChatService, startChatService } from "./chat-service.ts";
import { controllerClient } from "./controller-client.ts";
import { installedCluster } from "./installed.ts";
import { openTestPlatform, type TestPlatform } from "./local-platform.ts";

/** What the tests of notifications share: a namespace, a queue that is worked on, services that are told, and objects. */
export type NotificationBed = TestPlatform & {
  /** The administrator. */
  client: ClusterClient;
  /** The same cluster with the rights of the function that notifies. */
  controller: ClusterClient;
  namespace: string;
  /** Starts a service that ends with the bed. */
  service(...secure: Parameters<typeof startChatService>): Promise<ChatService>;
  makeSecret(name: string, stringData: Record<string, string>): Promise<KubernetesObject>;
  makeProvider(name: string, spec: object): Promise<KubernetesObject>;
  /** An Alert on the namespace's Kustomizations, unless `spec` says otherwise. */
  makeAlert(name: string, provider: string, spec?: object): Promise<KubernetesObject>;
  /** The Kustomization that says things; it need not exist for that. */
  web(): KubernetesObject;
  /** Says something of it as a reconciler does: through the engine's own sink, into the queue. */
  say(event?: Partial<EventRecord>): Promise<void>;
  /** Waits until the queue has nothing that is due. */
  settled(): Promise<void>;
  /** The Warnings on an Alert. */
  warningsOf(alert: string): Promise<{ reason: string; message: string; annotations: unknown }[]>;
};

/** What `say` says where it is told nothing else. */
export const healthCheckFailed: EventRecord = {
  type: "Warning",
  reason: "HealthCheckFailed",
  message: "Health check failed",
  metadata: { "kustomize.toolkit.fluxcd.io/revision": "main@sha1:abc" },
};

/** Opens it in a namespace of its own. `runtimeNamespace` holds the placeholder whose flags count. */
export async function openNotificationBed(runtimeNamespace?: string): Promise<NotificationBed> {
  const { cluster, client } = await installedCluster();
  const opened = await openTestPlatform("home", cluster);
  const { platform } = opened;
  const namespace = await uniqueNamespace("notify");
  const services: ChatService[] = [];
  const controller = await controllerClient();
  const work = (body: string) => dispatchNotification(platform, async () => controller, body, runtimeNamespace);
  platform.consume("notification", work, { concurrency: 4 });
  const make = (apiVersion: string, kind: string, name: string, rest: object) =>
    createObject(client, { apiVersion, kind, metadata: { namespace, name }, ...rest });
  const notification = "notification.toolkit.fluxcd.io/v1beta3";

  const bed: NotificationBed = {
    ...opened,
    client,
    controller,
    namespace,
    service: async (...secure) => {
      const service = await startChatService(...secure);
      services.push(service);
      return service;
    },
    makeSecret: (name, stringData) => make("v1", "Secret", name, { stringData }),
    makeProvider: (name, spec) => make(notification, "Provider", name, { spec }),
    makeAlert: (name, provider, spec = {}) => {
      const eventSources = [{ kind: "Kustomization", name: "*" }];
      return make(notification, "Alert", name, { spec: { providerRef: { name: provider }, eventSources, ...spec } });
    },
    web: () => ({
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: {
        namespace,
        name: "web",
        uid: "uid-of-web",
        resourceVersion: "7",
        annotations: { "event.toolkit.fluxcd.io/env": "prod" },
      },
    }),
    say: async (event = {}) => {
      const sink = { cluster: controller, clusterId: "home", queue: platform.queue, clock: platform.clock };
      await recordEvents(sink, bed.web(), "kustomize-controller", [{ ...healthCheckFailed, ...event }]);
    },
    settled: async () => {
      const giveUp = Date.now() + 10_000;
      while (platform.depth("notification").ready > 0) {
        if (Date.now() > giveUp) throw new Error("the notification queue is not done after ten seconds");
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    warningsOf: async (alert) => {
      const list = await client.request<{ items: (KubernetesObject & { reason: string; message: string })[] }>({
        method: "GET",
        path: `/api/v1/namespaces/${namespace}/events`,
        query: { fieldSelector: `involvedObject.kind=Alert,involvedObject.name=${alert},type=Warning` },
      });
      return list.items.map(({ reason, message, metadata }) => ({
        reason,
        message,
        annotations: metadata.annotations,
      }));
    },
    close: async () => {
      await opened.close();
      for (const service of services) service.close();
    },
  };
  return bed;
}
