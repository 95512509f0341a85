import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import type { KubernetesObject } from "../lib/api/object.ts";
import { createObject, findObject, patchObject } from "../lib/cluster/objects.ts";
import { kubeconfigOf, type Remote, remoteWorkspace, startRemote } from "./bed/remote.ts";
import { startSluice } from "./bed/sluice.ts";
import { apiVersions, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let remote: Remote;
let on: ReturnType<typeof remoteWorkspace>;
/** Every message that Sluice sent to its queues. */
const sent: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-tenants-"));
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
  remote = await startRemote(sluice.cluster, join(directory, "remote"));
  workspace = await openWorkspace("tenants", { sluice });
  on = remoteWorkspace(workspace);
  await on.namespaceIn(remote.client);
  const repository = await workspace.repository({
    "generic/config.yaml": configMap("generic", {}),
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
  await remote?.plane.stop();
  await rm(directory, { recursive: true, force: true });
});

async function changeFlags(...args: string[]): Promise<void> {
  const name = "kustomize-controller";
  const reference = { apiVersion: apiVersions.Deployment, kind: "Deployment", namespace: "flux-system", name };
  const containers = [{ name: "manager", image: "example.invalid/none", args }];
  const merge = { spec: { template: { spec: { containers } } } };
  await patchObject(workspace.client, reference, { merge }, { fieldManager: "team" });
  // How long a placeholder is remembered.
  await sleep(5500);
}

describe("an object of a remote cluster", () => {
  it("KS-216: an object of Sluice's own kinds there wakes nothing of the same name here", async () => {
    await workspace.kustomization("namesake", { path: "./kept", prune: false });
    await workspace.untilReady("Kustomization", "namesake");
    await on.secret("own", { value: kubeconfigOf(remote) });
    await on.remotely("own", "./own");
    sent.length = 0;
    await workspace.untilReady("Kustomization", "own");
    const reference = { apiVersion: apiVersions.Kustomization, kind: "Kustomization", name: "namesake" };
    expect(await findObject(remote.client, { ...reference, namespace: workspace.namespace })).toBeDefined();
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
    await on.secret("exec", { value: kubeconfigOf(remote, {}, { exec }) });
    await on.remotely("exec", "./kept");
    await on.untilMessage("exec", /runs a program for its credentials, which is not supported/);
    await workspace.patch("Secret", "exec", {
      stringData: { value: kubeconfigOf(remote, {}, { exec, token: remote.plane.token }) },
    });
    await workspace.reconcile("Kustomization", "exec");
    await workspace.untilReady("Kustomization", "exec");
    expect(existsSync(witness)).toBe(false);
  });

  it("KS-212: reads no file, and does not turn the check of certificates off", async () => {
    const token = join(directory, "token");
    await writeFile(token, remote.plane.token);
    await on.secret("files", { value: kubeconfigOf(remote, {}, { tokenFile: token }) });
    await on.remotely("files", "./kept");
    await on.untilMessage("files", /system:anonymous/);
    const insecure = { "certificate-authority-data": "", "insecure-skip-tls-verify": true };
    await workspace.patch("Secret", "files", { stringData: { value: kubeconfigOf(remote, insecure) } });
    await workspace.reconcile("Kustomization", "files");
    await on.untilMessage("files", /certificate/);
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
        await on.secret(name, { value: kubeconfigOf(remote, cluster) });
        await on.remotely(name, "./kept");
        await on.untilMessage(name, /not to be reached/);
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
    await on.untilMessage("generic", `failed to get configmap ${namespace}/generic: configmaps "generic" not found`);
    await provide("generic", {
      provider: "generic",
      serviceAccountName: "cloud",
      "ca.crt": remote.plane.certificateAuthority,
    });
    await workspace.reconcile("Kustomization", "generic");
    await on.untilMessage(
      "generic",
      `failed to get access token for cluster: failed to get service account '${namespace}/cloud': serviceaccounts "cloud" not found`,
    );
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "cloud" } });
    await workspace.reconcile("Kustomization", "generic");
    await on.untilMessage("generic", "cluster address is required to create a REST config");
    await workspace.patch("ConfigMap", "generic", { data: { address: remote.address } });
    await workspace.reconcile("Kustomization", "generic");
    await on.untilMessage("generic", new RegExp(`User "home:system:serviceaccount:${namespace}:cloud" cannot`));

    await createObject(remote.client, {
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
    expect(await on.configMapIn(remote.client, "generic")).toBeDefined();

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
    await on.untilMessage("generic", /Unauthorized/i);
  });

  it("KS-213: takes the account that the operator set where the ConfigMap names none, and needs the gate for it", async () => {
    const { namespace } = workspace;
    await provide("default", {
      provider: "generic",
      address: remote.address,
      "ca.crt": remote.plane.certificateAuthority,
    });
    await changeFlags("--default-kubeconfig-service-account=absent", "--default-service-account=tenant");
    await generic("default");
    await on.untilMessage(
      "default",
      `failed to get access token for cluster: failed to get service account '${namespace}/absent': the specified default service account does not exist in the object namespace. your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help`,
    );
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "absent" } });
    await workspace.reconcile("Kustomization", "default");
    await on.untilMessage(
      "default",
      "failed to get access token for cluster: ObjectLevelWorkloadIdentity feature gate is not enabled",
    );
    // Without any account, a locked-down tenant would be handed the controller's own token.
    await changeFlags("--default-service-account=tenant");
    await workspace.reconcile("Kustomization", "default");
    await on.untilMessage("default", /needs a service account here, since tenants are locked down/);
  });
});

describe("the flags that are insecure by name", () => {
  it("KS-212: one lets a kubeconfig believe any server, the other still runs no program", async () => {
    await changeFlags("--insecure-kubeconfig-tls", "--insecure-kubeconfig-exec=true");
    const insecure = { "certificate-authority-data": undefined, "insecure-skip-tls-verify": true };
    await on.secret("insecure", { value: kubeconfigOf(remote, insecure) });
    await on.remotely("insecure", "./kept");
    await workspace.untilReady("Kustomization", "insecure");
    const witness = join(directory, "it-ran-by-flag");
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "/usr/bin/touch", args: [witness] };
    await on.secret("flagged", { value: kubeconfigOf(remote, {}, { exec }) });
    await on.remotely("flagged", "./kept");
    await on.untilMessage("flagged", /--insecure-kubeconfig-exec has no effect in Sluice/);
    expect(existsSync(witness)).toBe(false);
  });
});
