import type { KubernetesObject } from "../../lib/api/object.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { createObject } from "../../lib/cluster/objects.ts";
import { parseSettings } from "../../lib/engine/settings.ts";
import { createLocalLogger } from "../../lib/platform/local/log.ts";
import { type OpenedCluster, openRemoteCluster, type RemoteContext } from "../../lib/reconcilers/remote-cluster.ts";
import { type AuthenticatingFront, startAuthenticatingFront } from "./authenticating-front.ts";
import { bedCluster, uniqueNamespace } from "./bed.ts";
import { type FakeCloud, startFakeCloud } from "./cloud.ts";
import { connectTo } from "./installed.ts";
import type { BedCluster } from "./parts.ts";

/** The flag that lets service accounts stand for identities in clouds. */
export const gate = "--feature-gates=ObjectLevelWorkloadIdentity=true";

/** A namespace of a home cluster, clouds, and the API server of a cluster that clouds manage. */
export type ManagedWorkspace = {
  cluster: BedCluster;
  home: ClusterClient;
  namespace: string;
  cloud: FakeCloud;
  front: AuthenticatingFront;
  /** Whom the managed cluster lets in. */
  admit(isKnown: (token: string) => boolean | Promise<boolean>): void;
  /** What a reconciler has, with these flags of its controller. */
  contextWith(args: string[], more?: Partial<RemoteContext>): RemoteContext;
  owner(name: string): { kind: string; namespace: string; name: string; controller: string };
  /** Opens what the ConfigMap of that name says, for an object of the same name. */
  open(name: string, context: RemoteContext): Promise<OpenedCluster>;
  configMap(name: string, data: Record<string, string>): Promise<KubernetesObject>;
  account(name: string, annotations: Record<string, string>): Promise<KubernetesObject>;
  /** What the managed cluster says of a namespace, which only a known user sees. */
  looks(client: ClusterClient): Promise<string>;
  /** What clouds were asked for. */
  paths(): string[];
  close(): Promise<void>;
};

/** Opens one in the run's control plane, which stands for the managed cluster too. */
export async function openManagedWorkspace(): Promise<ManagedWorkspace> {
  const cluster = await bedCluster();
  const home = connectTo(cluster);
  const namespace = await uniqueNamespace("clouds");
  const cloud = await startFakeCloud();
  let isKnown: Parameters<ManagedWorkspace["admit"]>[0] = () => false;
  const front = await startAuthenticatingFront(cluster, (token) => isKnown(token));
  const log = createLocalLogger({ format: "json", write: () => undefined });
  const owner = (name: string) => ({ kind: "Kustomization", namespace, name, controller: "kustomize-controller" });
  const { endpoints, certificateAuthority } = cloud;
  return {
    cluster,
    home,
    namespace,
    cloud,
    front,
    admit: (known) => {
      isKnown = known;
    },
    contextWith: (args, more = {}) => ({
      clusterId: "bed",
      cluster: home,
      settings: parseSettings(args, namespace, log),
      signal: AbortSignal.timeout(30_000),
      awsCredentials: undefined,
      remoteClusters: [],
      clouds: { certificateAuthority, endpoints },
      ...more,
    }),
    owner,
    open: (name, context) => openRemoteCluster(owner(name), { configMapRef: { name } }, context),
    configMap: (name, data) =>
      createObject(home, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { namespace, name },
        data,
      } as KubernetesObject),
    account: (name, annotations) =>
      createObject(home, { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name, annotations } }),
    looks: async (client) =>
      (await client.request({ method: "GET", path: `/api/v1/namespaces/${namespace}` })).metadata.name,
    paths: () => cloud.calls.map(({ method, path }) => `${method} ${path}`),
    close: async () => {
      await front.close();
      await cloud.close();
    },
  };
}
