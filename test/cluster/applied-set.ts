/** What the tests of the apply engine share: one set of objects with an owner, in a namespace of its own, on the bed's control plane. */
import type { KubernetesObject, ObjectReference } from "../../lib/api/object.ts";
import { type ApplyOptions, type ApplyResult, applyObjects, isUnchanged } from "../../lib/cluster/apply.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { connect } from "../../lib/cluster/connect.ts";
import { formatSubject } from "../../lib/cluster/subject.ts";
import { bedCluster, uniqueNamespace } from "../bed/bed.ts";

/** The annotation group of Kustomizations. */
export const group = "kustomize.toolkit.fluxcd.io";

export type AppliedSet = {
  namespace: string;
  /** A client whose requests are counted. */
  client: ClusterClient;
  /** Another client of the same API server, of which nothing is counted. */
  admin: ClusterClient;
  options(more?: Partial<ApplyOptions>): ApplyOptions;
  apply(objects: KubernetesObject[], more?: Partial<ApplyOptions>): Promise<ApplyResult>;
  isUnchanged(result: Pick<ApplyResult, "record">): Promise<boolean>;
  /** `METHOD path` of each request that was sent during an action. */
  requestsOf<T>(action: () => Promise<T>): Promise<{ result: T; sent: string[] }>;
};

/** Makes a namespace of its own for a set; `prefix` begins its name. */
export async function beginSet(prefix = "apply"): Promise<AppliedSet> {
  const namespace = await uniqueNamespace(prefix);
  const { kubeconfig } = await bedCluster();
  const address = { type: "kubeconfig", kubeconfig } as const;
  let requests: string[] = [];
  const client = connect(address, {
    userAgent: "sluice-test",
    onRequest: (method, path) => requests.push(`${method} ${path}`),
  });
  const ownerLabels = { [`${group}/name`]: namespace, [`${group}/namespace`]: "sluice-test" };
  const options = (more: Partial<ApplyOptions> = {}): ApplyOptions => ({
    fieldManager: "kustomize-controller",
    group,
    ownerLabels,
    digestKey: "test",
    ...more,
  });
  return {
    namespace,
    client,
    admin: connect(address, { userAgent: "test" }),
    options,
    apply: (objects, more) => applyObjects(client, objects, options(more)),
    isUnchanged: ({ record }) => isUnchanged(client, record, options()),
    requestsOf: async (action) => {
      requests = [];
      const result = await action();
      return { result, sent: [...requests] };
    },
  };
}

/** The lines that an event would have: `<Kind>/<namespace>/<name> <action>`. */
export function linesOf({ entries }: Pick<ApplyResult, "entries">): string[] {
  return entries.map(({ reference, action }) => `${formatSubject(reference)} ${action}`);
}

export function referenceOf(object: KubernetesObject): ObjectReference {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace } = metadata;
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

export function configMap(namespace: string, name: string, data: Record<string, string> = { key: "value" }) {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data } satisfies KubernetesObject;
}

export function secret(namespace: string, name: string, more: Record<string, unknown> = {}): KubernetesObject {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData: { token: "t" }, ...more };
}

export function service(namespace: string, name: string, more: Record<string, unknown> = {}): KubernetesObject {
  const spec = { selector: { app: name }, ports: [{ port: 80 }], ...more };
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec };
}

/** A Deployment without pods, as nothing runs them in the bed. */
export function deployment(namespace: string, name: string, image = "app:1"): KubernetesObject {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: "app", image }] } };
  const spec = { replicas: 0, selector: { matchLabels: labels }, template };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace }, spec };
}

/** The object with a label or annotation more. */
export function annotated(object: KubernetesObject, annotations: Record<string, string>): KubernetesObject {
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, ...annotations } },
  };
}

/** Tries until it holds, for what the cluster's controllers do a moment later; false after twenty seconds. */
export async function eventually(check: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    if (await check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}
