import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../lib/api/object.ts";
import { createObject, deleteObject, patchObject } from "../lib/cluster/objects.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { kubeconfigOf, type Remote, remoteWorkspace, startRemote } from "./bed/remote.ts";
import {
  apiVersions,
  conditionOf,
  configMap,
  openWorkspace,
  type Reconciled,
  type Workspace,
} from "./bed/workspace.ts";

let directory: string;
let workspace: Workspace;
let repository: GitRepository;
let remote: Remote;
let on: ReturnType<typeof remoteWorkspace>;

const clusterRole = JSON.stringify({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "remote-everything" },
  rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }],
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-remote-"));
  workspace = await openWorkspace("remote");
  remote = await startRemote(workspace.sluice.cluster, join(directory, "remote"));
  on = remoteWorkspace(workspace);
  await on.namespaceIn(remote.client);
  repository = await workspace.repository({
    "late/config.yaml": configMap("late", {}),
    "app/config.yaml": configMap("config", { colour: "blue" }),
    "app/more.yaml": configMap("more", {}),
    "limited/config.yaml": configMap("limited", {}),
    "forbidden/role.yaml": clusterRole,
    "moves/config.yaml": configMap("moves", {}),
    "kept/config.yaml": configMap("kept", {}),
    "away/config.yaml": configMap("away", {}),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
}, 300_000);

afterAll(async () => {
  await workspace?.close();
  await remote?.plane.stop();
  await rm(directory, { recursive: true, force: true });
});

const readyReason = ({ status }: Reconciled) => conditionOf(status, "Ready")?.reason;

async function remove(name: string): Promise<void> {
  const { namespace } = workspace;
  await deleteObject(workspace.client, {
    apiVersion: apiVersions.Kustomization,
    kind: "Kustomization",
    namespace,
    name,
  });
}

describe("a Kustomization of a remote cluster", () => {
  it("KS-211: says what is wrong with the Secret, and recovers when it is right", async () => {
    const { namespace } = workspace;
    await on.remotely("late", "./late");
    const missing = `unable to read KubeConfig secret '${namespace}/late' error: secrets "late" not found`;
    expect(readyReason(await on.untilMessage("late", missing))).toBe("ReconciliationFailed");
    await expect.poll(() => on.messages("late")).toContain(`failed to build kube client: ${missing}`);

    await on.secret("late", { other: kubeconfigOf(remote) });
    await workspace.reconcile("Kustomization", "late");
    await on.untilMessage(
      "late",
      `KubeConfig secret '${namespace}/late' does not contain a 'value' key with a kubeconfig`,
    );
    await workspace.patch("Kustomization", "late", { spec: { kubeConfig: { secretRef: { key: "mine" } } } });
    await on.untilMessage(
      "late",
      `KubeConfig secret '${namespace}/late' does not contain a 'mine' key with a kubeconfig`,
    );
    await workspace.patch("Kustomization", "late", { spec: { kubeConfig: { secretRef: { key: "other" } } } });
    await workspace.untilReady("Kustomization", "late");
    await workspace.patch("Kustomization", "late", { spec: { kubeConfig: { secretRef: { key: null } } } });
    await on.untilMessage("late", /does not contain a 'value' key/);
    await workspace.patch("Secret", "late", { stringData: { "value.yaml": kubeconfigOf(remote) } });
    await workspace.reconcile("Kustomization", "late");
    await workspace.untilReady("Kustomization", "late");
    // The first of the two counts.
    await workspace.patch("Secret", "late", { stringData: { value: "{}" } });
    await workspace.reconcile("Kustomization", "late");
    await on.untilMessage("late", /cannot be used: the kubeconfig has no context ''/);
  });

  it("KS-211, KS-216: applies, corrects, checks and prunes there, and keeps its status, inventory and events at home", async () => {
    await on.secret("app", { value: kubeconfigOf(remote) });
    await on.remotely("app", "./app", { wait: true });
    const object = await workspace.untilReady("Kustomization", "app");
    expect(await on.configMapIn(remote.client, "config")).toMatchObject({
      data: { colour: "blue" },
      metadata: { labels: { "kustomize.toolkit.fluxcd.io/name": "app" } },
    });
    expect(await on.configMapIn(workspace.client, "config")).toBeUndefined();
    expect(object.status?.inventory?.entries).toHaveLength(2);
    expect(conditionOf(object.status, "Healthy")?.status).toBe("True");
    await expect.poll(() => on.messages("app")).toContainEqual(expect.stringContaining("/config created"));

    const reference = { apiVersion: "v1", kind: "ConfigMap", namespace: workspace.namespace, name: "config" };
    await patchObject(remote.client, reference, { merge: { data: { colour: "red" } } }, { fieldManager: "kubectl" });
    await workspace.reconcile("Kustomization", "app");
    await expect.poll(() => on.configMapIn(remote.client, "config")).toMatchObject({ data: { colour: "blue" } });

    // Drift there is found by a new revision as well: nobody tells of it here.
    await patchObject(remote.client, reference, { merge: { data: { colour: "red" } } }, { fieldManager: "kubectl" });
    await repository.commit({ "app/more.yaml": null });
    await workspace.reconcile("GitRepository", "source");
    await expect.poll(() => on.configMapIn(remote.client, "more")).toBeUndefined();
    await expect.poll(() => on.configMapIn(remote.client, "config")).toMatchObject({ data: { colour: "blue" } });
    await workspace.untilReady("Kustomization", "app");
    await remove("app");
    await workspace.untilGone("Kustomization", "app");
    expect(await on.configMapIn(remote.client, "config")).toBeUndefined();
  });

  it("KS-216, KS-210: acts there as the service account of the same namespace and name", async () => {
    const { namespace } = workspace;
    const rbac = (kind: string, more: object) =>
      createObject(remote.client, {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind,
        metadata: { namespace, name: "deployer" },
        ...more,
      } as KubernetesObject);
    await createObject(remote.client, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace, name: "deployer" },
    });
    await rbac("Role", { rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["*"] }] });
    await rbac("RoleBinding", {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "deployer" },
      subjects: [{ kind: "ServiceAccount", namespace, name: "deployer" }],
    });
    await on.secret("limited", { value: kubeconfigOf(remote) });
    await on.remotely("limited", "./limited", { serviceAccountName: "deployer" });
    await workspace.untilReady("Kustomization", "limited");
    await on.remotely("forbidden", "./forbidden", {
      serviceAccountName: "deployer",
      kubeConfig: { secretRef: { name: "limited" } },
    });
    const object = await on.untilMessage(
      "forbidden",
      new RegExp(`User "system:serviceaccount:${namespace}:deployer" cannot .* resource "clusterroles"`),
    );
    expect(readyReason(object)).toBe("ReconciliationFailed");

    // KS-180: without the account there, nothing can be deleted in its name.
    await deleteObject(remote.client, { apiVersion: "v1", kind: "ServiceAccount", namespace, name: "deployer" });
    await remove("limited");
    await workspace.untilGone("Kustomization", "limited");
    expect(await on.messages("limited")).toContain(`unable to prune objects: \nConfigMap/${namespace}/limited`);
    expect(await on.configMapIn(remote.client, "limited")).toBeDefined();
  });

  it("KS-181: a missing kubeconfig Secret keeps the finalizer until it is back", async () => {
    await on.secret("kept", { value: kubeconfigOf(remote) });
    await on.remotely("kept", "./kept");
    await workspace.untilReady("Kustomization", "kept");
    await deleteObject(workspace.client, {
      apiVersion: "v1",
      kind: "Secret",
      namespace: workspace.namespace,
      name: "kept",
    });
    await remove("kept");
    await expect.poll(() => on.messages("kept")).toContain("pruning for deleted resource failed");
    expect(await workspace.find("Kustomization", "kept")).toBeDefined();
    expect(await on.configMapIn(remote.client, "kept")).toBeDefined();
    await on.secret("kept", { value: kubeconfigOf(remote) });
    await workspace.untilGone("Kustomization", "kept", 40);
    expect(await on.configMapIn(remote.client, "kept")).toBeUndefined();
  });

  it("KS-211: believes nothing that it remembers of another cluster", async () => {
    await on.secret("moves", { value: kubeconfigOf(remote) });
    await on.remotely("moves", "./moves");
    await workspace.untilReady("Kustomization", "moves");
    expect(await on.configMapIn(workspace.client, "moves")).toBeUndefined();
    await workspace.patch("Secret", "moves", { stringData: { value: workspace.sluice.cluster.kubeconfig } });
    await workspace.reconcile("Kustomization", "moves");
    await expect.poll(() => on.configMapIn(workspace.client, "moves")).toBeDefined();
  });

  it("KS-211, KS-181: a cluster that is away is told of in the status, and keeps the finalizer", async () => {
    const away = kubeconfigOf(remote, { server: "https://127.0.0.1:1" });
    await on.secret("away", { value: away });
    await on.remotely("away", "./away", { wait: true });
    expect(readyReason(await on.untilMessage("away", /ECONNREFUSED/))).toBe("ReconciliationFailed");
    await workspace.patch("Secret", "away", { stringData: { value: kubeconfigOf(remote) } });
    await workspace.reconcile("Kustomization", "away");
    await workspace.untilReady("Kustomization", "away");
    // What is remembered of a cluster says nothing of whether it is there.
    await workspace.patch("Secret", "away", { stringData: { value: away } });
    await workspace.reconcile("Kustomization", "away");
    await on.untilMessage("away", /ECONNREFUSED/);
    await remove("away");
    await expect.poll(() => on.messages("away")).toContain("pruning for deleted resource failed");
    expect(await workspace.find("Kustomization", "away")).toBeDefined();
    await workspace.patch("Secret", "away", { stringData: { value: kubeconfigOf(remote) } });
    await workspace.untilGone("Kustomization", "away", 40);
    expect(await on.configMapIn(remote.client, "away")).toBeUndefined();
  });
});
