import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../lib/api/object.ts";
import { createObject } from "../lib/cluster/objects.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;
/** A group of this file's own: definitions belong to the whole cluster. */
let group: string;

/** A kind that says nothing of itself in Kubernetes' way. */
function definition(plural: string, kind: string): KubernetesObject {
  const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, kind },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: "object", properties: { spec: anything, status: anything } } },
        },
      ],
    },
  };
}

const custom = (kind: string, name: string) => ({
  apiVersion: `${group}/v1`,
  kind,
  metadata: { name },
  spec: { size: 1 },
});

/** Writes the status as the kind's controller would. */
function report(plural: string, name: string, status: unknown): Promise<unknown> {
  return workspace.client.request({
    method: "PATCH",
    path: `/apis/${group}/v1/namespaces/${workspace.namespace}/${plural}/${name}/status`,
    contentType: "application/merge-patch+json",
    body: { status },
  });
}

const condition = (type: string, status: string) => ({ type, status });
const untilChecking = (name: string): Promise<Reconciled> =>
  workspace.until("Kustomization", name, ({ status }) => conditionOf(status, "Healthy")?.status === "Unknown");
const untilReason = (name: string, reason: string, seconds?: number): Promise<Reconciled> =>
  workspace.until("Kustomization", name, ({ status }) => conditionOf(status, "Ready")?.reason === reason, seconds);
const messageOf = ({ status }: Reconciled) => conditionOf(status, "Ready")?.message;

/** The expressions that Flux's documentation gives for sealed secrets. */
const synced = {
  failed: "status.conditions.filter(e, e.type == 'Synced').all(e, e.status == 'False')",
  current: "status.conditions.filter(e, e.type == 'Synced').all(e, e.status == 'True')",
};

beforeAll(async () => {
  workspace = await openWorkspace("health-expressions");
  group = `${workspace.namespace}.example.com`;
  for (const object of [definition("seals", "Seal"), definition("claims", "Claim")]) {
    await createObject(workspace.client, object);
  }
  const files = Object.fromEntries(
    ["passes", "fails", "blank", "tenant", "ignored"].map((name) => [
      `${name}/seal.yaml`,
      JSON.stringify(custom("Seal", name)),
    ]),
  );
  const job = (name: string) => ({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name },
    spec: {
      suspend: false,
      template: { spec: { restartPolicy: "Never", containers: [{ name: "a", image: "example.invalid/none" }] } },
    },
  });
  repository = await workspace.repository({
    ...files,
    "both/seal.yaml": JSON.stringify(custom("Seal", "both")),
    "both/claim.yaml": JSON.stringify(custom("Claim", "both")),
    "own/config.yaml": configMap("own", { phase: "done" }),
    "job/job.yaml": JSON.stringify(job("job")),
    "tenant-job/job.yaml": JSON.stringify(job("tenant-job")),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
});

afterAll(() => workspace?.close());

describe("healthCheckExprs", () => {
  it("KS-201: a kind without conditions of its own passes when its expression says so", async () => {
    // Another version, for versions do not matter.
    const healthCheckExprs = [{ apiVersion: `${group}/v1alpha1`, kind: "Seal", ...synced }];
    await workspace.kustomization("passes", { path: "./passes", wait: true, healthCheckExprs });
    await untilChecking("passes");
    await report("seals", "passes", { observedGeneration: 1, conditions: [condition("Synced", "True")] });
    const passed = await workspace.untilReady("Kustomization", "passes");
    expect(conditionOf(passed.status, "Healthy")).toMatchObject({ status: "True", reason: "Succeeded" });
  });

  it("KS-201, KS-195: an expression that says failed ends the wait at once", async () => {
    const healthCheckExprs = [{ apiVersion: `${group}/v1`, kind: "Seal", ...synced }];
    await workspace.kustomization("fails", { path: "./fails", wait: true, healthCheckExprs });
    await untilChecking("fails");
    await report("seals", "fails", { conditions: [condition("Synced", "False")] });
    const failed = await untilReason("fails", "HealthCheckFailed");
    expect(messageOf(failed)).toMatch(
      new RegExp(
        `^health check failed after \\S+: failed early due to stalled resources: \\[Seal/${workspace.namespace}/fails status: 'Failed'\\]$`,
      ),
    );
  });

  it("KS-201, KS-194: what an expression cannot answer is told when the time is over", async () => {
    const current = "has(status.ready) && status.ready";
    const healthCheckExprs = [{ apiVersion: `${group}/v1`, current }];
    await workspace.kustomization("blank", { path: "./blank", wait: true, timeout: "1s", healthCheckExprs });
    const failed = await untilReason("blank", "HealthCheckFailed", 45);
    expect(messageOf(failed)?.replace(/after \S+:/, "after x:")).toBe(
      `health check failed after x: timeout waiting for: [Seal/${workspace.namespace}/blank status: 'Unknown': failed to evaluate the CEL expression '${current}': no such attribute(s): status.ready]`,
    );
  }, 60_000);

  it("KS-201: a group's expression covers its kinds, an exact kind has its own", async () => {
    const healthCheckExprs = [
      { apiVersion: `${group}/v1`, current: "has(status.ready) && status.ready" },
      { apiVersion: `${group}/v1`, kind: "Claim", current: "status.phase == 'Bound' && spec.size == 1" },
    ];
    const healthChecks = ["Seal", "Claim"].map((kind) => ({
      apiVersion: `${group}/v1`,
      kind,
      name: "both",
      namespace: workspace.namespace,
    }));
    await workspace.kustomization("both", { path: "./both", healthChecks, healthCheckExprs });
    await untilChecking("both");
    await report("claims", "both", { phase: "Bound" });
    await report("seals", "both", { ready: true });
    await workspace.untilReady("Kustomization", "both");
  });

  it("KS-203: without anything to wait for expressions are not asked", async () => {
    const healthCheckExprs = [{ apiVersion: `${group}/v1`, kind: "Seal", current: "status.nothing" }];
    await workspace.kustomization("ignored", { path: "./ignored", healthCheckExprs });
    const { status } = await workspace.untilReady("Kustomization", "ignored");
    expect(conditionOf(status, "Healthy")).toBeUndefined();
  });

  it("KS-203: built-in kinds may be told otherwise", async () => {
    const healthCheckExprs = [{ apiVersion: "v1", kind: "ConfigMap", current: "data.phase == 'done'" }];
    const before = { ...healthCheckExprs[0], apiVersion: "v1", failed: "data.phase == 'done'", current: "false" };
    await workspace.kustomization("own", { path: "./own", wait: true, healthCheckExprs: [before] });
    await untilReason("own", "HealthCheckFailed");
    await workspace.patch("Kustomization", "own", { spec: { healthCheckExprs } });
    await workspace.untilReady("Kustomization", "own");
  });

  it("KS-203: a Job has its own rule, but for who acts as somebody else", async () => {
    const healthCheckExprs = [{ apiVersion: "batch/v1", kind: "Job", current: "true" }];
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "tenant" } });
    await workspace.create({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "tenant" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      subjects: [{ kind: "ServiceAccount", name: "tenant", namespace: workspace.namespace }],
    });
    await workspace.kustomization("job", { path: "./job", wait: true, healthCheckExprs });
    await workspace.kustomization("tenant-job", {
      path: "./tenant-job",
      wait: true,
      healthCheckExprs,
      serviceAccountName: "tenant",
    });
    await workspace.untilReady("Kustomization", "tenant-job");
    await untilChecking("job");
  });

  it.each([
    [
      "syntax",
      [{ apiVersion: "example.com/v1", kind: "X", inProgress: "foo.", current: "true" }],
      "failed to create custom status evaluator for healthchecks[0]: failed to parse the expression InProgress: failed to parse the CEL expression 'foo.': ERROR: <input>:1:5: Syntax error: no viable alternative at input '.'\n | foo.\n | ....^",
    ],
    [
      "empty",
      [{ apiVersion: "example.com/v1", kind: "X", current: "" }],
      "failed to create custom status evaluator for healthchecks[0]: expression Current not specified",
    ],
    [
      "twice",
      [
        { apiVersion: "example.com/v1", kind: "X", current: "true" },
        { apiVersion: "example.com/v2", kind: "X", current: "true" },
      ],
      "duplicate custom health check for GroupKind X.example.com at healthchecks[1]",
    ],
  ])(
    "KS-202, KS-233: expressions that cannot be used (%s) are terminal before a source is looked for",
    async (name, healthCheckExprs, problem) => {
      const sourceRef = { kind: "GitRepository", name: "nowhere" } as const;
      await workspace.kustomization(name, { path: "./own", sourceRef, healthCheckExprs });
      const refused = await untilReason(name, "InvalidCELExpression");
      const message = `Reconciliation failed terminally due to configuration error: ${problem}`;
      for (const type of ["Ready", "Stalled"]) {
        expect(conditionOf(refused.status, type)).toMatchObject({ reason: "InvalidCELExpression", message });
      }
      expect(conditionOf(refused.status, "Stalled")?.status).toBe("True");
      expect(refused.status?.observedGeneration).toBe(refused.metadata.generation);
      const [event] = await workspace.events("Kustomization", name);
      expect(event).toMatchObject({ type: "Warning", reason: "InvalidCELExpression", message });
      expect(event?.metadata.annotations ?? {}).not.toHaveProperty(["kustomize.toolkit.fluxcd.io/revision"]);
    },
  );
});
