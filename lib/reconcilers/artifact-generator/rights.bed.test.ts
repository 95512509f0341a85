import { once } from "node:events";
import { createServer } from "node:http";
import { expect, it } from "vitest";
import { uniqueNamespace } from "../../../test/bed/bed.ts";
import { controllerClient } from "../../../test/bed/controller-client.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import { openTestPlatform } from "../../../test/bed/local-platform.ts";
import { createObject, deleteObject, findObject, patchObject } from "../../cluster/objects.ts";
import { createEngine } from "../../engine/engine.ts";
import { listScheduled } from "../../engine/schedule.ts";
import type { WorkItem } from "../../engine/work-item.ts";
import { archiveTree } from "../../platform/archive/archive-tree.ts";
import { artifactGeneratorReconciler } from "../artifact-generator.ts";

const generator = { apiVersion: "source.extensions.fluxcd.io/v1beta1", kind: "ArtifactGenerator" };

it("AG-019, AG-024, TM-001: a function with no more rights than the installation gives makes artifacts and removes them, and a look that comes twice does nothing twice", async () => {
  const { cluster, client } = await installedCluster();
  const controllers = await controllerClient();
  const namespace = await uniqueNamespace("generator-rights");
  const { platform, close } = await openTestPlatform("home", cluster);
  const signal = AbortSignal.timeout(60_000);
  const content = () => Buffer.from("key: value\n");
  const { spool, digest } = await archiveTree([{ path: "a.yaml", type: "file", content }], { signal });
  const server = createServer((_request, response) => response.end(spool.whole()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    const external = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "ExternalArtifact", namespace };
    const { apiVersion, kind } = external;
    await createObject(client, { apiVersion, kind, metadata: { name: "given", namespace } });
    const artifact = {
      url: `http://127.0.0.1:${port}/`,
      digest,
      revision: "1",
      path: "x",
      lastUpdateTime: "2026-01-01T00:00:00Z",
    };
    const offered = { merge: { status: { artifact } } };
    await patchObject(client, { ...external, name: "given" }, offered, { fieldManager: "test", subresource: "status" });
    await createObject(client, {
      ...generator,
      metadata: { name: "maker", namespace },
      spec: {
        sources: [{ alias: "given", kind: "ExternalArtifact", name: "given" }],
        artifacts: [{ name: "made", copy: [{ from: "@given/**", to: "@artifact/" }] }],
      },
    });
    const engine = createEngine({
      platform,
      connect: async () => controllers,
      reconcilers: { ArtifactGenerator: artifactGeneratorReconciler },
    });
    const item: WorkItem = {
      cluster: "home",
      kind: "ArtifactGenerator",
      namespace,
      name: "maker",
      cause: { type: "schedule", slot: "1" },
    };
    await engine.process(item, { attempt: 1, signal });
    const made = await findObject(client, { ...external, name: "made" });
    expect(made?.status).toMatchObject({ conditions: [{ type: "Ready", status: "True" }] });
    expect(await platform.artifacts.list(`home/externalartifact/${namespace}/made/`)).toHaveLength(1);
    await engine.process(item, { attempt: 2, signal });
    const again = await findObject(client, { ...external, name: "made" });
    expect(again?.metadata.resourceVersion).toBe(made?.metadata.resourceVersion);

    await deleteObject(client, { ...generator, namespace, name: "maker" });
    await engine.process(item, { attempt: 1, signal });
    expect(await findObject(client, { ...external, name: "made" })).toBeUndefined();
    expect(await findObject(client, { ...generator, namespace, name: "maker" })).toBeUndefined();
    expect(await platform.artifacts.list(`home/externalartifact/${namespace}/made/`)).toEqual([]);
    expect(await findObject(client, { ...external, name: "given" })).toBeDefined();
  } finally {
    server.close();
    spool.close();
    await close();
  }
}, 60_000);

it("AG-025: the schedule leaves a generator that is disabled alone, in any spelling", async () => {
  const { client } = await installedCluster();
  const namespace = await uniqueNamespace("generator-schedule");
  const annotation = "source.extensions.fluxcd.io/reconcile";
  for (const [name, value] of [
    ["off", "Disabled"],
    ["on", "enabled"],
  ] as const)
    await createObject(client, {
      ...generator,
      metadata: { name, namespace, annotations: { [annotation]: value } },
      spec: {
        sources: [{ alias: "a", kind: "Bucket", name: "a" }],
        artifacts: [{ name: "a", copy: [{ from: "@a/**", to: "@artifact/" }] }],
      },
    });
  const scope = { watchAllNamespaces: false, runtimeNamespace: namespace, watchLabelSelector: "" };
  const scheduled = await listScheduled(client, "ArtifactGenerator", scope);
  expect(scheduled.map(({ name, suspended }) => ({ name, suspended }))).toEqual([
    { name: "off", suspended: true },
    { name: "on", suspended: false },
  ]);
});
