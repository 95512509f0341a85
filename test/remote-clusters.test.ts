import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import type { KubernetesObject } from "../lib/api/object.ts";
import type { ClusterClient } from "../lib/cluster/client.ts";
import { createObject, deleteObject, findObject, patchObject } from "../lib/cluster/objects.ts";
import { type ControlPlane, startControlPlane } from "../lib/host/control-plane/control-plane.ts";
import { freePort } from "../lib/host/free-port.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { connectTo, installKinds } from "./bed/installed.ts";
import { startSluice } from "./bed/sluice.ts";
import {
  apiVersions,
  conditionOf,
  configMap,
  openWorkspace,
  type Reconciled,
  type Workspace,
} from "./bed/workspace.ts";

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let repository: GitRepository;
let remote: ControlPlane;
let remoteClient: ClusterClient;
/** How the home cluster's tokens name the other one. */
let address: string;
/** Every message that Sluice sent to its queues. */
const sent: string[] = [];

const clusterRole = JSON.stringify({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "remote-everything" },
  rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }],
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-remote-"));
  sluice = await startSluice({
    directory: join(directory, "home"),
    wrap: (platform) => ({
      ...platform,
      queue: {
        ...platform.queue,
        send: (queue, messages) => {
          sent.push(...messages.map(({ body }) => body));
          return platform.queue.send(queue, messages);
        },
      },
    }),
  });
  const port = await freePort();
  address = `https://LOCALHOST:${port}`;
  remote = await startRemote(port);
  remoteClient = await installKinds(remote);
  workspace = await openWorkspace("remote", { sluice });
  await createObject(remoteClient, { apiVersion: "v1", kind: "Namespace", metadata: { name: workspace.namespace } });
  repository = await workspace.repository({
    "late/config.yaml": configMap("late", {}),
    "app/config.yaml": configMap("config", { colour: "blue" }),
    "app/more.yaml": configMap("more", {}),
    "limited/config.yaml": configMap("limited", {}),
    "forbidden/role.yaml": clusterRole,
    "generic/config.yaml": configMap("generic", {}),
    "moves/config.yaml": configMap("moves", {}),
    "kept/config.yaml": configMap("kept", {}),
    "own/own.yaml": JSON.stringify({
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: { name: "namesake" },
      spec: { interval: "1h", prune: false, suspend: true, sourceRef: { kind: "GitRepository", name: "source" } },
    }),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
  await changeFlags("--feature-gates=ObjectLevelWorkloadIdentity=true");
}, 300_000);

afterAll(async () => {
  await workspace?.close();
  await sluice?.stop();
  await remote?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** A control plane that believes the tokens of the home cluster's service accounts, as KS-215 asks for. */
async function startRemote(port: number): Promise<ControlPlane> {
  await createObject(connectTo(sluice.cluster), {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "issuer-discovery" },
    roleRef: {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "ClusterRole",
      name: "system:service-account-issuer-discovery",
    },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "system:unauthenticated" }],
  } as KubernetesObject);
  const authentication = join(directory, "authentication.yaml");
  await mkdir(directory, { recursive: true });
  await writeFile(
    authentication,
    JSON.stringify({
      apiVersion: "apiserver.config.k8s.io/v1",
      kind: "AuthenticationConfiguration",
      jwt: [
        {
          issuer: {
            url: "https://kubernetes.default.svc.cluster.local",
            discoveryURL: `${sluice.cluster.url}/.well-known/openid-configuration`,
            certificateAuthority: sluice.cluster.certificateAuthority,
            audiences: [address, "other-audience"],
            audienceMatchPolicy: "MatchAny",
          },
          claimMappings: { username: { claim: "sub", prefix: "home:" } },
        },
      ],
    }),
  );
  const issuer = "https://remote.example.invalid";
  return startControlPlane({ directory: join(directory, "remote"), port, issuer, authentication });
}

async function changeFlags(...args: string[]): Promise<void> {
  const name = "kustomize-controller";
  const reference = { apiVersion: apiVersions.Deployment, kind: "Deployment", namespace: "flux-system", name };
  const containers = [{ name: "manager", image: "example.invalid/none", args }];
  const merge = { spec: { template: { spec: { containers } } } };
  await patchObject(workspace.client, reference, { merge }, { fieldManager: "team" });
  // How long a placeholder is remembered.
  await sleep(5500);
}

/** A kubeconfig of the remote cluster, with another server or user where a test wants one. */
function kubeconfig(cluster: object = {}, user: object = { token: remote.token }): string {
  const authority = Buffer.from(remote.certificateAuthority).toString("base64");
  return JSON.stringify({
    "current-context": "remote",
    contexts: [{ name: "remote", context: { cluster: "remote", user: "user" } }],
    clusters: [
      { name: "remote", cluster: { server: remote.url, "certificate-authority-data": authority, ...cluster } },
    ],
    users: [{ name: "user", user }],
  });
}

const secret = (name: string, stringData: Record<string, string>) =>
  workspace.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData } as KubernetesObject);

const remotely = (name: string, path: string, spec: Partial<KustomizationSpec> = {}) =>
  workspace.kustomization(name, { path, kubeConfig: { secretRef: { name } }, ...spec });

const configMapIn = (client: ClusterClient, name: string) =>
  findObject(client, { apiVersion: "v1", kind: "ConfigMap", namespace: workspace.namespace, name });

const untilMessage = (name: string, message: string | RegExp) =>
  workspace.until("Kustomization", name, ({ status }) => {
    const ready = conditionOf(status, "Ready");
    return (
      ready?.status === "False" &&
      (typeof message === "string" ? ready.message === message : message.test(ready.message))
    );
  });

const messages = async (name: string) => (await workspace.events("Kustomization", name)).map(({ message }) => message);

const readyReason = ({ status }: Reconciled) => conditionOf(status, "Ready")?.reason;

async function remove(name: string): Promise<void> {
  await deleteObject(workspace.client, {
    apiVersion: apiVersions.Kustomization,
    kind: "Kustomization",
    namespace: workspace.namespace,
    name,
  });
}

describe("a Kustomization of a remote cluster", () => {
  it("KS-211: says what is wrong with the Secret, and recovers when it is right", async () => {
    const { namespace } = workspace;
    await remotely("late", "./late");
    const missing = `unable to read KubeConfig secret '${namespace}/late' error: secrets "late" not found`;
    expect(readyReason(await untilMessage("late", missing))).toBe("ReconciliationFailed");
    await expect.poll(() => messages("late")).toContain(`failed to build kube client: ${missing}`);

    await secret("late", { other: kubeconfig() });
    await workspace.reconcile("Kustomization", "late");
    await untilMessage(
      "late",
      `KubeConfig secret '${namespace}/late' does not contain a 'value' key with a kubeconfig`,
    );
    await workspace.patch("Kustomization", "late", { spec: { kubeConfig: { secretRef: { key: "mine" } } } });
    await untilMessage("late", `KubeConfig secret '${namespace}/late' does not contain a 'mine' key with a kubeconfig`);
    await workspace.patch("Kustomization", "late", { spec: { kubeConfig: { secretRef: { key: "other" } } } });
    await workspace.untilReady("Kustomization", "late");
    await workspace.patch("Kustomization", "late", { spec: { kubeConfig: { secretRef: { key: null } } } });
    await untilMessage("late", /does not contain a 'value' key/);
    await workspace.patch("Secret", "late", { stringData: { "value.yaml": kubeconfig() } });
    await workspace.reconcile("Kustomization", "late");
    await workspace.untilReady("Kustomization", "late");
    // The first of the two counts.
    await workspace.patch("Secret", "late", { stringData: { value: "{}" } });
    await workspace.reconcile("Kustomization", "late");
    await untilMessage("late", /cannot be used: the kubeconfig has no context ''/);
  });

  it("KS-211, KS-216: applies, corrects, checks and prunes there, and keeps its status, inventory and events at home", async () => {
    await secret("app", { value: kubeconfig() });
    await remotely("app", "./app", { wait: true });
    const object = await workspace.untilReady("Kustomization", "app");
    expect(await configMapIn(remoteClient, "config")).toMatchObject({
      data: { colour: "blue" },
      metadata: { labels: { "kustomize.toolkit.fluxcd.io/name": "app" } },
    });
    expect(await configMapIn(workspace.client, "config")).toBeUndefined();
    expect(object.status?.inventory?.entries).toHaveLength(2);
    expect(conditionOf(object.status, "Healthy")?.status).toBe("True");
    await expect.poll(() => messages("app")).toContainEqual(expect.stringContaining("/config created"));

    const reference = { apiVersion: "v1", kind: "ConfigMap", namespace: workspace.namespace, name: "config" };
    await patchObject(remoteClient, reference, { merge: { data: { colour: "red" } } }, { fieldManager: "kubectl" });
    await workspace.reconcile("Kustomization", "app");
    await expect.poll(() => configMapIn(remoteClient, "config")).toMatchObject({ data: { colour: "blue" } });

    // Drift there is found by a new revision as well: nobody tells of it here.
    await patchObject(remoteClient, reference, { merge: { data: { colour: "red" } } }, { fieldManager: "kubectl" });
    await repository.commit({ "app/more.yaml": null });
    await workspace.reconcile("GitRepository", "source");
    await expect.poll(() => configMapIn(remoteClient, "more")).toBeUndefined();
    await expect.poll(() => configMapIn(remoteClient, "config")).toMatchObject({ data: { colour: "blue" } });
    await workspace.untilReady("Kustomization", "app");
    await remove("app");
    await workspace.untilGone("Kustomization", "app");
    expect(await configMapIn(remoteClient, "config")).toBeUndefined();
  });

  it("KS-216, KS-210: acts there as the service account of the same namespace and name", async () => {
    const { namespace } = workspace;
    const rbac = (kind: string, more: object) =>
      createObject(remoteClient, {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind,
        metadata: { namespace, name: "deployer" },
        ...more,
      } as KubernetesObject);
    await createObject(remoteClient, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace, name: "deployer" },
    });
    await rbac("Role", { rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["*"] }] });
    await rbac("RoleBinding", {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "deployer" },
      subjects: [{ kind: "ServiceAccount", namespace, name: "deployer" }],
    });
    await secret("limited", { value: kubeconfig() });
    await remotely("limited", "./limited", { serviceAccountName: "deployer" });
    await workspace.untilReady("Kustomization", "limited");
    await remotely("forbidden", "./forbidden", {
      serviceAccountName: "deployer",
      kubeConfig: { secretRef: { name: "limited" } },
    });
    const object = await untilMessage(
      "forbidden",
      new RegExp(`User "system:serviceaccount:${namespace}:deployer" cannot .* resource "clusterroles"`),
    );
    expect(readyReason(object)).toBe("ReconciliationFailed");

    // KS-180: without the account there, nothing can be deleted in its name.
    await deleteObject(remoteClient, { apiVersion: "v1", kind: "ServiceAccount", namespace, name: "deployer" });
    await remove("limited");
    await workspace.untilGone("Kustomization", "limited");
    expect(await messages("limited")).toContain(`unable to prune objects: \nConfigMap/${namespace}/limited`);
    expect(await configMapIn(remoteClient, "limited")).toBeDefined();
  });

  it("KS-181: a missing kubeconfig Secret keeps the finalizer until it is back", async () => {
    await secret("kept", { value: kubeconfig() });
    await remotely("kept", "./kept");
    await workspace.untilReady("Kustomization", "kept");
    await deleteObject(workspace.client, {
      apiVersion: "v1",
      kind: "Secret",
      namespace: workspace.namespace,
      name: "kept",
    });
    await remove("kept");
    await expect.poll(() => messages("kept")).toContain("pruning for deleted resource failed");
    expect(await workspace.find("Kustomization", "kept")).toBeDefined();
    expect(await configMapIn(remoteClient, "kept")).toBeDefined();
    await secret("kept", { value: kubeconfig() });
    await workspace.untilGone("Kustomization", "kept", 40);
    expect(await configMapIn(remoteClient, "kept")).toBeUndefined();
  });

  it("KS-211: believes nothing that it remembers of another cluster", async () => {
    await secret("moves", { value: kubeconfig() });
    await remotely("moves", "./moves");
    await workspace.untilReady("Kustomization", "moves");
    expect(await configMapIn(workspace.client, "moves")).toBeUndefined();
    await workspace.patch("Secret", "moves", { stringData: { value: sluice.cluster.kubeconfig } });
    await workspace.reconcile("Kustomization", "moves");
    await expect.poll(() => configMapIn(workspace.client, "moves")).toBeDefined();
  });

  it("KS-216: an object of Sluice's own kinds there wakes nothing of the same name here", async () => {
    await workspace.kustomization("namesake", { path: "./kept", prune: false });
    await workspace.untilReady("Kustomization", "namesake");
    await secret("own", { value: kubeconfig() });
    await remotely("own", "./own");
    sent.length = 0;
    await workspace.untilReady("Kustomization", "own");
    const reference = { apiVersion: apiVersions.Kustomization, kind: "Kustomization", name: "namesake" };
    expect(await findObject(remoteClient, { ...reference, namespace: workspace.namespace })).toBeDefined();
    expect(sent.some((body) => body.includes('"name":"own"'))).toBe(true);
    expect(sent.filter((body) => body.includes('"name":"namesake"'))).toEqual([]);
  });
});

describe("a tenant's kubeconfig", () => {
  it("KS-212: runs no program, alone or beside a token", async () => {
    const witness = join(directory, "it-ran");
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "/bin/sh",
      args: ["-c", `env > ${witness}`],
      interactiveMode: "Never",
    };
    await secret("exec", { value: kubeconfig({}, { exec }) });
    await remotely("exec", "./kept");
    await untilMessage("exec", /runs a program for its credentials, which is not supported/);
    await workspace.patch("Secret", "exec", { stringData: { value: kubeconfig({}, { exec, token: remote.token }) } });
    await workspace.reconcile("Kustomization", "exec");
    await workspace.untilReady("Kustomization", "exec");
    expect(existsSync(witness)).toBe(false);
  });

  it("KS-212: reads no file, and does not turn the check of certificates off", async () => {
    const token = join(directory, "token");
    await writeFile(token, remote.token);
    await secret("files", { value: kubeconfig({}, { tokenFile: token }) });
    await remotely("files", "./kept");
    await untilMessage("files", /system:anonymous/);
    const insecure = { "certificate-authority-data": "", "insecure-skip-tls-verify": true };
    await workspace.patch("Secret", "files", { stringData: { value: kubeconfig(insecure) } });
    await workspace.reconcile("Kustomization", "files");
    await untilMessage("files", /certificate/);
  });

  it("KS-212, TM-008: reaches neither the metadata of the machine nor the function's runtime API", async () => {
    const server = createServer();
    let reached = 0;
    server.on("connection", (socket) => {
      reached++;
      socket.destroy();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    const before = process.env.AWS_LAMBDA_RUNTIME_API;
    process.env.AWS_LAMBDA_RUNTIME_API = `127.0.0.1:${port}`;
    try {
      const attempts: [string, object][] = [
        ["literal", { server: "http://169.254.169.254/latest/meta-data" }],
        ["mapped", { server: "https://[::ffff:169.254.169.254]" }],
        ["runtime", { server: `http://127.0.0.1:${port}` }],
        ["named", { server: `http://localhost:${port}` }],
        ["proxy", { "proxy-url": `http://127.0.0.1:${port}` }],
      ];
      for (const [name, cluster] of attempts) {
        await secret(name, { value: kubeconfig(cluster) });
        await remotely(name, "./kept");
        await untilMessage(name, /not to be reached/);
      }
      expect(reached).toBe(0);
    } finally {
      if (before === undefined) delete process.env.AWS_LAMBDA_RUNTIME_API;
      else process.env.AWS_LAMBDA_RUNTIME_API = before;
      server.close();
    }
  });
});

describe("the provider generic", () => {
  const provide = (name: string, data: Record<string, string>) =>
    workspace.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data } as KubernetesObject);
  const generic = (name: string, spec: Partial<KustomizationSpec> = {}) =>
    workspace.kustomization(name, { path: "./generic", kubeConfig: { configMapRef: { name } }, ...spec });
  const tokensAsked = async () => {
    const lines = (await readFile(sluice.cluster.auditLog ?? "", "utf8")).split("\n");
    return lines.filter((line) => line.includes(`/namespaces/${workspace.namespace}/serviceaccounts/cloud/token`))
      .length;
  };

  it("KS-215, KS-213, KS-217: a service account's token opens the cluster that trusts this one's issuer", async () => {
    const { namespace } = workspace;
    await generic("generic");
    await untilMessage("generic", `failed to get configmap ${namespace}/generic: configmaps "generic" not found`);
    await provide("generic", {
      provider: "generic",
      serviceAccountName: "cloud",
      "ca.crt": remote.certificateAuthority,
    });
    await workspace.reconcile("Kustomization", "generic");
    await untilMessage(
      "generic",
      `failed to get access token for cluster: failed to get service account '${namespace}/cloud': serviceaccounts "cloud" not found`,
    );
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "cloud" } });
    await workspace.reconcile("Kustomization", "generic");
    await untilMessage("generic", "cluster address is required to create a REST config");
    await workspace.patch("ConfigMap", "generic", { data: { address } });
    await workspace.reconcile("Kustomization", "generic");
    await untilMessage("generic", new RegExp(`User "home:system:serviceaccount:${namespace}:cloud" cannot`));

    await createObject(remoteClient, {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { namespace, name: "home" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "admin" },
      subjects: [
        {
          apiGroup: "rbac.authorization.k8s.io",
          kind: "User",
          name: `home:system:serviceaccount:${namespace}:cloud`,
        },
      ],
    } as KubernetesObject);
    const requestedAt = await workspace.reconcile("Kustomization", "generic");
    await workspace.until("Kustomization", "generic", ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    await workspace.untilReady("Kustomization", "generic");
    expect(await configMapIn(remoteClient, "generic")).toBeDefined();

    const asked = await tokensAsked();
    const again = await workspace.reconcile("Kustomization", "generic");
    await workspace.until("Kustomization", "generic", ({ status }) => status?.lastHandledReconcileAt === again);
    expect(await tokensAsked()).toBe(asked);

    await workspace.patch("ConfigMap", "generic", { data: { audiences: "\n  other-audience\n" } });
    const other = await workspace.reconcile("Kustomization", "generic");
    await workspace.until("Kustomization", "generic", ({ status }) => status?.lastHandledReconcileAt === other);
    await workspace.untilReady("Kustomization", "generic");
    expect(await tokensAsked()).toBe(asked + 1);
    await workspace.patch("ConfigMap", "generic", { data: { audiences: "nobody's" } });
    await workspace.reconcile("Kustomization", "generic");
    await untilMessage("generic", /Unauthorized/i);
  });

  it("KS-213: takes the account that the operator set where the ConfigMap names none, and needs the gate for it", async () => {
    const { namespace } = workspace;
    await provide("default", { provider: "generic", address, "ca.crt": remote.certificateAuthority });
    await changeFlags("--default-kubeconfig-service-account=absent", "--default-service-account=tenant");
    await generic("default");
    await untilMessage(
      "default",
      `failed to get access token for cluster: failed to get service account '${namespace}/absent': the specified default service account does not exist in the object namespace. your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help`,
    );
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "absent" } });
    await workspace.reconcile("Kustomization", "default");
    await untilMessage(
      "default",
      "failed to get access token for cluster: ObjectLevelWorkloadIdentity feature gate is not enabled",
    );
    // Without any account, a locked-down tenant would be handed the controller's own token.
    await changeFlags("--default-service-account=tenant");
    await workspace.reconcile("Kustomization", "default");
    await untilMessage("default", /needs a service account here, since tenants are locked down/);
  });
});
