import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await openWorkspace("ready-expr");
  const repository = await workspace.repository({
    "base/config.yaml": configMap("base", {}),
    "app/config.yaml": configMap("app", {}),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
  await workspace.kustomization("base", { path: "./base" });
  await workspace.untilReady("Kustomization", "base");
});

afterAll(() => workspace?.close());

const prefix =
  "Reconciliation failed terminally due to configuration error: terminal error: failed to evaluate dependency base: ";

/** Creates a Kustomization that depends on `base` by an expression. */
async function dependent(name: string, readyExpr: string, labels: Record<string, string> = {}): Promise<void> {
  await workspace.create({
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name, labels },
    spec: {
      interval: "1h",
      prune: true,
      path: "./app",
      namePrefix: `${name}-`,
      targetNamespace: workspace.namespace,
      sourceRef: { kind: "GitRepository", name: "source" },
      dependsOn: [{ name: "base", readyExpr }],
    },
  });
}

const untilReason = (name: string, reason: string): Promise<Reconciled> =>
  workspace.until("Kustomization", name, ({ status }) => conditionOf(status, "Ready")?.reason === reason);
const messageOf = ({ status }: Reconciled) => conditionOf(status, "Ready")?.message;

describe("readyExpr", () => {
  it("KS-042: an expression over both objects takes the place of the built-in check", async () => {
    const lockStep = "dep.metadata.labels['app/version'] == self.metadata.labels['app/version']";
    await workspace.patch("Kustomization", "base", { metadata: { labels: { "app/version": "v1" } } });
    await dependent("same", lockStep, { "app/version": "v1" });
    await workspace.untilReady("Kustomization", "same");
    await dependent("ahead", lockStep, { "app/version": "v2" });
    const waiting = await untilReason("ahead", "DependencyNotReady");
    expect(messageOf(waiting)).toBe(
      `dependency '${workspace.namespace}/base' is not ready according to readyExpr eval`,
    );
    expect(conditionOf(waiting.status, "Stalled")).toBeUndefined();
    const [event, ...more] = await workspace.events("Kustomization", "ahead");
    expect(more).toEqual([]);
    expect(event).toMatchObject({
      type: "Normal",
      reason: "DependencyNotReady",
      message: "Dependencies do not meet ready condition, retrying in 30s",
    });
    expect(await workspace.find("ConfigMap", "ahead-app")).toBeUndefined();
    await workspace.patch("Kustomization", "base", { metadata: { labels: { "app/version": "v2" } } });
    await workspace.reconcile("Kustomization", "ahead");
    await workspace.untilReady("Kustomization", "ahead");
  });

  it("KS-042: a dependency that is suspended and not ready may be enough", async () => {
    await workspace.kustomization("never", { path: "./missing" });
    await untilReason("never", "ArtifactFailed");
    await workspace.create({
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: { name: "content" },
      spec: {
        interval: "1h",
        prune: true,
        path: "./app",
        namePrefix: "content-",
        targetNamespace: workspace.namespace,
        sourceRef: { kind: "GitRepository", name: "source" },
        dependsOn: [
          { name: "never", readyExpr: "dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'False')" },
        ],
      },
    });
    await workspace.untilReady("Kustomization", "content");
  });

  it.each([
    ["dyn", "dep.spec.suspend", "CEL expression output type mismatch: expected bool, got dyn"],
    [
      "undeclared",
      "self.generation == deps.generation",
      "failed to parse the CEL expression 'self.generation == deps.generation': ERROR: <input>:1:20: undeclared reference to 'deps' (in container '')\n | self.generation == deps.generation\n | ...................^",
    ],
    [
      "syntax",
      "dep.status.",
      "failed to parse the CEL expression 'dep.status.': ERROR: <input>:1:12: Syntax error: no viable alternative at input '.'\n | dep.status.\n | ...........^",
    ],
  ])("KS-043, KS-233: what is not surely bool (%s) is terminal", async (name, expression, problem) => {
    await dependent(name, expression);
    const refused = await untilReason(name, "InvalidCELExpression");
    const message = `${prefix}${problem}`;
    expect(conditionOf(refused.status, "Ready")).toMatchObject({ status: "False", message });
    expect(conditionOf(refused.status, "Stalled")).toMatchObject({
      status: "True",
      reason: "InvalidCELExpression",
      message,
    });
    expect(refused.status?.observedGeneration).toBe(refused.metadata.generation);
    expect(refused.status?.lastAttemptedRevision).toBeUndefined();
    const [event] = await workspace.events("Kustomization", name);
    expect(event).toMatchObject({ type: "Warning", reason: "InvalidCELExpression", message });
    expect(event?.metadata.annotations).toHaveProperty(["kustomize.toolkit.fluxcd.io/revision"]);
  });

  it("KS-047: the environment is that of Flux's controllers", async () => {
    const holds = [
      "optional.none().orValue(true)",
      "dep.?status.?nothing.orValue('') == ''",
      "'a,b'.split(',').size()==2",
      "sets.contains([1,2],[1])",
      "base64.encode(b'x')=='eA=='",
      "1 < 1.5",
      "has(self.spec.interval) && [1, 2].exists_one(x, x == 2)",
      "timestamp('2024-01-01T00:30:00+01:00').getHours() == 23",
      "dep.metadata.name.matches('^b[a-z]+$')",
    ];
    await dependent("environment", holds.join(" && "));
    await workspace.untilReady("Kustomization", "environment");
    await dependent("mixed", "[1, 'a'].size() == 2");
    const refused = await untilReason("mixed", "InvalidCELExpression");
    expect(messageOf(refused)).toContain("ERROR: <input>:1:5: expected type 'int' but found 'string'");
  });

  it("KS-043: what is dyn may be compared", async () => {
    await workspace.patch("Kustomization", "base", { spec: { suspend: true } });
    await dependent("compared", "dep.spec.suspend == true");
    await workspace.untilReady("Kustomization", "compared");
    await workspace.patch("Kustomization", "base", { spec: { suspend: null } });
  });

  it("KS-013: what is terminal is left alone until the specification changes or a pass is asked for", async () => {
    const stuck = { interval: "1s", retryInterval: "1s", path: "./app", namePrefix: "stuck-" };
    await workspace.kustomization("stuck", { ...stuck, dependsOn: [{ name: "base", readyExpr: "dep." }] });
    await untilReason("stuck", "InvalidCELExpression");
    const told = async () => (await workspace.events("Kustomization", "stuck")).length;
    expect(await told()).toBe(1);
    // Three intervals and more.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(await told()).toBe(1);
    const requestedAt = await workspace.reconcile("Kustomization", "stuck");
    await workspace.until("Kustomization", "stuck", ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    await expect.poll(told).toBeGreaterThan(0);
    await workspace.patch("Kustomization", "stuck", { spec: { dependsOn: [{ name: "base", readyExpr: "true" }] } });
    const ready = await workspace.untilReady("Kustomization", "stuck");
    expect(conditionOf(ready.status, "Stalled")).toBeUndefined();
  });

  it("KS-044: what cannot be answered now may be answered later", async () => {
    const expression = "dep.metadata.labels['x'] == '1'";
    await dependent("later", expression);
    const waiting = await untilReason("later", "DependencyNotReady");
    expect(messageOf(waiting)).toBe(`failed to evaluate the CEL expression '${expression}': no such key: x`);
    expect(conditionOf(waiting.status, "Stalled")).toBeUndefined();
    await workspace.patch("Kustomization", "base", { metadata: { labels: { x: "1" } } });
    await workspace.untilReady("Kustomization", "later", 45);
  }, 60_000);
});
