import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KustomizationSpec } from "../../lib/api/kustomization.ts";
import type { KubernetesObject } from "../../lib/api/object.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { applyObject, createObject, findObject } from "../../lib/cluster/objects.ts";
import { type ControlPlane, startControlPlane } from "../../lib/host/control-plane/control-plane.ts";
import { freePort } from "../../lib/host/free-port.ts";
import { connectTo, installKinds } from "./installed.ts";
import type { BedCluster } from "./parts.ts";
import { conditionOf, type Reconciled, type Workspace } from "./workspace.ts";

/** Another cluster than the one that Sluice works for, and its administrator's connection. */
export type Remote = {
  plane: ControlPlane;
  client: ClusterClient;
  /** How tokens of the home cluster's service accounts name it: what KS-215 has as their audience. */
  address: string;
};

/**
 * Starts a control plane with Sluice's kinds in it. It believes the service accounts of the home cluster, as `home:<user>`, where
 * their tokens are for its address or for `other-audience` (KS-215).
 */
export async function startRemote(home: BedCluster, directory: string): Promise<Remote> {
  const rbac = "rbac.authorization.k8s.io";
  await applyObject(
    connectTo(home),
    {
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name: "issuer-discovery" },
      roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "system:service-account-issuer-discovery" },
      subjects: [{ apiGroup: rbac, kind: "Group", name: "system:unauthenticated" }],
    } as KubernetesObject,
    { fieldManager: "test" },
  );
  const port = await freePort();
  const address = `https://LOCALHOST:${port}`;
  const issuer = {
    url: "https://kubernetes.default.svc.cluster.local",
    discoveryURL: `${home.url}/.well-known/openid-configuration`,
    certificateAuthority: home.certificateAuthority,
    audiences: [address, "other-audience"],
    audienceMatchPolicy: "MatchAny",
  };
  const claimMappings = { username: { claim: "sub", prefix: "home:" } };
  const trust = {
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "AuthenticationConfiguration",
    jwt: [{ issuer, claimMappings }],
  };
  await mkdir(directory, { recursive: true });
  const authentication = join(directory, "authentication.yaml");
  await writeFile(authentication, JSON.stringify(trust));
  const plane = await startControlPlane({ directory, port, issuer: "https://remote.example.invalid", authentication });
  return { plane, client: await installKinds(plane), address };
}

/** A kubeconfig of a remote cluster's administrator, with another server or user where a test wants one. */
export function kubeconfigOf({ plane }: Remote, cluster: object = {}, user: object = { token: plane.token }): string {
  const authority = Buffer.from(plane.certificateAuthority).toString("base64");
  const server = { server: plane.url, "certificate-authority-data": authority, ...cluster };
  return JSON.stringify({
    "current-context": "remote",
    contexts: [{ name: "remote", context: { cluster: "remote", user: "user" } }],
    clusters: [{ name: "remote", cluster: server }],
    users: [{ name: "user", user }],
  });
}

/** What tests of remote clusters do in a workspace. */
export function remoteWorkspace(workspace: Workspace) {
  return {
    secret: (name: string, stringData: Record<string, string>) =>
      workspace.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData } as KubernetesObject),
    /** A Kustomization whose kubeconfig is in the Secret of its name. */
    remotely: (name: string, path: string, spec: Partial<KustomizationSpec> = {}) =>
      workspace.kustomization(name, { path, kubeConfig: { secretRef: { name } }, ...spec }),
    configMapIn: (client: ClusterClient, name: string) =>
      findObject(client, { apiVersion: "v1", kind: "ConfigMap", namespace: workspace.namespace, name }),
    /** Until Ready is False with this text. */
    untilMessage: (name: string, wanted: string | RegExp): Promise<Reconciled> =>
      workspace.until("Kustomization", name, ({ status }) => {
        const ready = conditionOf(status, "Ready");
        if (ready?.status !== "False") return false;
        return typeof wanted === "string" ? ready.message === wanted : wanted.test(ready.message);
      }),
    messages: async (name: string) => (await workspace.events("Kustomization", name)).map(({ message }) => message),
    /** The namespace of the workspace, in the other cluster. */
    namespaceIn: (client: ClusterClient) =>
      createObject(client, { apiVersion: "v1", kind: "Namespace", metadata: { name: workspace.namespace } }),
  };
}
