import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../lib/api/object.ts";
import { apiVersions, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await openWorkspace("impersonation");
});

afterAll(() => workspace?.close());

/** One line of the API server's audit log, as far as the test reads it. */
type Request = {
  verb: string;
  userAgent?: string;
  impersonatedUser?: { username?: string };
  objectRef?: { resource?: string; namespace?: string; name?: string; apiGroup?: string; subresource?: string };
};

/** What Sluice asked of objects of the workspace's namespace, and as whom. */
async function asked(): Promise<Request[]> {
  const lines = (await readFile(workspace.sluice.cluster.auditLog ?? "", "utf8")).trim().split("\n");
  return lines
    .map((line): Request => JSON.parse(line))
    .filter(({ userAgent, objectRef }) => userAgent === "sluice/0.1.0" && objectRef?.namespace === workspace.namespace);
}

describe("a Kustomization with a service account", () => {
  it("KS-210: looks at, tries, applies, checks and deletes objects as that account, and does everything else as Sluice", async () => {
    const { namespace } = workspace;
    const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name: "tenant" } };
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "tenant" } });
    await workspace.create({
      ...rbac,
      kind: "RoleBinding",
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "admin" },
      subjects: [{ kind: "ServiceAccount", name: "tenant", namespace }],
    } as KubernetesObject);
    await workspace.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "values" },
      stringData: { colour: "blue" },
    } as KubernetesObject);
    const labels = { app: "tenant" };
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "deployment" },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: "main", image: `example.invalid/\${colour}` }] },
        },
      },
    };
    const repository = await workspace.repository({
      "config.yaml": configMap("config", {}),
      "stale.yaml": configMap("stale", {}),
      "deployment.yaml": JSON.stringify(deployment),
    });
    await workspace.gitRepository("source", repository.url);
    await workspace.kustomization("tenant", {
      serviceAccountName: "tenant",
      wait: true,
      postBuild: { substituteFrom: [{ kind: "Secret", name: "values" }] },
    });
    await workspace.untilReady("Kustomization", "tenant");
    await repository.commit({ "stale.yaml": null });
    await workspace.reconcile("GitRepository", "source");
    await workspace.untilGone("ConfigMap", "stale");
    await workspace.untilReady("Kustomization", "tenant");
    const path = `/apis/${apiVersions.Kustomization}/namespaces/${namespace}/kustomizations/tenant`;
    await workspace.client.request({ method: "DELETE", path });
    await workspace.untilGone("Kustomization", "tenant");

    const tenant = `system:serviceaccount:${namespace}:tenant`;
    const requests = await asked();
    const asWhom = (resource: string, name?: string) => [
      ...new Set(
        requests
          .filter(
            ({ objectRef }) => objectRef?.resource === resource && (name === undefined || objectRef.name === name),
          )
          .map(({ impersonatedUser }) => impersonatedUser?.username ?? "Sluice"),
      ),
    ];
    const verbs = (resource: string) =>
      new Set(requests.filter(({ objectRef }) => objectRef?.resource === resource).map(({ verb }) => verb));
    expect(asWhom("configmaps")).toEqual([tenant]);
    expect(asWhom("deployments")).toEqual([tenant]);
    // A look, a dry run or an apply, a health poll and a deletion were among them.
    expect([...verbs("configmaps")]).toEqual(expect.arrayContaining(["patch", "delete"]));
    expect([...verbs("deployments")]).toEqual(expect.arrayContaining(["patch", "get", "delete"]));
    expect(asWhom("kustomizations")).toEqual(["Sluice"]);
    expect(asWhom("gitrepositories")).toEqual(["Sluice"]);
    expect(asWhom("secrets", "values")).toEqual(["Sluice"]);
    expect(asWhom("serviceaccounts", "tenant")).toEqual(["Sluice"]);
    expect(asWhom("events")).toEqual(["Sluice"]);
  });
});
