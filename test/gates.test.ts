import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { patchObject } from "../lib/cluster/objects.ts";
import { fetchArchive, resolveRevision } from "../lib/git/fetch.ts";
import { startSluice } from "./bed/sluice.ts";
import {
  apiVersions,
  conditionOf,
  configMap,
  openWorkspace,
  type Reconciled,
  type Workspace,
} from "./bed/workspace.ts";

/** How long a placeholder is remembered: a change of it counts after that. */
const rememberedMilliseconds = 5500;

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let server: Server;
/** Every message that Sluice sent to be delivered later. */
const later: { body: string; seconds: number }[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-gates-"));
  sluice = await startSluice({
    directory,
    wrap: (platform) => ({
      ...platform,
      queue: {
        ...platform.queue,
        sendLater: (queue, message, seconds) => {
          later.push({ body: message.body, seconds });
          return platform.queue.sendLater(queue, message, seconds);
        },
      },
    }),
  });
  workspace = await openWorkspace("gates", { sluice });
}, 300_000);

afterAll(async () => {
  server?.close();
  await workspace?.close();
  await sluice?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** GitRepositories that cannot be fetched, and are tried again while other tests run: each made at another time, when the machine does other things. */
const patient = ["patient", "patient-too", "patient-as-well"] as const;
const makePatient = (name: (typeof patient)[number]) =>
  workspace.gitRepository(name, `${workspace.git.url}/nothing.git`);

/** When an event was told, in milliseconds: its name ends in hexadecimal nanoseconds. */
function timeOf({ metadata: { name } }: { metadata: { name: string } }): number {
  return Number(BigInt(`0x${name.slice(name.lastIndexOf(".") + 1)}`) / 1_000_000n);
}

/** Sets the feature gates of the kustomize-controller's placeholder. */
function setGates(gates: string): Promise<void> {
  return setArgs("kustomize-controller", `--feature-gates=${gates}`);
}

/** Sets the flags of a placeholder. */
async function setArgs(name: string, ...args: string[]): Promise<void> {
  const container = { name: "manager", image: "example.invalid/none", args };
  const spec = { template: { spec: { containers: [container] } } };
  const reference = { apiVersion: "apps/v1", kind: "Deployment", namespace: "flux-system", name };
  await patchObject(workspace.client, reference, { merge: { spec } }, { fieldManager: "team" });
  await sleep(rememberedMilliseconds);
}

/** An ExternalArtifact that offers what a repository holds. */
async function externalArtifact(name: string, files: Record<string, string>): Promise<string> {
  const source = { url: (await workspace.repository(files)).url, reference: { branch: "main" } };
  const signal = AbortSignal.timeout(10_000);
  const { digest, tarGz } = await fetchArchive(source, await resolveRevision(source, signal), signal);
  server = createServer((_request, response) => response.end(tarGz.read(0, tarGz.size)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const revision = "latest@sha256:1";
  const collection = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/externalartifacts`;
  await expect
    .poll(() =>
      workspace
        .create({ apiVersion: "source.toolkit.fluxcd.io/v1", kind: "ExternalArtifact", metadata: { name } })
        .then(
          () => true,
          () => false,
        ),
    )
    .toBe(true);
  const url = `http://127.0.0.1:${port}/artifact.tar.gz`;
  await workspace.client.request({
    method: "PATCH",
    path: `${collection}/${name}/status`,
    query: { fieldManager: "somebody" },
    contentType: "application/merge-patch+json",
    body: { status: { artifact: { url, digest, revision, path: "x", lastUpdateTime: "2026-01-01T00:00:00Z" } } },
  });
  return revision;
}

describe("feature gates", () => {
  it("KS-022, EA-002: ExternalArtifact, which the placeholder has on, is needed for sources of that kind", async () => {
    const revision = await externalArtifact("outside", { "app/app.yaml": configMap("outside", { key: "value" }) });
    const sourceRef = { kind: "ExternalArtifact" as const, name: "outside" };
    await workspace.kustomization("outside", { path: "./app", sourceRef });
    const { status } = await workspace.untilReady("Kustomization", "outside");
    expect(status?.lastAppliedRevision).toBe(revision);
    expect((await workspace.find("ConfigMap", "outside"))?.data).toEqual({ key: "value" });

    await setGates("ExternalArtifact=false");
    await workspace.reconcile("Kustomization", "outside");
    const refused = await workspace.until("Kustomization", "outside", ({ status }) => {
      return conditionOf(status, "Stalled") !== undefined;
    });
    const message = `can't access 'ExternalArtifact/${workspace.namespace}/outside', ExternalArtifact feature gate is disabled`;
    for (const type of ["Ready", "Stalled"])
      expect(conditionOf(refused.status, type)).toMatchObject({ reason: "AccessDenied", message });
  }, 60_000);

  it("KS-009: with DisableConfigWatchers no ConfigMap wakes anybody", async () => {
    await setGates("ExternalArtifact=true,DisableConfigWatchers=true");
    const labels = { "reconcile.fluxcd.io/watch": "Enabled" };
    await workspace.create({
      apiVersion: apiVersions.ConfigMap,
      kind: "ConfigMap",
      metadata: { name: "settings", labels },
      data: { key: "one" },
    });
    const sourceRef = { kind: "ExternalArtifact" as const, name: "outside" };
    const postBuild = { substituteFrom: [{ kind: "ConfigMap" as const, name: "settings" }] };
    await workspace.kustomization("unwatched", { path: "./app", sourceRef, namePrefix: "unwatched-", postBuild });
    await workspace.untilReady("Kustomization", "unwatched");
    const passes = async () => (await workspace.events("Kustomization", "unwatched")).length;
    const before = await passes();
    await workspace.patch("ConfigMap", "settings", { data: { key: "two" } });
    // A change of its own, which comes after that one, has been worked on.
    const requestedAt = await workspace.reconcile("Kustomization", "outside");
    await workspace.until("Kustomization", "outside", ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    expect(await passes()).toBe(before);
  }, 60_000);
});

describe("the scope of source-controller", () => {
  /** A GitRepository of the file's own repository, in a shard where it is named. */
  async function make(name: string, shard?: string, namespace = workspace.namespace): Promise<void> {
    const { url } = await workspace.repository({ "a.txt": name });
    const labels = shard === undefined ? {} : { "sharding.fluxcd.io/key": shard };
    await workspace.create({
      ...{ apiVersion: apiVersions.GitRepository, kind: "GitRepository", metadata: { name, namespace, labels } },
      spec: { url, interval: "1h", ref: { branch: "main" } },
    });
  }
  /** What nobody has looked at has no finalizer, and is told to be so by the status that it was made with. */
  async function isUntouched(name: string): Promise<void> {
    const found = await workspace.find("GitRepository", name);
    expect(found?.metadata.finalizers).toBeUndefined();
    expect(found?.status ?? { observedGeneration: -1 }).toEqual({ observedGeneration: -1 });
  }

  it("SRC-034: a shard handles only what its selector selects, which may be negated", async () => {
    await setArgs("source-controller", "--watch-label-selector=sharding.fluxcd.io/key=shard1");
    await make("second", "shard2");
    await make("unsharded");
    await make("first", "shard1");
    await workspace.untilReady("GitRepository", "first");
    await isUntouched("second");
    await isUntouched("unsharded");

    await setArgs("source-controller", "--watch-label-selector=!sharding.fluxcd.io/key");
    await make("third", "shard3");
    await workspace.reconcile("GitRepository", "second");
    await workspace.reconcile("GitRepository", "unsharded");
    await workspace.untilReady("GitRepository", "unsharded");
    await isUntouched("second");
    await isUntouched("third");

    await setArgs("source-controller", "--watch-label-selector=sharding.fluxcd.io/key=shard2");
    await workspace.reconcile("GitRepository", "second");
    await workspace.untilReady("GitRepository", "second");
    await isUntouched("third");
  }, 120_000);

  it("SRC-035: without all namespaces, only those of the runtime's own are reconciled", async () => {
    await setArgs("source-controller", "--watch-all-namespaces=false");
    await make("elsewhere");
    await make("inside", undefined, "flux-system");
    const inside = () =>
      workspace.client.request<Reconciled>({
        method: "GET",
        path: `/apis/${apiVersions.GitRepository}/namespaces/flux-system/gitrepositories/inside`,
      });
    await expect.poll(async () => conditionOf((await inside()).status, "Ready")?.status).toBe("True");
    await isUntouched("elsewhere");
    await setArgs("source-controller");
    await workspace.reconcile("GitRepository", "elsewhere");
    await workspace.untilReady("GitRepository", "elsewhere");
  }, 120_000);

  it("SN-006: what failed is sent again after twice the time each time, and the message itself counts", async () => {
    await makePatient("patient");
    const sent = () =>
      later.flatMap(({ body, seconds }) => {
        const { name, continuation } = JSON.parse(body) as { name: string; continuation?: { attempt?: number } };
        return name === "patient" ? [[continuation?.attempt, seconds]] : [];
      });
    await expect.poll(() => sent().length).toBeGreaterThanOrEqual(4);
    expect(sent().slice(0, 4)).toEqual([
      [1, 0.75],
      [2, 1.5],
      [3, 3],
      [4, 6],
    ]);
  });

  it("SN-005, SRC-022: a deletion is over within five seconds where the cluster calls", async () => {
    await makePatient("patient-too");
    const path = `/apis/${apiVersions.GitRepository}/namespaces/${workspace.namespace}/gitrepositories/elsewhere`;
    await workspace.client.request({ method: "DELETE", path });
    await workspace.untilGone("GitRepository", "elsewhere", 5);
  });
});

describe("without the cluster's calls", () => {
  beforeAll(async () => {
    const { url } = await workspace.repository({ "a.txt": "one" });
    for (const name of ["edited", "asked", "deleted"]) await workspace.gitRepository(name, url);
    for (const name of ["edited", "asked", "deleted"]) await workspace.untilReady("GitRepository", name);
    await makePatient("patient-as-well");
  });

  it("KS-142, SN-14: a change by hand that nobody told of is taken back by the next look that a revision has not asked for", async () => {
    const files = (version: string) => ({
      "app/first.yaml": configMap("first", { version }),
      "app/second.yaml": configMap("second", { key: "wanted" }),
    });
    const repository = await workspace.repository(files("1"));
    await workspace.gitRepository("untold", repository.url);
    const sourceRef = { kind: "GitRepository" as const, name: "untold" };
    await workspace.kustomization("untold", { path: "./app", sourceRef });
    await workspace.untilReady("Kustomization", "untold");
    const call = await workspace.receiver("untold", "generic", [{ kind: "GitRepository", name: "untold" }]);
    await workspace.untilReady("Receiver", "untold");
    const calls = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    const { items } = await workspace.client.request<{ items: { metadata: { name: string } }[] }>({
      method: "GET",
      path: calls,
    });
    for (const { metadata } of items)
      await workspace.client.request({ method: "DELETE", path: `${calls}/${metadata.name}` });
    // A configuration is followed a moment after it has changed.
    await sleep(3000);
    await workspace.patch("ConfigMap", "second", { data: { key: "changed by hand" } }, "somebody");

    await repository.commit(files("2"));
    expect(await call()).toBe(200);
    await workspace.until("ConfigMap", "first", ({ data }) => Object(data).version === "2", 90);
    expect((await workspace.find("ConfigMap", "second"))?.data).toEqual({ key: "changed by hand" });
    await workspace.reconcile("Kustomization", "untold");
    await workspace.until("ConfigMap", "second", ({ data }) => Object(data).key === "wanted", 90);
  }, 300_000);

  it("SN-004, SN-005: what is new, edited, asked for and deleted is found by the look of the minute", async () => {
    const { url } = await workspace.repository({ "a.txt": "one" });
    await workspace.gitRepository("new", url);
    await workspace.patch("GitRepository", "edited", { spec: { ignore: "*.md" } });
    const requestedAt = await workspace.reconcile("GitRepository", "asked");
    const path = `/apis/${apiVersions.GitRepository}/namespaces/${workspace.namespace}/gitrepositories/deleted`;
    await workspace.client.request({ method: "DELETE", path });
    await Promise.all([
      workspace.untilReady("GitRepository", "new", 75),
      workspace.until("GitRepository", "edited", (one) => one.status?.observedGeneration === 2, 75),
      workspace.until("GitRepository", "asked", ({ status }) => status?.lastHandledReconcileAt === requestedAt, 75),
      workspace.untilGone("GitRepository", "deleted", 75),
    ]);
  }, 240_000);

  it("SN-006, SRC-017: each retry came within a second of its time, whatever else there was to do", async () => {
    const gaps = await Promise.all(
      patient.map(async (name) => {
        const tries = async () => (await workspace.events("GitRepository", name)).map(timeOf);
        await expect.poll(async () => (await tries()).length, { timeout: 40_000 }).toBeGreaterThanOrEqual(6);
        const times = await tries();
        return times.slice(1, 6).map((time, index) => (time - (times[index] ?? 0)) / 1000);
      }),
    );
    for (const [retry, delay] of [0.75, 1.5, 3, 6, 12].entries()) {
      const found = gaps.map((each) => each[retry] ?? 0).sort((a, b) => a - b);
      expect(found[0]).toBeGreaterThanOrEqual(delay - 0.02);
      // A machine that is busy with other tests may hold up one of them.
      expect(found[1]).toBeLessThanOrEqual(delay + 1);
    }
  }, 60_000);
});
