import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart } from "../../test/bed/bed.ts";
import { copyOf, type Generators, inventoryOf, openGenerators, readyOf } from "../../test/bed/generators.ts";
import { conditionOf, configMap, openWorkspace, type Workspace } from "../../test/bed/workspace.ts";
import { generatorLabel } from "./artifact-generator/generated.ts";

const disabled = "source.extensions.fluxcd.io/reconcile";

describe("an ArtifactGenerator", () => {
  let workspace: Workspace;
  let generators: Generators;

  beforeAll(async () => {
    workspace = await openWorkspace("generator");
    const { artifacts } = await bedPart("sluice");
    generators = await openGenerators(workspace, artifacts);
  });
  afterAll(() => workspace?.close());

  it("AG-008, AG-019, ART-012, ART-013: finds all well for nothing, and makes up for what was removed, corrupted or changed by hand", async () => {
    await generators.create("drift", { artifacts: [copyOf("web", "drifting")] });
    await generators.ready("drift");
    const message = "No drift detected, 1 artifact(s) up to date";
    const unchanged = await generators.find("drifting");
    await generators.look("drift");
    expect(await generators.told("drift", "Ready", message)).toHaveLength(1);
    expect((await generators.find("drifting")).metadata.resourceVersion).toBe(unchanged.metadata.resourceVersion);

    await rm(generators.pathOf(unchanged));
    await generators.look("drift");
    const stored = await readFile(generators.pathOf(unchanged));
    await writeFile(generators.pathOf(unchanged), Buffer.from(stored).fill(1, 0, 20));
    await generators.look("drift");
    expect(await readFile(generators.pathOf(unchanged))).toEqual(stored);
    expect((await generators.find("drifting")).metadata.resourceVersion).toBe(unchanged.metadata.resourceVersion);

    await workspace.patch("ExternalArtifact", "drifting", {
      spec: { sourceRef: { name: "other" } },
      metadata: { labels: { mine: "kept" } },
    });
    await generators.look("drift");
    const restored = await generators.find("drifting");
    expect(restored.spec).toEqual(unchanged.spec);
    expect(restored.metadata.labels).toEqual({ ...unchanged.metadata.labels, mine: "kept" });
    await workspace.patch("ExternalArtifact", "drifting", { metadata: { labels: { [generatorLabel]: null } } });
    await generators.look("drift");
    expect((await generators.find("drifting")).metadata.labels).toMatchObject(unchanged.metadata.labels ?? {});
    const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/externalartifacts/drifting`;
    const artifact = { ...unchanged.status?.artifact, digest: `sha256:${"0".repeat(64)}` };
    await workspace.client.request({
      method: "PATCH",
      path: `${path}/status`,
      contentType: "application/merge-patch+json",
      body: { status: { artifact } },
    });
    await generators.look("drift");
    expect((await generators.find("drifting")).status?.artifact?.digest).toBe(unchanged.status?.artifact?.digest);
    await workspace.client.request({ method: "DELETE", path });
    await generators.look("drift");
    expect((await generators.find("drifting")).status?.artifact?.digest).toBe(unchanged.status?.artifact?.digest);
  });

  it("AG-005, AG-009, AG-012, EA-001: composes artifacts of several sources, also of what others publish, and what it makes is a source again", async () => {
    const more = await workspace.repository({
      "values.yaml": "web: {replicas: 3}\n",
      "extra.yaml": configMap("extra", {}),
    });
    await workspace.gitRepository("more", more.url);
    const sources = [
      { alias: "mono", kind: "GitRepository", name: "mono" },
      { alias: "more", kind: "GitRepository", name: "more", namespace: workspace.namespace },
    ];
    await generators.push(generators.mono, "mono", { "values.yaml": "web:\n  port: 80\n  replicas: 1\n" });
    const copy = [
      { from: "@mono/values.yaml", to: "@artifact/" },
      { from: "@more/values.yaml", to: "@artifact/values.yaml", strategy: "Merge" },
      { from: "@more/*.yaml", to: "@artifact/more/", exclude: ["values.yaml"] },
    ];
    await generators.create("composed", { sources, artifacts: [{ name: "composed", copy }] });
    await generators.ready("composed");
    const merged = { "values.yaml": "web:\n  port: 80\n  replicas: 3\n", "more/extra.yaml": configMap("extra", {}) };
    expect(await generators.filesOf("composed")).toEqual(merged);
    await generators.create("chained", {
      sources: [{ alias: "first", kind: "ExternalArtifact", name: "composed" }],
      artifacts: [{ name: "chained", copy: [{ from: "@first/more/**", to: "@artifact/" }], originRevision: "@first" }],
    });
    await generators.ready("chained");
    expect(await generators.filesOf("chained")).toEqual({ "extra.yaml": configMap("extra", {}) });
    await generators.push(more, "more", { "extra.yaml": configMap("extra", { more: "x" }) });
    await expect
      .poll(() => generators.filesOf("chained"), { timeout: 20_000 })
      .toEqual({ "extra.yaml": configMap("extra", { more: "x" }) });

    const foreign = await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "ExternalArtifact",
      metadata: { name: "foreign" },
    });
    await generators.create("foreign", {
      sources: [{ alias: "a", kind: "ExternalArtifact", name: "foreign" }],
      artifacts: [{ name: "of-foreign", copy: [{ from: "@a/**", to: "@artifact/" }] }],
    });
    const words = `source 'ExternalArtifact/${workspace.namespace}/foreign' is not ready`;
    await generators.failed("foreign", `get sources failed: ${words}`);
    expect((await generators.find("foreign")).metadata.resourceVersion).toBe(foreign.metadata.resourceVersion);
  });

  it("AG-006: waits for a source that is not there, and is woken by it before it looks again", async () => {
    await generators.create("early", {
      sources: [{ alias: "a", kind: "GitRepository", name: "late" }],
      artifacts: [{ name: "early", copy: [{ from: "@a/README.md", to: "@artifact/" }] }],
    });
    const waiting = await generators.failed(
      "early",
      'get sources failed: GitRepository.source.toolkit.fluxcd.io "late" not found',
    );
    expect(readyOf(waiting)?.reason).toBe("SourceFetchFailed");
    expect(conditionOf(waiting.status, "Reconciling")?.reason).toBe("ProgressingWithRetry");
    expect(await generators.told("early", "SourceFetchFailed", "get sources failed")).toMatchObject([
      { type: "Warning" },
    ]);
    await workspace.gitRepository("late", generators.mono.url);
    await generators.ready("early");
    expect(Object.keys(await generators.filesOf("early"))).toEqual(["README.md"]);
  });

  it("AG-021, AG-023, AG-024: makes one artifact of each directory, and removes those that are no more", async () => {
    const artifacts = [{ name: "{app}-dir", copy: [{ from: "@mono/apps/{app}/*.yaml", to: "@artifact/{app}/" }] }];
    await generators.push(generators.mono, "mono", { "apps/Upper/map.yaml": configMap("upper", {}) });
    await generators.create("pattern", { pathPattern: "@mono/apps/{app}", artifacts });
    const made = await generators.ready("pattern");
    expect(inventoryOf(made).map(({ name }) => name)).toEqual(["upper-dir", "api-dir", "web-dir"]);
    expect((await generators.find("upper-dir")).metadata.labels).toMatchObject({ app: "upper" });
    expect(Object.keys(await generators.filesOf("upper-dir"))).toEqual(["Upper/apps/Upper/map.yaml"]);
    const gone = await generators.find("upper-dir");
    await generators.push(generators.mono, "mono", { "apps/Upper/map.yaml": null });
    await workspace.untilGone("ExternalArtifact", "upper-dir");
    await expect
      .poll(() =>
        readFile(generators.pathOf(gone)).then(
          () => "there",
          () => "gone",
        ),
      )
      .toBe("gone");
    await workspace.until("ArtifactGenerator", "pattern", (object) => inventoryOf(object).length === 2);
    await workspace.patch("ArtifactGenerator", "pattern", { spec: { pathPattern: "@mono/none/{app}" } });
    const none = await workspace.until(
      "ArtifactGenerator",
      "pattern",
      (object) => readyOf(object)?.status === "True" && inventoryOf(object).length === 0,
    );
    expect(readyOf(none)?.message).toBe("reconciliation succeeded, generated 0 artifact(s)");
    await workspace.untilGone("ExternalArtifact", "web-dir");
  });

  it("AG-024, AG-025: does nothing while it is disabled, but removes what it has made when it is deleted", async () => {
    await generators.create("off", { artifacts: [copyOf("web", "off")] }, { [disabled]: "Disabled" });
    const off = await generators.ready("off");
    expect(readyOf(off)).toMatchObject({
      reason: "ReconciliationDisabled",
      message: "Initialized with reconciliation suspended",
    });
    expect(await workspace.find("ExternalArtifact", "off")).toBeUndefined();
    await workspace.patch("ArtifactGenerator", "off", { metadata: { annotations: { [disabled]: "enabled" } } });
    await generators.look("off");
    const made = await generators.ready("off");
    expect(inventoryOf(made)).toHaveLength(1);
    await workspace.patch("ArtifactGenerator", "off", {
      metadata: { annotations: { [disabled]: "disabled" } },
      spec: { artifacts: [copyOf("api", "off")] },
    });
    const still = await generators.look("off");
    expect(readyOf(still)?.message).toBe(readyOf(made)?.message);
    expect(inventoryOf(still)).toEqual(inventoryOf(made));
    expect(
      (await generators.told("off", "ReconciliationDisabled", "Reconciliation is disabled")).length,
    ).toBeGreaterThan(0);
    const stored = join(generators.pathOf(await generators.find("off")), "..");
    expect(await readdir(stored)).toHaveLength(1);
    await workspace.client.request({
      method: "DELETE",
      path: `/apis/source.extensions.fluxcd.io/v1beta1/namespaces/${workspace.namespace}/artifactgenerators/off`,
    });
    await workspace.untilGone("ArtifactGenerator", "off");
    expect(await workspace.find("ExternalArtifact", "off")).toBeUndefined();
    expect(await readdir(stored).catch(() => [])).toEqual([]);
  });
});
