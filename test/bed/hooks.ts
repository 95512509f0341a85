import type { KubernetesObject } from "../../lib/api/object.ts";
import type { Receiver } from "../../lib/api/receiver.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { createObject, getObject } from "../../lib/cluster/objects.ts";
import { createEngine } from "../../lib/engine/engine.ts";
import type { KindReconciler } from "../../lib/engine/reconciler.ts";
import { type Kind, parseWorkItem, type WorkItem } from "../../lib/engine/work-item.ts";
import { createFront, type Front } from "../../lib/front/front.ts";
import { freePort } from "../../lib/host/free-port.ts";
import { finalizeReceiver, reconcileReceiver } from "../../lib/reconcilers/receiver.ts";
import { controllerClient } from "./controller-client.ts";
import { connectTo, installedCluster } from "./installed.ts";
import { openTestPlatform, type TestPlatform } from "./local-platform.ts";

const reconcilers = {
  Receiver: { reconcile: reconcileReceiver, finalize: finalizeReceiver },
} satisfies Partial<Record<Kind, KindReconciler>>;

/** What the tests of Receivers share: a real cluster that can be away, a front over a local platform, and objects. */
export type HookBed = TestPlatform & {
  /** The administrator. */
  client: ClusterClient;
  front: Front;
  /** Connects with a function's rights: to the real API server or, while `away`, to a port where nobody listens. */
  connect: () => Promise<ClusterClient>;
  away: boolean;
  /** The work that was enqueued for an object so far. */
  wokenFor(namespace: string, name: string, kind?: Kind): Promise<WorkItem[]>;
  makeSecret(namespace: string, name: string, stringData: Record<string, string>): Promise<KubernetesObject>;
  makeSource(namespace: string, name: string, labels?: Record<string, string>): Promise<KubernetesObject>;
  /** Makes a Receiver with the Secret `token`, and reconciles it once. */
  makeReceiver(namespace: string, spec: object, name?: string): Promise<Receiver>;
  /** One pass of the engine over a Receiver, as a queue would have brought it. */
  reconcile(namespace: string, name: string): Promise<Receiver>;
  /** The request that was written on a source. */
  requestedAt(namespace: string, name: string): Promise<string | undefined>;
  /** Calls the front and gives the status; throws where an answer says more than that. */
  call(path: string | undefined, init?: RequestInit): Promise<number>;
};

/** Opens it, with nothing in it. */
export async function openHookBed(): Promise<HookBed> {
  const { cluster, client } = await installedCluster();
  const nobody = `https://127.0.0.1:${await freePort()}`;
  const away = connectTo({ kubeconfig: cluster.kubeconfig.replaceAll(cluster.url, nobody) });
  const opened = await openTestPlatform("home", cluster);
  const { platform } = opened;
  const woken: WorkItem[] = [];
  for (const queue of ["source", "apply"] as const)
    platform.consume(queue, async (body) => void woken.push(parseWorkItem(body)), { concurrency: 1 });
  const controller = await controllerClient();
  const connect = async () => (bed.away ? away : controller);
  const make = (apiVersion: string, kind: string, metadata: KubernetesObject["metadata"], rest: object) =>
    createObject(client, { apiVersion, kind, metadata, ...rest });
  const notification = "notification.toolkit.fluxcd.io/v1";
  const source = "source.toolkit.fluxcd.io/v1";

  const bed: HookBed = {
    ...opened,
    client,
    front: createFront(platform, { connect }),
    connect,
    away: false,
    wokenFor: async (namespace, name, kind = "GitRepository") => {
      const giveUp = Date.now() + 5000;
      while (platform.depth("source").ready + platform.depth("apply").ready > 0 && Date.now() < giveUp)
        await new Promise((resolve) => setTimeout(resolve, 10));
      return woken.filter((item) => item.namespace === namespace && item.name === name && item.kind === kind);
    },
    makeSecret: (namespace, name, stringData) => make("v1", "Secret", { namespace, name }, { stringData }),
    makeSource: (namespace, name, labels = {}) =>
      make(
        source,
        "GitRepository",
        { namespace, name, labels },
        {
          spec: { url: "https://git.example/repo.git", interval: "1h" },
        },
      ),
    makeReceiver: async (namespace, spec, name = "hook") => {
      await make(notification, "Receiver", { namespace, name }, { spec: { secretRef: { name: "token" }, ...spec } });
      return bed.reconcile(namespace, name);
    },
    reconcile: async (namespace, name) => {
      const engine = createEngine({ platform, connect, reconcilers });
      const cause = { type: "schedule", slot: "test" } as const;
      const signal = AbortSignal.timeout(10_000);
      await engine.process({ cluster: "home", kind: "Receiver", namespace, name, cause }, { attempt: 1, signal });
      return getObject<Receiver>(client, { apiVersion: notification, kind: "Receiver", namespace, name });
    },
    requestedAt: async (namespace, name) => {
      const object = await getObject(client, { apiVersion: source, kind: "GitRepository", namespace, name });
      return object.metadata.annotations?.["reconcile.fluxcd.io/requestedAt"];
    },
    call: async (path, init = {}) => {
      const response = await bed.front.fetch(new Request(`https://sluice.test${path}`, { method: "POST", ...init }));
      const said = await response.text();
      if (said !== "") throw new Error(`the answer says ${said}`);
      return response.status;
    },
  };
  return bed;
}
