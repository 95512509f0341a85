import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart } from "../../../test/bed/bed.ts";
import { helm } from "../../../test/bed/chart-repository.ts";
import { helmCharts } from "../../../test/bed/helm-charts.ts";
import { type Registry, startRegistry } from "../../../test/bed/registry/registry.ts";
import { conditionOf, openWorkspace, type Workspace } from "../../../test/bed/workspace.ts";

describe("a HelmChart of a registry", () => {
  let workspace: Workspace;
  let registry: Registry;
  let artifacts: string;
  let directory: string;
  const { path, create, ready, failed } = helmCharts(() => ({ workspace, artifacts }), {
    chart: "app",
    sourceRef: { kind: "HelmRepository", name: "registry" },
  });
  const push = async (version: string): Promise<Buffer> => {
    await mkdir(join(directory, "app/templates"), { recursive: true });
    await writeFile(join(directory, "app/Chart.yaml"), `apiVersion: v2\nname: app\nversion: ${version}\n`);
    await writeFile(join(directory, "app/values.yaml"), "message: hello\n");
    await writeFile(join(directory, "app/prod.yaml"), "message: prod\n");
    await helm("package", join(directory, "app"), "--destination", directory);
    const archive = join(directory, `app-${version}.tgz`);
    await helm("push", archive, `oci://${registry.address}/charts`, "--plain-http");
    return readFile(archive);
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-registry-charts-"));
    workspace = await openWorkspace("helm-chart-registry");
    ({ artifacts } = await bedPart("sluice"));
    registry = await startRegistry({ directory: join(directory, "registry") });
    await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "HelmRepository",
      metadata: { name: "registry" },
      spec: { type: "oci", url: `oci://${registry.address}/charts/`, insecure: true },
    });
  });
  afterAll(async () => {
    await registry?.stop();
    await workspace?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("HC-013, HC-016, HC-042, HC-058: pulls what helm has pushed, by version and by range", async () => {
    const first = await push("1.0.0+b1");
    await push("1.1.0");
    await create("exact", { version: "1.0.0+b1" });
    const exact = await ready("exact", "1.0.0+b1");
    expect((await readFile(path(exact))).equals(first)).toBe(true);
    expect(conditionOf(exact.status, "Ready")?.message).toBe("pulled 'app' chart with version '1.0.0+b1'");
    await create("range", { version: "1.x", interval: "2s" });
    await ready("range", "1.1.0");
    await create("nested", { chart: "charts/app", version: "1.1.0" });
    const log = async () => readFile(join(directory, "registry/registry.log"), "utf8");
    await failed("nested", "FetchFailed", "charts/charts/app");
    expect(await log()).not.toContain("charts/charts/app/tags/list");
    await create("merged", { version: "~1.1", valuesFiles: ["prod.yaml"] });
    expect(await helm("show", "values", path(await ready("merged", "1.1.0+1")))).toBe("message: prod\n\n");
    await create("none", { version: ">=9" });
    const none = await failed("none", "FetchFailed", "could not locate a version matching provided version string >=9");
    expect(conditionOf(none.status, "FetchFailed")?.reason).toBe("ChartPullError");
    expect(conditionOf(none.status, "Stalled")).toBeUndefined();
    expect((await workspace.find("HelmRepository", "registry"))?.status?.conditions).toBeUndefined();
  });

  it("HC-052: finds a new version within the interval, once the schedule has looked", {
    timeout: 100_000,
  }, async () => {
    const archive = await push("1.2.0");
    expect((await readFile(path(await ready("range", "1.2.0", 90)))).equals(archive)).toBe(true);
  });

  it("HC-026, HC-027: pulls a dependency from a registry", async () => {
    const repository = await workspace.repository({
      "Chart.yaml": `apiVersion: v2\nname: umbrella\nversion: 0.1.0\ndependencies:\n- {name: app, version: "1.1.x", repository: "oci://${registry.address}/charts"}\n`,
    });
    await workspace.gitRepository("source", repository.url);
    await create("umbrella", { chart: ".", sourceRef: { kind: "GitRepository", name: "source" } });
    const archive = path(await ready("umbrella", "0.1.0"));
    expect(await helm("dependency", "list", archive)).toMatch(/app\s+1\.1\.x\s+oci:\S+\s+unpacked/);
  });
});
