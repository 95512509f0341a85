import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createClusterRegistry, parseClusters } from "./clusters.ts";

const clusters = [
  { id: "one", type: "kubeconfig", secret: "sluice/one", context: "admin" },
  { id: "two", type: "eks", name: "production", region: "eu-central-1" },
] as const;

describe("the clusters of a deployment", () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
    server?.closeAllConnections();
    vi.unstubAllEnvs();
  });

  it("SLUICE_CLUSTERS is read", () => {
    expect(parseClusters(JSON.stringify(clusters))).toEqual(clusters);
    expect(parseClusters("[]")).toEqual([]);
  });

  it.each([
    ["{", "SLUICE_CLUSTERS is not JSON"],
    ["{}", "SLUICE_CLUSTERS is not an array of clusters"],
    ["[1]", "SLUICE_CLUSTERS[0] has no id"],
    ['[{"id":"a"}]', "SLUICE_CLUSTERS[0] has no type"],
    ['[{"id":"a","type":"gke"}]', "SLUICE_CLUSTERS[0] has the type 'gke': kubeconfig and eks are known"],
    ['[{"id":"a","type":"eks","name":"x"}]', "SLUICE_CLUSTERS[0] has no region"],
    ['[{"id":"a","type":"kubeconfig"}]', "SLUICE_CLUSTERS[0] has no secret"],
    [JSON.stringify([clusters[0], clusters[0]]), "SLUICE_CLUSTERS names 'one' twice"],
  ])("%s is refused with a sentence", (text, sentence) => {
    expect(() => parseClusters(text)).toThrow(sentence);
  });

  it("a kubeconfig whose secret is missing is an error that names both", async () => {
    const registry = createClusterRegistry(
      () => [...clusters],
      { read: async () => undefined },
      { now: () => new Date() },
    );
    await expect(registry.get("one")).rejects.toThrow(
      "the kubeconfig of cluster 'one' is missing: no secret 'sluice/one'",
    );
  });

  // LocalStack has no EKS: the SDK's own client talks to a server that answers as the API's reference says.
  it("an EKS cluster is described, and remembered for five minutes", async () => {
    const asked: string[] = [];
    let cluster: object = { status: "CREATING" };
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.setHeader("content-type", "application/json").end(JSON.stringify({ cluster }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    vi.stubEnv("AWS_ENDPOINT_URL_EKS", `http://127.0.0.1:${port}`);
    vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
    let now = Date.now();
    const registry = createClusterRegistry(
      () => [...clusters],
      { read: async () => undefined },
      { now: () => new Date(now) },
    );
    await expect(registry.get("two")).rejects.toThrow(
      "the EKS cluster 'production' in eu-central-1 has no endpoint yet",
    );
    cluster = { status: "ACTIVE", endpoint: "https://a.eks.example.org", certificateAuthority: { data: "LS0t" } };
    const entry = {
      id: "two",
      type: "eks",
      name: "production",
      region: "eu-central-1",
      endpoint: "https://a.eks.example.org",
      certificateAuthority: "LS0t",
    };
    expect(await registry.get("two")).toEqual(entry);
    now += 299_000;
    expect(await registry.get("two")).toEqual(entry);
    expect(asked).toEqual(["GET /clusters/production", "GET /clusters/production"]);
    now += 2_000;
    await registry.get("two");
    expect(asked).toHaveLength(3);
  });
});
