import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import { patchObject } from "../lib/cluster/objects.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { startSluice } from "./bed/sluice.ts";
import { watch } from "./bed/watch.ts";
import {
  apiVersions,
  conditionOf,
  configMap,
  openWorkspace,
  type Reconciled,
  type RecordedEvent,
  type Workspace,
} from "./bed/workspace.ts";

/** How long a placeholder is remembered: a change of it counts after that. */
const rememberedMilliseconds = 5500;

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let repository: GitRepository;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-gates-"));
  sluice = await startSluice({ directory });
  workspace = await openWorkspace("gates", { sluice });
  repository = await workspace.repository({
    "one/config.yaml": configMap("one", {}),
    ...Object.fromEntries(
      ["pushed", "asked", "edited", "configured", "quiet"].map((name) => [
        `${name}/deployment.yaml`,
        deployment(name, 1),
      ]),
    ),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
}, 300_000);

afterAll(async () => {
  await workspace?.close();
  await sluice?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Nothing runs its pods here: with one replica it never becomes available, with none it is at once. */
function deployment(name: string, replicas: number): string {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name, image: "example.invalid/none" }] } };
  return JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { replicas, selector: { matchLabels: labels }, template },
  });
}

async function setGates(gates: string): Promise<void> {
  const containers = [{ name: "manager", image: "example.invalid/none", args: [`--feature-gates=${gates}`] }];
  const reference = {
    apiVersion: apiVersions.Deployment,
    kind: "Deployment",
    namespace: "flux-system",
    name: "kustomize-controller",
  };
  const merge = { spec: { template: { spec: { containers } } } };
  await patchObject(workspace.client, reference, { merge }, { fieldManager: "team" });
  await sleep(rememberedMilliseconds);
}

const untilChecking = (name: string): Promise<Reconciled> =>
  workspace.until("Kustomization", name, ({ status }) => conditionOf(status, "Healthy")?.status === "Unknown");
const messagesOf = async (name: string) =>
  (await workspace.events("Kustomization", name)).map(({ message }) => message);

/** Makes a Kustomization whose health check hangs, does something, and says what the object and its events tell of that. */
async function interrupted(
  name: string,
  spec: Partial<KustomizationSpec>,
  interrupt: () => Promise<unknown>,
): Promise<{ canceled: Reconciled | undefined; event: RecordedEvent | undefined; message: string; ready: Reconciled }> {
  await workspace.kustomization(name, { path: `./${name}`, wait: true, timeout: "10m", ...spec });
  const before = await untilChecking(name);
  const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/kustomizations`;
  const changes = await watch(sluice.cluster, path, `metadata.name=${name}`);
  const seen: Reconciled[] = [];
  changes.onChange = ({ object }) => seen.push(object);
  await interrupt();
  const goesOn = ({ status }: Reconciled) =>
    status?.lastAttemptedRevision !== before.status?.lastAttemptedRevision ||
    seen.some((object) => conditionOf(object.status, "Ready")?.reason === "HealthCheckCanceled");
  await workspace.until("Kustomization", name, goesOn);
  const commit = await repository.commit({ [`${name}/deployment.yaml`]: deployment(name, 0) });
  await workspace.reconcile("GitRepository", "source");
  const ready = await workspace.until(
    "Kustomization",
    name,
    ({ status }) =>
      status?.lastAppliedRevision === `main@sha1:${commit}` && conditionOf(status, "Ready")?.status === "True",
  );
  changes.stop();
  const events = await workspace.events("Kustomization", name);
  const canceled = seen.find((object) => conditionOf(object.status, "Ready")?.reason === "HealthCheckCanceled");
  return {
    canceled,
    event: events.find((event) => event.reason === "HealthCheckCanceled"),
    message: conditionOf(canceled?.status, "Ready")?.message ?? "",
    ready,
  };
}

const pushFix = async (name: string) => {
  await repository.commit({ [`${name}/deployment.yaml`]: deployment(name, 0) });
  await workspace.reconcile("GitRepository", "source");
};

describe("gates of health checks and dependencies", () => {
  it("KS-204: with the gate off a newer revision takes the place of a check that hangs, and nothing is told of that", async () => {
    const { canceled, event, ready } = await interrupted("quiet", {}, () => pushFix("quiet"));
    expect(canceled).toBeUndefined();
    expect(event).toBeUndefined();
    expect(conditionOf(ready.status, "Healthy")?.status).toBe("True");
  });

  it("KS-045: with AdditiveCELDependencyCheck both checks must hold", async () => {
    await workspace.kustomization("failing", { path: "./missing" });
    await workspace.until("Kustomization", "failing", ({ status }) => conditionOf(status, "Ready")?.status === "False");
    const dependsOn = [{ name: "failing", readyExpr: "true" }];
    await workspace.kustomization("lenient", { path: "./one", namePrefix: "lenient-", dependsOn });
    await workspace.untilReady("Kustomization", "lenient");

    await setGates("AdditiveCELDependencyCheck=true,DisableFailFastBehavior=true,CancelHealthCheckOnNewRevision=true");
    await workspace.kustomization("strict", { path: "./one", namePrefix: "strict-", dependsOn });
    const { status } = await workspace.until(
      "Kustomization",
      "strict",
      (object) => conditionOf(object.status, "Ready")?.reason === "DependencyNotReady",
    );
    expect(conditionOf(status, "Ready")?.message).toBe(`dependency '${workspace.namespace}/failing' is not ready`);
    await workspace.kustomization("refused", {
      path: "./one",
      namePrefix: "refused-",
      dependsOn: [{ name: "lenient", readyExpr: "false" }],
    });
    const refused = await workspace.until(
      "Kustomization",
      "refused",
      (object) => conditionOf(object.status, "Ready")?.reason === "DependencyNotReady",
    );
    expect(conditionOf(refused.status, "Ready")?.message).toContain("is not ready according to readyExpr eval");
  });

  it("KS-195: with DisableFailFastBehavior a failure does not end the wait for the others", async () => {
    const phase = (name: string, value: string) =>
      workspace.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { phase: value } });
    await phase("broken", "failed");
    await phase("slow", "busy");
    const checked = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", name, namespace: workspace.namespace });
    await workspace.kustomization("patient", {
      path: "./one",
      namePrefix: "patient-",
      timeout: "10m",
      healthChecks: [checked("broken"), checked("slow")],
      healthCheckExprs: [
        { apiVersion: "v1", kind: "ConfigMap", failed: "data.phase == 'failed'", current: "data.phase == 'done'" },
      ],
    });
    await untilChecking("patient");
    await workspace.patch("ConfigMap", "slow", { data: { phase: "done" } });
    const { status } = await workspace.until(
      "Kustomization",
      "patient",
      (object) => conditionOf(object.status, "Ready")?.reason === "HealthCheckFailed",
    );
    expect(conditionOf(status, "Ready")?.message).toMatch(
      new RegExp(
        `failed early due to stalled resources: \\[ConfigMap/${workspace.namespace}/broken status: 'Failed'\\]$`,
      ),
    );
  });

  it("KS-204, KS-233: with CancelHealthCheckOnNewRevision a new revision ends a check that hangs", async () => {
    const { canceled, event, message, ready } = await interrupted("pushed", {}, () => pushFix("pushed"));
    const trigger = `GitRepository/${workspace.namespace}/source`;
    expect(message).toBe(`New reconciliation triggered by ${trigger}`);
    expect(conditionOf(canceled?.status, "Ready")).toMatchObject({ status: "False", reason: "HealthCheckCanceled" });
    expect(event).toMatchObject({
      type: "Normal",
      message: `Health checks canceled due to new reconciliation triggered by ${trigger}`,
    });
    expect(event?.metadata.annotations).toMatchObject({
      "kustomize.toolkit.fluxcd.io/revision": canceled?.status?.lastAttemptedRevision,
    });
    expect(conditionOf(ready.status, "Healthy")?.status).toBe("True");
    const told = (await messagesOf("pushed")).filter((text) => text.startsWith("Health checks canceled"));
    expect(told).toHaveLength(1);
  });

  it("KS-204: a request ends a check that hangs, and is answered by the pass that follows", async () => {
    let requestedAt = "";
    const { message, ready } = await interrupted("asked", {}, async () => {
      requestedAt = await workspace.reconcile("Kustomization", "asked");
    });
    expect(message).toBe(`New reconciliation triggered by Kustomization/${workspace.namespace}/asked`);
    expect(ready.status?.lastHandledReconcileAt).toBe(requestedAt);
  });

  it("KS-204: a new specification ends a check that hangs", async () => {
    const { message } = await interrupted("edited", {}, () =>
      workspace.patch("Kustomization", "edited", { spec: { timeout: "9m" } }),
    );
    expect(message).toBe(`New reconciliation triggered by Kustomization/${workspace.namespace}/edited`);
  });

  it("KS-204: a watched ConfigMap ends a check that hangs", async () => {
    await workspace.create({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "variables", labels: { "reconcile.fluxcd.io/watch": "Enabled" } },
      data: { A: "1" },
    });
    const postBuild = { substituteFrom: [{ kind: "ConfigMap" as const, name: "variables" }] };
    const { message } = await interrupted("configured", { postBuild }, () =>
      workspace.patch("ConfigMap", "variables", { data: { A: "2" } }),
    );
    expect(message).toBe(`New reconciliation triggered by ConfigMap/${workspace.namespace}/variables`);
  });
});
