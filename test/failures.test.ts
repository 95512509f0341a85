import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;

beforeAll(async () => {
  workspace = await openWorkspace("failures");
  repository = await workspace.repository({
    "good/config.yaml": configMap("good", {}),
    "base/config.yaml": configMap("base", {}),
    "dependent/config.yaml": configMap("dependent", {}),
    "broken/config.yaml": "kind: ConfigMap\n  apiVersion: v1\n",
    "invalid/a.yaml": configMap("fine", {}),
    "invalid/b.yaml": JSON.stringify({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "invalid" },
      spec: { ports: [{ port: 99999 }] },
    }),
    "unhealthy/deployment.yaml": JSON.stringify(deployment("unhealthy", 1)),
    "claim/claim.yaml": JSON.stringify({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "claim" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    }),
    "leak/kustomization.yaml": "configMapGenerator:\n- name: leak\n  files: [/proc/self/environ]\n",
    "outside/kustomization.yaml": "resources: [../../../../etc]\n",
    "encrypted/secret.yaml": JSON.stringify({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "encrypted" },
      data: { password: "RU5DW10=" },
      sops: { mac: "ENC[x]" },
    }),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
});

afterAll(() => workspace?.close());

function deployment(name: string, replicas: number) {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name, image: "example.invalid/none" }] } },
    },
  };
}

/** Until Ready is False for this reason. */
function untilFailed(name: string, reason: string, seconds?: number): Promise<Reconciled> {
  const failed = ({ status }: Reconciled) =>
    conditionOf(status, "Ready")?.status === "False" && conditionOf(status, "Ready")?.reason === reason;
  return workspace.until("Kustomization", name, failed, seconds);
}

const message = (object: Reconciled, type = "Ready") => conditionOf(object.status, type)?.message ?? "";

describe("what goes wrong is told as Flux tells it", () => {
  it("KS-075, KS-222, KS-225, KS-232: a failing build", async () => {
    await workspace.kustomization("broken", { path: "./broken" });
    const ks = await untilFailed("broken", "BuildFailed");
    expect(message(ks)).toMatch(/^failed to decode Kubernetes YAML from /);
    expect(ks.status?.lastAttemptedRevision).toMatch(/^main@sha1:/);
    expect(ks.status?.lastAppliedRevision).toBeUndefined();
    expect(ks.status?.observedGeneration).toBe(-1);
    expect(conditionOf(ks.status, "Reconciling")).toMatchObject({ status: "True", reason: "ProgressingWithRetry" });
    expect(message(ks, "Reconciling")).toBe(
      `Building manifests for revision ${ks.status?.lastAttemptedRevision} with a timeout of 59m30s`,
    );
    const event = (await workspace.events("Kustomization", "broken")).at(-1);
    expect(event).toMatchObject({ type: "Warning", reason: "BuildFailed", message: message(ks) });
  });

  it("KS-023, KS-223: a missing source, until it comes", async () => {
    await workspace.kustomization("early", { path: "./good", sourceRef: { kind: "GitRepository", name: "later" } });
    const ks = await untilFailed("early", "ArtifactFailed");
    expect(message(ks)).toBe('gitrepositories.source.toolkit.fluxcd.io "later" not found');
    expect(conditionOf(ks.status, "Reconciling")).toBeUndefined();
    expect(await workspace.events("Kustomization", "early")).toEqual([]);
    await workspace.gitRepository("later", repository.url);
    await workspace.untilReady("Kustomization", "early");
  });

  it("KS-024: a source that cannot be fetched has no artifact", async () => {
    await workspace.gitRepository("unreachable", `${workspace.git.url}/none.git`);
    const failed = ({ status }: Reconciled) => conditionOf(status, "Ready")?.status === "False";
    const source = await workspace.until("GitRepository", "unreachable", failed);
    expect(conditionOf(source.status, "FetchFailed")).toMatchObject({ status: "True", reason: "GitOperationFailed" });
    await workspace.kustomization("waiting", { sourceRef: { kind: "GitRepository", name: "unreachable" } });
    const ks = await untilFailed("waiting", "ArtifactFailed");
    expect(message(ks)).toBe("Source artifact not found, retrying in 30s");
    expect(await workspace.events("Kustomization", "waiting")).toEqual([]);
  });

  it("KS-028: a path that is not in the artifact", async () => {
    await workspace.kustomization("nowhere", { path: "./nope" });
    const ks = await untilFailed("nowhere", "ArtifactFailed");
    expect(message(ks)).toMatch(/^kustomization path not found:/);
    expect(ks.status?.lastAttemptedRevision).toBeUndefined();
  });

  it("KS-040, KS-041, SN-12: a dependency that is missing, then not ready, then wakes who waits", async () => {
    await workspace.kustomization("dependent", { path: "./dependent", dependsOn: [{ name: "base" }] });
    const missing = await untilFailed("dependent", "DependencyNotReady");
    const { namespace } = workspace;
    expect(message(missing)).toBe(
      `dependency '${namespace}/base' not found: kustomizations.kustomize.toolkit.fluxcd.io "base" not found`,
    );
    const event = (await workspace.events("Kustomization", "dependent")).at(-1);
    expect(event).toMatchObject({
      type: "Normal",
      reason: "DependencyNotReady",
      message: "Dependencies do not meet ready condition, retrying in 30s",
    });
    await workspace.kustomization("base", { path: "./base" });
    await workspace.untilReady("Kustomization", "dependent", 10);
  });

  it("KS-149, KS-137, KS-171: an object that the API server refuses keeps its whole stage away", async () => {
    await workspace.kustomization("invalid", { path: "./invalid" });
    const ks = await untilFailed("invalid", "ReconciliationFailed");
    expect(message(ks)).toMatch(
      new RegExp(
        `^Service/${workspace.namespace}/invalid dry-run failed \\(Invalid\\): Service "invalid" is invalid: `,
      ),
    );
    expect(await workspace.find("ConfigMap", "fine")).toBeUndefined();
  });

  it("KS-191, KS-192, KS-194: health that does not come within the timeout", async () => {
    await workspace.kustomization("unhealthy", { path: "./unhealthy", wait: true, timeout: "1s" });
    const checking = ({ status }: Reconciled) => conditionOf(status, "Healthy")?.status === "Unknown";
    const running = await workspace.until("Kustomization", "unhealthy", checking);
    const progress = `Running health checks for revision ${running.status?.lastAttemptedRevision} with a timeout of 30s`;
    expect(message(running, "Healthy")).toBe(progress);
    expect(conditionOf(running.status, "Reconciling")).toMatchObject({ reason: "Progressing", message: progress });
    expect(conditionOf(running.status, "Ready")).toMatchObject({ status: "Unknown", reason: "Progressing" });
    const { namespace } = workspace;
    const failed = await untilFailed("unhealthy", "HealthCheckFailed", 45);
    expect(message(failed)).toMatch(
      new RegExp(
        `^health check failed after 3\\d(\\.\\d+)?s: timeout waiting for: \\[Deployment/${namespace}/unhealthy status: 'InProgress'\\]$`,
      ),
    );
    expect(conditionOf(failed.status, "Healthy")).toMatchObject({ status: "False", reason: "HealthCheckFailed" });
    expect(failed.status?.lastAppliedRevision).toBeUndefined();
    expect((await workspace.events("Kustomization", "unhealthy")).at(-1)).toMatchObject({
      type: "Warning",
      reason: "HealthCheckFailed",
      message: message(failed),
    });
  }, 90_000);

  it("KS-190, KS-193, SN-08: health that comes while nothing waits for it", async () => {
    await workspace.kustomization("claim", { path: "./claim", wait: true });
    const checking = ({ status }: Reconciled) => conditionOf(status, "Healthy")?.status === "Unknown";
    await workspace.until("Kustomization", "claim", checking);
    const { client, namespace } = workspace;
    await client.request({
      method: "PATCH",
      path: `/api/v1/namespaces/${namespace}/persistentvolumeclaims/claim/status`,
      contentType: "application/merge-patch+json",
      body: { status: { phase: "Bound" } },
    });
    const healthy = await workspace.untilReady("Kustomization", "claim", 10);
    expect(conditionOf(healthy.status, "Healthy")).toMatchObject({ status: "True", reason: "Succeeded" });
    expect(message(healthy, "Healthy")).toMatch(/^Health check passed in /);
    const told = (await workspace.events("Kustomization", "claim")).map((event) => event.message.split(" in ")[0]);
    expect(told.slice(-3)).toEqual([
      `PersistentVolumeClaim/${namespace}/claim created`,
      "Health check passed",
      "Reconciliation finished",
    ]);
  });

  it.each([
    ["leak", "/proc/self/environ"],
    ["outside", "etc"],
  ])("KS-070, SN-02: a build that reaches outside the artifact (%s) fails and leaks nothing", async (path, named) => {
    await workspace.kustomization(path, { path: `./${path}` });
    const ks = await untilFailed(path, "BuildFailed");
    expect(message(ks)).toContain(named);
    const { HOME = "", PATH = "" } = process.env;
    for (const secret of [HOME, PATH]) expect(JSON.stringify(ks)).not.toContain(`=${secret}`);
    expect(await workspace.find("ConfigMap", "leak")).toBeUndefined();
  });

  it("KS-091: ciphertext is not applied", async () => {
    await workspace.kustomization("encrypted", { path: "./encrypted" });
    const ks = await untilFailed("encrypted", "ReconciliationFailed");
    expect(message(ks)).toContain(
      `Secret/${workspace.namespace}/encrypted is SOPS encrypted, configuring decryption is required for this secret to be reconciled`,
    );
    expect(await workspace.find("Secret", "encrypted")).toBeUndefined();
  });
});
