import { describe, expect, it } from "vitest";
import { bedCluster, uniqueName } from "../../test/bed/bed.ts";
import { connect } from "./connect.ts";
import { learnDefinition, preferredVersionOf, resourceOf } from "./discovery.ts";
import { knownResource, knownResources } from "./known-resources.ts";

async function freshClient() {
  const { kubeconfig } = await bedCluster();
  const sent: string[] = [];
  const onRequest = (method: string, path: string) => sent.push(`${method} ${path}`);
  return { sent, client: connect({ type: "kubeconfig", kubeconfig }, { userAgent: "sluice-test", onRequest }) };
}

describe("discovery", () => {
  it("KS-135: what is known without asking is what the API server says", async () => {
    const { client } = await freshClient();
    type Discovered = { resources: { name: string; kind: string; namespaced: boolean }[] };
    const served = new Map<string, Discovered["resources"]>();
    for (const { apiVersion, kind, plural, namespaced } of knownResources()) {
      const path = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const resources = served.get(apiVersion) ?? (await client.request<Discovered>({ method: "GET", path })).resources;
      served.set(apiVersion, resources);
      const found = resources.find((resource) => resource.kind === kind && !resource.name.includes("/"));
      expect(found, `${apiVersion} ${kind}`).toMatchObject({ name: plural, namespaced });
    }
  });

  it("asks once for all who ask at the same time, and not for what is known", async () => {
    const { client, sent } = await freshClient();
    const kind = { apiVersion: "v1", kind: "Binding" };
    await Promise.all([resourceOf(client, kind), resourceOf(client, kind), resourceOf(client.as("x"), kind)]);
    await resourceOf(client, { apiVersion: "apps/v1", kind: "Deployment" });
    expect(sent.sort()).toEqual(["GET /api", "GET /apis"]);
    expect(knownResource("apps/v1", "Deployment")?.plural).toBe("deployments");
  });

  it("KS-149: says that a kind is not served as apimachinery does", async () => {
    const { client } = await freshClient();
    await expect(resourceOf(client, { apiVersion: "example.org/v1", kind: "Widget" })).rejects.toThrow(
      'no matches for kind "Widget" in version "example.org/v1"',
    );
  });

  it("KS-172: knows the version that is preferred", async () => {
    const { client } = await freshClient();
    expect(await preferredVersionOf(client, { group: "autoscaling", kind: "HorizontalPodAutoscaler" })).toBe(
      "autoscaling/v2",
    );
    expect(await preferredVersionOf(client, { group: "", kind: "ConfigMap" })).toBe("v1");
    expect(await preferredVersionOf(client, { group: "example.org", kind: "Widget" })).toBeUndefined();
  });

  it("KS-134: a definition that was just applied needs no asking, also after others have asked", async () => {
    const { client, sent } = await freshClient();
    const group = `${uniqueName("g")}.example.org`;
    const spec = {
      group,
      scope: "Cluster",
      names: { kind: "Widget", plural: "widgets" },
      versions: [
        { name: "v1", served: true },
        { name: "v2", served: false },
      ],
    };
    learnDefinition(client, {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "x" },
      spec,
    });
    const widget = { apiVersion: `${group}/v1`, kind: "Widget" };
    expect(await resourceOf(client, widget)).toEqual({ ...widget, plural: "widgets", namespaced: false });
    expect(sent).toEqual([]);
    await resourceOf(client, { apiVersion: "v1", kind: "Binding" });
    expect((await resourceOf(client.as("tenant"), widget)).plural).toBe("widgets");
    await expect(resourceOf(client, { ...widget, apiVersion: `${group}/v2` })).rejects.toThrow("no matches for kind");
  });
});
