import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { bedCluster, uniqueNamespace } from "./bed.ts";

describe("the bed of a test run", () => {
  it("test bed: every test has a namespace of its own in the one control plane", async () => {
    const [a, b] = await Promise.all([uniqueNamespace("bed"), uniqueNamespace("bed")]);
    const cluster = await bedCluster();
    const config = new KubeConfig();
    config.loadFromString(cluster.kubeconfig);
    const { items } = await config.makeApiClient(CoreV1Api).listNamespace();
    const names = items.map((item) => item.metadata?.name);
    expect(names).toEqual(expect.arrayContaining([a, b]));
    expect(a).not.toBe(b);
  });
});
