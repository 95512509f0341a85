import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conditionOf, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await openWorkspace("old-versions");
});
afterAll(() => workspace?.close());

const group = "kustomize.toolkit.fluxcd.io";

/** A Kustomization in an old version of its API, of a path of the source of that name. */
function kustomization(version: string, name: string, source: string, spec: Record<string, unknown>) {
  const sourceRef = { kind: "GitRepository", name: source };
  return {
    apiVersion: `${group}/${version}`,
    kind: "Kustomization",
    metadata: { name },
    spec: { interval: "10m", prune: true, sourceRef, targetNamespace: workspace.namespace, ...spec },
  };
}

describe("old versions of Kustomization", () => {
  it("KS-241: the patches of v1beta2 are applied, and its validation is without effect", async () => {
    const repository = await workspace.repository({
      "app/a.yaml": configMap("patched", { colour: "blue", size: "1" }),
    });
    await workspace.gitRepository("patched", repository.url);
    const patchesStrategicMerge = [
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "patched" }, data: { colour: "green" } },
    ];
    const patchesJson6902 = [
      {
        patch: [{ op: "replace", path: "/data/size", value: "2" }],
        target: { version: "v1", kind: "ConfigMap", name: "patched" },
      },
    ];
    const spec = { path: "./app", patchesStrategicMerge, patchesJson6902, validation: "server" };
    await workspace.create(kustomization("v1beta2", "patched", "patched", spec));
    await workspace.untilReady("Kustomization", "patched");
    expect((await workspace.find("ConfigMap", "patched"))?.data).toEqual({ colour: "green", size: "2" });
  });

  it("KS-242: a v1beta1 object is checked as it asks, keeps the rules of v1, and has no snapshot", async () => {
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" } },
          spec: { containers: [{ name: "web", image: "example.invalid/web" }] },
        },
      },
    };
    const repository = await workspace.repository({ "app/web.yaml": JSON.stringify(deployment) });
    await workspace.gitRepository("oldest", repository.url);
    // Without an API version, of Deployments.
    const healthChecks = [{ kind: "Deployment", name: "web", namespace: workspace.namespace }];
    await workspace.create(
      kustomization("v1beta1", "oldest", "oldest", { path: "./app", interval: "2m", healthChecks }),
    );
    const { status } = await workspace.untilReady("Kustomization", "oldest", 60);
    expect(conditionOf(status, "Healthy")?.status).toBe("True");
    expect(status?.inventory?.entries).toEqual([{ id: `${workspace.namespace}_web_apps_Deployment`, v: "v1" }]);
    const path = `/apis/${group}/v1beta1/namespaces/${workspace.namespace}/kustomizations/oldest`;
    const read = await workspace.client.request<{ apiVersion: string; status: object }>({ method: "GET", path });
    expect(read.apiVersion).toBe(`${group}/v1beta1`);
    expect(read.status).not.toHaveProperty("snapshot");
  });

  it("KS-243: a repository that still says v1beta2 of its Kustomizations is applied in that version", async () => {
    const child = kustomization("v1beta2", "child", "vintage", { path: "./apps", wait: false });
    const repository = await workspace.repository({
      "clusters/home/apps.yaml": JSON.stringify({
        ...child,
        metadata: { name: "child", namespace: workspace.namespace },
      }),
      "apps/app.yaml": configMap("vintage", { year: "2022" }),
    });
    await workspace.gitRepository("vintage", repository.url);
    await workspace.create(kustomization("v1beta2", "parent", "vintage", { path: "./clusters/home" }));
    const { status } = await workspace.untilReady("Kustomization", "parent");
    expect(status?.inventory?.entries).toEqual([
      { id: `${workspace.namespace}_child_${group}_Kustomization`, v: "v1beta2" },
    ]);
    await workspace.untilReady("Kustomization", "child");
    await workspace.until("ConfigMap", "vintage", ({ data }) => Object(data).year === "2022");
    // Nothing of it differs in the version that it is stored in.
    const before = (await workspace.find("Kustomization", "child"))?.metadata.generation;
    const requestedAt = await workspace.reconcile("Kustomization", "parent");
    await workspace.until("Kustomization", "parent", (parent) => parent.status?.lastHandledReconcileAt === requestedAt);
    expect((await workspace.find("Kustomization", "child"))?.metadata.generation).toBe(before);
    expect(
      (await workspace.events("Kustomization", "parent")).filter(({ message }) => message.includes("configured")),
    ).toEqual([]);
  });
});
