import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { patchObject } from "../lib/cluster/objects.ts";
import { fetchArchive, resolveRevision } from "../lib/git/fetch.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { startSluice } from "./bed/sluice.ts";
import { apiVersions, conditionOf, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

/** How long a placeholder is remembered: a change of it counts after that. */
const rememberedMilliseconds = 5500;

/** Longer than a pass may take without saying what it does. */
const slowMilliseconds = 4000;

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let repository: GitRepository;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-placeholders-"));
  sluice = await startSluice({ directory });
  workspace = await openWorkspace("placeholders", { sluice });
  repository = await workspace.repository({ "app/config.yaml": configMap("config", { colour: "blue" }) });
}, 300_000);

afterAll(async () => {
  await workspace?.close();
  await sluice?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function changePlaceholder(name: string, spec: unknown): Promise<void> {
  const reference = { apiVersion: apiVersions.Deployment, kind: "Deployment", namespace: "flux-system", name };
  await patchObject(workspace.client, reference, { merge: { spec } }, { fieldManager: "team" });
  await sleep(rememberedMilliseconds);
}

const withArgs = (...args: string[]) => ({
  template: { spec: { containers: [{ name: "manager", image: "example.invalid/none", args }] } },
});

/** The commit that `main` is at, archived as a source-controller does it. */
async function archiveOf({ url }: GitRepository): Promise<{ revision: string; digest: string; tarGz: Uint8Array }> {
  const source = { url, reference: { branch: "main" } };
  const signal = AbortSignal.timeout(10_000);
  const resolved = await resolveRevision(source, signal);
  const { digest, tarGz } = await fetchArchive(source, resolved, signal);
  return { revision: resolved.revision, digest, tarGz: tarGz.read(0, tarGz.size) };
}

type Served = { [path: string]: { content: Uint8Array; afterMilliseconds: number } };

async function serve(served: Served): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const { content, afterMilliseconds } = served[request.url ?? ""] ?? { content: "", afterMilliseconds: 0 };
    setTimeout(() => response.end(content), afterMilliseconds);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return { server, url: `http://127.0.0.1:${address.port}` };
}

/** Writes a GitRepository's status as an in-cluster source-controller does. */
async function writeArtifact(name: string, artifact: Record<string, unknown>): Promise<void> {
  await workspace.client.request({
    method: "PATCH",
    path: `/apis/${apiVersions.GitRepository}/namespaces/${workspace.namespace}/gitrepositories/${name}/status`,
    query: { fieldManager: "source-controller" },
    contentType: "application/merge-patch+json",
    body: { status: { artifact: { lastUpdateTime: "2026-01-01T00:00:00Z", path: "x", ...artifact } } },
  });
}

describe("placeholders say what is Sluice's, and how it behaves", () => {
  it("KS-026, KS-029, KS-220: a controller that runs in the cluster owns its kinds, and its artifacts are read (decision 2)", async () => {
    await changePlaceholder("source-controller", { replicas: 1 });
    await workspace.gitRepository("elsewhere", repository.url);
    await workspace.kustomization("app", { path: "./app", sourceRef: { kind: "GitRepository", name: "elsewhere" } });
    const waiting = await workspace.until("Kustomization", "app", ({ status }) => status?.conditions !== undefined);
    expect(conditionOf(waiting.status, "Ready")?.message).toBe("Source artifact not found, retrying in 30s");
    const untouched = await workspace.find("GitRepository", "elsewhere");
    expect(untouched?.metadata.finalizers).toBeUndefined();
    expect(untouched?.status?.conditions).toBeUndefined();

    const { revision, digest, tarGz } = await archiveOf(repository);
    const { server, url } = await serve({ "/artifact.tar.gz": { content: tarGz, afterMilliseconds: 0 } });
    const metadata = { "org.opencontainers.image.revision": "origin@sha1:1" };
    await writeArtifact("elsewhere", { url: `${url}/artifact.tar.gz`, digest, revision, metadata });
    await workspace.reconcile("Kustomization", "app");
    const { status: applied } = await workspace.untilReady("Kustomization", "app");
    expect((await workspace.find("ConfigMap", "config"))?.data).toEqual({ colour: "blue" });
    expect(applied?.lastAppliedOriginRevision).toBe("origin@sha1:1");
    expect(applied?.history?.[0]?.metadata).toEqual({ revision, originRevision: "origin@sha1:1" });
    const finished = (await workspace.events("Kustomization", "app")).at(-1);
    expect(finished?.metadata.annotations?.["kustomize.toolkit.fluxcd.io/originRevision"]).toBe("origin@sha1:1");

    // KS-220, SN-10: a pass that takes long says what it does.
    await repository.commit({ "app/config.yaml": configMap("config", { colour: "green" }) });
    const slowArchive = await archiveOf(repository);
    const slowServer = await serve({
      "/slow.tar.gz": { content: slowArchive.tarGz, afterMilliseconds: slowMilliseconds },
    });
    const next = slowArchive.revision;
    await writeArtifact("elsewhere", {
      url: `${slowServer.url}/slow.tar.gz`,
      metadata: null,
      digest: slowArchive.digest,
      revision: next,
    });
    await workspace.reconcile("Kustomization", "app");
    const slow = await workspace.until(
      "Kustomization",
      "app",
      ({ status }) => conditionOf(status, "Ready")?.status === "Unknown",
    );
    expect(conditionOf(slow.status, "Ready")).toMatchObject({
      reason: "Progressing",
      message: "Reconciliation in progress",
    });
    expect(conditionOf(slow.status, "Reconciling")).toMatchObject({
      status: "True",
      reason: "Progressing",
      message: `Fetching manifests for revision ${next} with a timeout of 59m30s`,
    });
    const { status: after } = await workspace.until(
      "Kustomization",
      "app",
      ({ status }) => status?.lastAppliedRevision === next,
    );
    expect(conditionOf(after, "Reconciling")).toBeUndefined();

    const other = `sha256:${"0".repeat(64)}`;
    await writeArtifact("elsewhere", {
      url: `${url}/artifact.tar.gz`,
      digest: other,
      revision: "main@sha1:0000000000000000000000000000000000000000",
    });
    await workspace.reconcile("Kustomization", "app");
    const failed = await workspace.until(
      "Kustomization",
      "app",
      ({ status }) => conditionOf(status, "Ready")?.status === "False",
    );
    expect(conditionOf(failed.status, "Ready")).toMatchObject({
      reason: "ArtifactFailed",
      message: `failed to verify archive: computed digest doesn't match provided '${other}'`,
    });
    server.close();
    slowServer.server.close();
  });

  it("design, decision 2: and back, when its Deployment is scaled to 0", async () => {
    await changePlaceholder("source-controller", { replicas: 0 });
    await workspace.reconcile("GitRepository", "elsewhere");
    await workspace.untilReady("GitRepository", "elsewhere");
    // The revision that comes back was attempted before, so that, as in Flux, it is no news (KS-007).
    await workspace.reconcile("Kustomization", "app");
    await workspace.untilReady("Kustomization", "app");
    const commit = (await repository.git(["rev-parse", "main"])).trim();
    const ks = await workspace.find("Kustomization", "app");
    expect(ks?.status?.lastAppliedRevision).toBe(`main@sha1:${commit}`);
  });

  it("KS-012, KS-021: a change of args takes effect without a restart", async () => {
    const other = await openWorkspace("tenant", { sluice });
    await workspace.untilReady("GitRepository", "elsewhere");
    const { namespace } = workspace;
    const crossing = { kind: "GitRepository", name: "elsewhere", namespace } as const;
    await other.kustomization("crossing", { path: "./app", sourceRef: crossing });
    await other.untilReady("Kustomization", "crossing");

    await changePlaceholder("kustomize-controller", withArgs("--no-cross-namespace-refs=true"));
    await other.reconcile("Kustomization", "crossing");
    const denied = await other.until(
      "Kustomization",
      "crossing",
      ({ status }) => conditionOf(status, "Stalled")?.status === "True",
    );
    const text = `can't access 'GitRepository/${namespace}/elsewhere', cross-namespace references have been blocked`;
    for (const type of ["Ready", "Stalled"]) {
      expect(conditionOf(denied.status, type)).toMatchObject({ reason: "AccessDenied", message: text });
    }

    await changePlaceholder("kustomize-controller", withArgs("--requeue-dependency=7s"));
    await other.reconcile("Kustomization", "crossing");
    await other.untilReady("Kustomization", "crossing");
    await other.kustomization("waiting", { dependsOn: [{ name: "none" }], sourceRef: crossing });
    await other.until("Kustomization", "waiting", ({ status }) => status?.conditions !== undefined);
    const [event] = await other.events("Kustomization", "waiting");
    expect(event?.message).toBe("Dependencies do not meet ready condition, retrying in 7s");
    await other.close();
  });

  it("KS-071: --no-remote-bases refuses what is not of the artifact", async () => {
    const base = await workspace.repository({ "kustomization.yaml": "resources: [config.yaml]\n" });
    const overlay = await workspace.repository({ "kustomization.yaml": `resources: ["${base.url}"]\n` });
    await changePlaceholder("kustomize-controller", withArgs("--no-remote-bases=true"));
    await workspace.gitRepository("overlay", overlay.url);
    await workspace.kustomization("remote", { path: "./", sourceRef: { kind: "GitRepository", name: "overlay" } });
    const failed = await workspace.until(
      "Kustomization",
      "remote",
      ({ status }) => conditionOf(status, "Ready")?.reason === "BuildFailed",
    );
    expect(conditionOf(failed.status, "Ready")?.message).toMatch(
      /^kustomize build failed: .*fs-security-constraint abs /,
    );
    expect(workspace.git.requests.filter(({ path }) => base.url.endsWith(path.split("/")[1] ?? "-"))).toEqual([]);
  });

  it("KS-015: a shard handles only what its selector selects", async () => {
    await changePlaceholder("kustomize-controller", withArgs("--watch-label-selector=sharding.fluxcd.io/key=a"));
    const make = (name: string, key: string) =>
      workspace.create({
        apiVersion: apiVersions.Kustomization,
        kind: "Kustomization",
        metadata: { name, labels: { "sharding.fluxcd.io/key": key } },
        spec: {
          interval: "1h",
          path: "./app",
          prune: true,
          sourceRef: { kind: "GitRepository", name: "elsewhere" },
          targetNamespace: workspace.namespace,
          namePrefix: `${name}-`,
        },
      });
    await make("others", "b");
    await make("ours", "a");
    await workspace.untilReady("Kustomization", "ours");
    const others = await workspace.find("Kustomization", "others");
    expect([others?.metadata.finalizers, others?.status?.conditions]).toEqual([undefined, undefined]);
    await changePlaceholder("kustomize-controller", withArgs());
  });

  it("KS-181: what may not be deleted keeps the Kustomization, until it may", async () => {
    const rbac = "rbac.authorization.k8s.io/v1";
    const { client, namespace } = workspace;
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "keeper" } });
    const role = (verbs: string[]) => ({ rules: [{ apiGroups: [""], resources: ["configmaps"], verbs }] });
    const allowed = ["get", "list", "create", "patch"];
    await workspace.create({ apiVersion: rbac, kind: "Role", metadata: { name: "keeper" }, ...role(allowed) });
    await workspace.create({
      apiVersion: rbac,
      kind: "RoleBinding",
      metadata: { name: "keeper" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "keeper" },
      subjects: [{ kind: "ServiceAccount", name: "keeper", namespace }],
    });
    await workspace.kustomization("keeper", {
      path: "./app",
      sourceRef: { kind: "GitRepository", name: "elsewhere" },
      serviceAccountName: "keeper",
      namePrefix: "keeper-",
      retryInterval: "1s",
    });
    await workspace.untilReady("Kustomization", "keeper", 70);
    const path = `/apis/${apiVersions.Kustomization}/namespaces/${namespace}/kustomizations/keeper`;
    await client.request({ method: "DELETE", path });
    await expect
      .poll(async () => (await workspace.events("Kustomization", "keeper")).at(-1)?.message, { timeout: 10_000 })
      .toBe("pruning for deleted resource failed");
    expect((await workspace.find("Kustomization", "keeper"))?.metadata.finalizers).toHaveLength(1);
    const reference = { apiVersion: rbac, kind: "Role", namespace, name: "keeper" };
    await patchObject(client, reference, { merge: role([...allowed, "delete"]) }, { fieldManager: "team" });
    await workspace.untilGone("Kustomization", "keeper", 60);
    await workspace.untilGone("ConfigMap", "keeper-config");
  }, 150_000);

  it("KS-210: a tenant acts as its ServiceAccount, and gets no further", async () => {
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "tenant" } });
    await workspace.kustomization("tenant", {
      path: "./app",
      sourceRef: { kind: "GitRepository", name: "elsewhere" },
      serviceAccountName: "tenant",
      namePrefix: "tenant-",
      retryInterval: "1s",
    });
    const failed = ({ status }: { status?: { conditions?: unknown } }) =>
      JSON.stringify(status?.conditions ?? "").includes("ReconciliationFailed");
    const refused = await workspace.until("Kustomization", "tenant", failed);
    const { namespace } = workspace;
    expect(conditionOf(refused.status, "Ready")?.message).toContain(
      `User "system:serviceaccount:${namespace}:tenant" cannot`,
    );
    const rbac = "rbac.authorization.k8s.io/v1";
    const verbs = ["get", "list", "create", "patch", "update", "delete"];
    await workspace.create({
      apiVersion: rbac,
      kind: "Role",
      metadata: { name: "tenant" },
      rules: [{ apiGroups: [""], resources: ["configmaps"], verbs }],
    });
    await workspace.create({
      apiVersion: rbac,
      kind: "RoleBinding",
      metadata: { name: "tenant" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "tenant" },
      subjects: [{ kind: "ServiceAccount", name: "tenant", namespace }],
    });
    await workspace.untilReady("Kustomization", "tenant", 70);
    expect((await workspace.find("ConfigMap", "tenant-config"))?.data).toEqual({ colour: "green" });
  }, 90_000);
});
