import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { patchObject } from "../lib/cluster/objects.ts";
import { copyOf, type Generators, inventoryOf, openGenerators, readyOf } from "./bed/generators.ts";
import { startSluice } from "./bed/sluice.ts";
import { conditionOf, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

/** How long a placeholder is remembered: a change of it counts after that. */
const rememberedMilliseconds = 5500;

describe("an ArtifactGenerator of a Sluice whose flags say more than the defaults", () => {
  let directory: string;
  let sluice: Awaited<ReturnType<typeof startSluice>>;
  let workspace: Workspace;
  let generators: Generators;

  /** Sets the flags of a placeholder. */
  async function setFlags(component: string, args: string[]): Promise<void> {
    const container = { name: "manager", image: "example.invalid/none", args };
    const reference = { apiVersion: "apps/v1", kind: "Deployment", namespace: "flux-system", name: component };
    const merge = { spec: { template: { spec: { containers: [container] } } } };
    await patchObject(workspace.client, reference, { merge }, { fieldManager: "team" });
    await sleep(rememberedMilliseconds);
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-generator-"));
    sluice = await startSluice({ directory });
    workspace = await openWorkspace("generator", { sluice });
    generators = await openGenerators(workspace, sluice.artifacts);
  }, 300_000);
  afterAll(async () => {
    await workspace?.close();
    await sluice?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it("AG-005, AG-014, AG-015, AG-016, AG-017, AG-018, AG-019, AG-020, AG-027, EA-002, EA-005: takes a repository apart, and what has not changed keeps its revision and is applied by nobody", async () => {
    const commonMetadata = { labels: { team: "a", "app.kubernetes.io/managed-by": "me" }, annotations: { note: "x" } };
    const artifacts = [
      { ...copyOf("web"), originRevision: "@mono" },
      copyOf("api"),
      { ...copyOf("api"), name: "named", revision: "@mono" },
    ];
    await generators.create("apart", { commonMetadata, artifacts });
    const made = await generators.ready("apart");
    expect(readyOf(made)).toMatchObject({
      reason: "Succeeded",
      message: "reconciliation succeeded, generated 3 artifact(s)",
    });
    expect(conditionOf(made.status, "Reconciling")).toBeUndefined();
    expect(made.metadata.finalizers).toEqual(["source.extensions.fluxcd.io/finalizer"]);
    const web = await generators.find("web");
    const source = await workspace.find("GitRepository", "mono");
    const { digest = "", revision } = web.status?.artifact ?? {};
    expect(revision).toBe(`latest@${digest}`);
    expect((await generators.find("named")).status?.artifact?.revision).toBe(source?.status?.artifact?.revision);
    expect(web.status?.artifact).toMatchObject({
      metadata: { "org.opencontainers.image.revision": source?.status?.artifact?.revision },
      path: `externalartifact/${workspace.namespace}/web/${inventoryOf(made)[0]?.filename}`,
    });
    expect(inventoryOf(made)[0]).toMatchObject({
      name: "web",
      namespace: workspace.namespace,
      digest,
      filename: expect.stringMatching(/^\d+\.tar\.gz$/),
    });
    expect(web.metadata.labels).toEqual({
      team: "a",
      "app.kubernetes.io/managed-by": "source-watcher",
      "source.extensions.fluxcd.io/generator": made.metadata.uid,
    });
    expect(web.metadata.annotations).toEqual({ note: "x" });
    expect(
      web.metadata.managedFields?.every(
        ({ manager, operation }) => manager === "source-watcher" && operation === "Apply",
      ),
    ).toBe(true);
    expect(web.spec.sourceRef).toEqual({
      apiVersion: "source.extensions.fluxcd.io/v1beta1",
      kind: "ArtifactGenerator",
      name: "apart",
      namespace: workspace.namespace,
    });
    expect(readyOf(web)).toMatchObject({ status: "True", reason: "Succeeded", message: "Artifact is ready" });
    expect(await generators.filesOf("web")).toEqual({
      "map.yaml": configMap("web", { version: "1" }),
      "run.sh": "#!/bin/sh\n",
    });
    const each = `ExternalArtifact/${workspace.namespace}/web reconciled with revision ${revision}`;
    expect(await generators.told("apart", "Ready", each)).toHaveLength(1);
    const [event] = await generators.told("apart", "Ready", "external artifacts reconciled: ");
    expect(event).toMatchObject({ type: "Normal", source: { component: "source-watcher" } });
    expect(event?.message.split("\n")[0]).toBe(`external artifacts reconciled: ${workspace.namespace}/web (${digest})`);

    for (const app of ["web", "api"])
      await workspace.kustomization(app, { path: "./", sourceRef: { kind: "ExternalArtifact", name: app } });
    const before = await workspace.untilReady("Kustomization", "web");
    expect(before.status?.lastAppliedRevision).toBe(revision);
    const other = await workspace.untilReady("Kustomization", "api");
    const api = await generators.find("api");

    const commit = await generators.push(generators.mono, "mono", {
      "apps/web/map.yaml": configMap("web", { version: "2" }),
    });
    await expect
      .poll(async () => (await workspace.find("ConfigMap", "web"))?.data, { timeout: 20_000 })
      .toEqual({ version: "2" });
    const changed = await generators.find("web");
    expect(changed.status?.artifact).toMatchObject({
      metadata: { "org.opencontainers.image.revision": expect.stringContaining(commit) },
    });
    await workspace.until(
      "ArtifactGenerator",
      "apart",
      ({ status }) =>
        (status as { observedSourcesDigest?: string }).observedSourcesDigest !==
        (made.status as { observedSourcesDigest?: string }).observedSourcesDigest,
    );
    expect((await generators.find("api")).metadata.resourceVersion).toBe(api.metadata.resourceVersion);
    expect((await workspace.find("Kustomization", "api"))?.metadata.resourceVersion).toBe(
      other.metadata.resourceVersion,
    );
  });

  it("AG-003, AG-004, AG-022, AG-026: says what is wrong, and waits for a change where only that helps", async () => {
    const stalled = async (name: string, spec: Record<string, unknown>, reason: string, message: string) => {
      await generators.create(name, spec);
      const object = await generators.failed(name, message);
      expect(readyOf(object)?.reason).toBe(reason);
      expect(conditionOf(object.status, "Stalled")).toMatchObject({ reason, message: readyOf(object)?.message });
      expect(conditionOf(object.status, "Reconciling")).toBeUndefined();
      expect(await generators.told(name, reason, message)).toMatchObject([{ type: "Warning" }]);
    };
    const twice = [
      { alias: "a", kind: "GitRepository", name: "mono" },
      { alias: "a", kind: "GitRepository", name: "more" },
    ];
    await stalled(
      "aliases",
      { sources: twice, artifacts: [copyOf("web")] },
      "ValidationFailed",
      "duplicate source alias 'a' found",
    );
    await stalled(
      "names",
      { artifacts: [copyOf("web"), copyOf("web")] },
      "ValidationFailed",
      "duplicate artifact name 'web' found",
    );
    await stalled(
      "revisions",
      { artifacts: [{ ...copyOf("web"), revision: "@none" }] },
      "ValidationFailed",
      "artifact web revision source alias 'none' not found",
    );
    await stalled(
      "captures",
      { pathPattern: "@mono/apps/{app}", artifacts: [copyOf("web", "{other}")] },
      "BuildFailed",
      "failed to expand path pattern: ",
    );
    await workspace.patch("ArtifactGenerator", "names", {
      spec: { artifacts: [copyOf("web", "repaired")] },
    });
    expect(conditionOf((await generators.ready("names")).status, "Stalled")).toBeUndefined();

    await generators.create("broken", {
      artifacts: [{ name: "broken", copy: [{ from: "@mono/none.yaml", to: "@artifact/" }] }],
    });
    const broken = await generators.failed(
      "broken",
      "broken build failed: failed to apply copy operations: failed to apply copy operation from '@mono/none.yaml' to '@artifact/': source 'none.yaml' does not exist",
    );
    expect(readyOf(broken)?.reason).toBe("BuildFailed");
    expect(conditionOf(broken.status, "Reconciling")?.reason).toBe("ProgressingWithRetry");
    expect(conditionOf(broken.status, "Stalled")).toBeUndefined();
    await generators.push(generators.mono, "mono", { "none.yaml": "there: now\n" });
    await generators.ready("broken");

    await generators.create("elsewhere", {
      sources: [{ alias: "mono", kind: "GitRepository", name: "mono", namespace: "default" }],
      artifacts: [copyOf("web")],
    });
    await generators.failed("elsewhere", "not found");
    await setFlags("source-watcher", ["--no-cross-namespace-refs=true"]);
    await generators.look("elsewhere");
    const denied = await generators.failed(
      "elsewhere",
      "cross-namespace reference to source GitRepository/default/mono is not allowed",
    );
    expect(readyOf(denied)?.reason).toBe("AccessDenied");
  }, 60_000);
});
