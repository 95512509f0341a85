import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart } from "../../test/bed/bed.ts";
import { type ChartRepositoryServer, helm, startChartRepository } from "../../test/bed/chart-repository.ts";
import { helmCharts } from "../../test/bed/helm-charts.ts";
import { conditionOf, openWorkspace, type Workspace } from "../../test/bed/workspace.ts";

const valuesProd = "# prod\nmessage: prod\nnested: {a: 1, b: [1, 2]}\n";
const valuesMore = "nested: {a: null, c: yes, b: [3]}\n";

describe("a HelmChart of a HelmRepository", () => {
  let workspace: Workspace;
  let server: ChartRepositoryServer;
  let artifacts: string;
  const { path, create, ready, failed } = helmCharts(() => ({ workspace, artifacts }), {
    chart: "app",
    sourceRef: { kind: "HelmRepository", name: "charts" },
  });
  const repository = (name: string, url: string, spec: Record<string, unknown> = {}) =>
    workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "HelmRepository",
      metadata: { name },
      spec: { url, interval: "1h", certSecretRef: { name: "ca" }, ...spec },
    });
  const handled = async (name: string) => {
    const value = await workspace.reconcile("HelmChart", name);
    return workspace.until("HelmChart", name, ({ status }) => status?.lastHandledReconcileAt === value);
  };
  const downloads = () => server.requests.filter(({ path }) => path.endsWith(".tgz")).map(({ path }) => path);

  beforeAll(async () => {
    workspace = await openWorkspace("helm-chart");
    ({ artifacts } = await bedPart("sluice"));
    server = await startChartRepository();
    await workspace.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "ca" },
      stringData: { "ca.crt": server.certificateAuthority },
    });
    const files = { "values-prod.yaml": valuesProd, "more.yaml": valuesMore, "empty.yaml": "" };
    await server.publish("app", "1.0.0", files);
    await server.publish("app", "1.1.0+build", files);
    await server.publish("app", "2.0.0-rc.1", files);
    await repository("charts", server.url);
  });
  afterAll(async () => {
    await server?.stop();
    await workspace?.close();
  });

  it("HC-002, HC-003, HC-005, HC-011, HC-014, HC-016, HC-050, HC-051, HC-058, HC-060, SB-007: stores the chart byte for byte as soon as its source is ready, and no more than once", async () => {
    await create("early", { sourceRef: { kind: "HelmRepository", name: "late" } });
    const waiting = await failed("early", "FetchFailed", "not found");
    expect(conditionOf(waiting.status, "FetchFailed")?.reason).toBe("SourceUnavailable");
    await repository("late", server.url, { suspend: true });
    await workspace.reconcile("HelmChart", "early");
    const without = await failed("early", "FetchFailed", "no artifact available");
    expect(conditionOf(without.status, "FetchFailed")).toMatchObject({
      reason: "NoSourceArtifact",
      message: "no artifact available for HelmRepository source 'late'",
    });
    await workspace.patch("HelmRepository", "late", { spec: { suspend: false } });
    const source = await workspace.untilReady("HelmRepository", "late");
    const before = Date.now();
    const chart = await ready("early");
    expect(Date.now() - before).toBeLessThan(2000);
    const { artifact } = chart.status ?? {};
    expect(artifact?.revision).toBe("1.1.0+build");
    expect(artifact?.path).toBe(`helmchart/${workspace.namespace}/early/app-1.1.0+build.tgz`);
    const bytes = await readFile(join(server.directory, "app-1.1.0+build.tgz"));
    expect((await readFile(path(chart))).equals(bytes)).toBe(true);
    expect(artifact?.digest).toBe(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);
    const message = "pulled 'app' chart with version '1.1.0+build'";
    for (const type of ["Ready", "ArtifactInStorage"])
      expect(conditionOf(chart.status, type)).toMatchObject({ status: "True", reason: "ChartPullSucceeded", message });
    expect(chart.status).toMatchObject({
      observedChartName: "app",
      observedSourceArtifactRevision: source.status?.artifact?.revision,
      url: expect.stringMatching(/\/early\/latest\.tar\.gz$/),
    });
    expect(conditionOf(chart.status, "FetchFailed")).toBeUndefined();
    const events = await workspace.events("HelmChart", "early");
    expect(events.map(({ type, reason }) => `${type} ${reason}`)).toContain("Normal NoSourceArtifact");
    expect(events.filter(({ reason }) => reason === "ChartPullSucceeded").map((event) => event.message)).toEqual([
      message,
    ]);
    expect(events.map(({ reason }) => reason)).not.toContain("NewArtifact");
    const count = downloads().length;
    await handled("early");
    expect(downloads().length).toBe(count);
    // HC-051: a stored chart that is none, although its digest is right.
    const broken = Buffer.from("broken");
    await writeFile(path(chart), broken);
    const digest = `sha256:${createHash("sha256").update(broken).digest("hex")}`;
    await workspace.client.request({
      method: "PATCH",
      path: `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/helmcharts/early/status`,
      body: { status: { artifact: { ...artifact, digest, size: broken.length } } },
      contentType: "application/merge-patch+json",
    });
    await handled("early");
    const mended = await ready("early");
    expect((await readFile(path(mended))).equals(bytes)).toBe(true);
  });

  it("HC-040, HC-041, HC-042, HC-043, HC-044, HC-045: merges values files of the package into its values", async () => {
    await create("own", { version: "1.0.0", valuesFiles: ["./values.yaml"] });
    await create("merged", { version: "1.0.0", valuesFiles: ["values.yaml", "values-prod.yaml", "./more.yaml"] });
    const own = await ready("own");
    expect(own.status?.artifact?.revision).toBe("1.0.0");
    expect((await readFile(path(own))).equals(await readFile(join(server.directory, "app-1.0.0.tgz")))).toBe(true);
    const merged = await ready("merged");
    expect(merged.status?.artifact?.revision).toBe("1.0.0+1");
    expect(await helm("show", "values", path(merged))).toBe(
      "message: prod\nnested:\n  a: null\n  b:\n  - 3\n  c: true\n\n",
    );
    expect(await helm("show", "chart", path(merged))).toContain("\nversion: 1.0.0+1\n");
    expect(conditionOf(merged.status, "Ready")).toMatchObject({
      reason: "ChartPackageSucceeded",
      message:
        "packaged 'app' chart with version '1.0.0+1' and merged values files [values.yaml values-prod.yaml ./more.yaml]",
    });
    expect(merged.status).not.toHaveProperty("observedValuesFiles");

    // A new generation always rebuilds; it is in the version.
    await workspace.patch("HelmChart", "merged", { spec: { valuesFiles: ["values-prod.yaml", "nowhere.yaml"] } });
    const missing = await failed("merged", "Stalled", "nowhere.yaml");
    const message =
      "values files merge error: failed to merge chart values: no values file found at path 'nowhere.yaml'";
    for (const type of ["BuildFailed", "Stalled"])
      expect(conditionOf(missing.status, type)).toMatchObject({ status: "True", reason: "ValuesFilesError", message });
    expect(missing.status?.observedGeneration).toBe(2);
    await workspace.patch("HelmChart", "merged", { spec: { ignoreMissingValuesFiles: true } });
    const ignoring = await ready("merged", "1.0.0+3");
    expect(ignoring.status).toMatchObject({ observedValuesFiles: ["values-prod.yaml"] });
    await workspace.patch("HelmChart", "merged", { spec: { valuesFiles: ["nowhere.yaml", "../../etc/passwd"] } });
    const none = await ready("merged", "1.0.0+4");
    expect(none.status).not.toHaveProperty("observedValuesFiles");
    expect(await helm("show", "values", path(none))).toBe("\n");
    await workspace.patch("HelmChart", "merged", {
      spec: { valuesFiles: ["templates/configmap.yaml"], ignoreMissingValuesFiles: false },
    });
    await failed("merged", "Stalled", "no values file found at path 'templates/configmap.yaml'");
  });

  it("HC-004, HC-010, HC-012, HC-062, VER-019: stalls on what is not in the index, until the index has it", async () => {
    await create("later", { version: "3.x" });
    const message =
      "invalid chart reference: failed to get chart version for remote reference: no 'app' chart with version matching '3.x' found";
    const stalled = await failed("later", "Stalled", "3.x");
    for (const type of ["FetchFailed", "Stalled"])
      expect(conditionOf(stalled.status, type)).toMatchObject({ reason: "InvalidChartReference", message });
    await create("misnamed", { chart: "MyChart" });
    const misnamed = await failed("misnamed", "Stalled", "invalid chart name 'MyChart'");
    expect(conditionOf(misnamed.status, "Ready")?.message).toMatch(/: a valid name must be lower case letters/);
    await create("verified", { verify: { provider: "cosign" } });
    const unverified = await failed("verified", "BuildFailed", "not implemented");
    const words = "chart verification error: not implemented";
    for (const [type, status, reason] of [
      ["SourceVerified", "False", "VerificationError"],
      ["BuildFailed", "True", "ChartVerificationError"],
      ["Ready", "False", "VerificationError"],
    ] as const)
      expect(conditionOf(unverified.status, type)).toMatchObject({ status, reason, message: words });
    await workspace.patch("HelmChart", "verified", { spec: { verify: null } });
    expect(conditionOf((await ready("verified")).status, "SourceVerified")).toBeUndefined();
    await server.publish("app", "3.0.1");
    await workspace.reconcile("HelmRepository", "charts");
    await ready("later", "3.0.1");
  });

  it("HC-015, HC-017, HC-060, SRC-027, ART-019, ART-020: refuses what is no chart, and tells of credentials", async () => {
    const published = join(server.directory, "app-3.1.0.tgz");
    await server.publish("app", "3.1.0");
    await workspace.reconcile("HelmRepository", "charts");
    const meta = "apiVersion: v2\nname: app\nversion: 3.1.0\n";
    const chart = { name: "app/Chart.yaml", content: meta };
    const cases: [string, Buffer, string][] = [
      ["text", Buffer.from("no archive"), "gzip: invalid header"],
      ["empty", await tarGz([]), "no files in chart archive"],
      [
        "parent",
        await tarGz([chart, { name: "app/../../x", content: "" }]),
        "chart illegally references parent directory",
      ],
      [
        "absolute",
        await tarGz([chart, { name: "app//etc/passwd", content: "" }]),
        "chart illegally contains absolute paths",
      ],
      ["drive", await tarGz([chart, { name: "app/c:/x", content: "" }]), "chart contains illegally named files"],
      ["backslash", await tarGz([chart, { name: "app\\..\\..\\x", content: "" }]), "chart illegally references parent"],
      ["bare", await tarGz([{ name: "Chart.yaml", content: meta }]), "content outside the base directory"],
      ["link", await tarGz([{ name: "app/Chart.yaml", linkname: "/etc/passwd" }]), "chart.metadata.name is required"],
      [
        "invalid",
        await tarGz([{ name: "app/Chart.yaml", content: "name: app\nversion: x\n" }]),
        'version "x" is invalid',
      ],
      [
        "large",
        await tarGz([chart, { name: "app/large", content: "x".repeat(5 * 1024 * 1024 + 1) }]),
        "maximum file size",
      ],
      ["bomb", await tarGz([chart, ...bomb]), "decompressed chart is larger than the maximum size"],
      ["heavy", Buffer.concat([await tarGz([chart]), Buffer.alloc(10 * 1024 * 1024)]), "exceeds"],
      [
        "aliases",
        await tarGz([{ name: "app/Chart.yaml", content: `${meta}annotations:\n${laughs}` }]),
        "excessive aliasing",
      ],
    ];
    await create("refused", { version: "3.1.0", interval: "10m" });
    await ready("refused", "3.1.0");
    for (const [name, bytes, words] of cases) {
      await writeFile(published, bytes);
      await workspace.patch("HelmChart", "refused", { spec: { interval: `${name.length + 20 + cases.length}m` } });
      await create(`refused-${name}`, { version: "3.1.0" });
      const { status } = await failed(`refused-${name}`, "FetchFailed", words);
      expect(conditionOf(status, "FetchFailed"), name).toMatchObject({ status: "True", reason: "ChartPullError" });
      expect(conditionOf(status, "FetchFailed")?.message).toMatch(/^chart pull error: /);
      expect(status?.artifact).toBeUndefined();
    }
    const kept = await workspace.find("HelmChart", "refused");
    expect(kept?.status?.artifact?.revision).toBe("3.1.0");
    server.intercept = (request, response) => {
      if (!request.url?.endsWith(".tgz")) return false;
      response.writeHead(401).end();
      return true;
    };
    await create("unauthorized", { version: "1.0.0" });
    const { status } = await failed("unauthorized", "FetchFailed", "401");
    expect(conditionOf(status, "FetchFailed")?.reason).toBe("Unknown");
    const words = "failed to authenticate with the Helm repository: ";
    expect(conditionOf(status, "FetchFailed")?.message).toContain(`unknown build error: ${words}`);
    const events = await workspace.events("HelmChart", "unauthorized");
    expect(events.find(({ reason }) => reason === "AuthenticationFailed")?.message).toContain(words);

    // A recovery of a chart that was stored before is told of once, by the reason of the build.
    const told = async () =>
      (await workspace.events("HelmChart", "own")).filter(({ type }) => type === "Normal").map(({ reason }) => reason);
    const before = (await told()).filter((reason) => reason === "ChartPullSucceeded").length;
    await workspace.patch("HelmChart", "own", { spec: { interval: "2h" } });
    const failing = await failed("own", "FetchFailed", "401");
    expect(failing.status?.artifact?.revision).toBe("1.0.0");
    server.intercept = () => false;
    await workspace.reconcile("HelmChart", "own");
    await ready("own", "1.0.0");
    await expect
      .poll(async () => (await told()).filter((reason) => reason === "ChartPullSucceeded").length, { timeout: 10_000 })
      .toBe(before + 1);
    expect(await told()).not.toContain("Succeeded");
  });
});

type Entry = { name: string; content?: string; linkname?: string };

const bomb: Entry[] = Array.from({ length: 22 }, (_, index) => ({
  name: `app/zeros-${index}`,
  content: "\0".repeat(5 * 1024 * 1024 - 1),
}));

/** Aliases of aliases: a few hundred bytes that are billions. */
const laughs = Array.from({ length: 12 }, (_, index) =>
  index === 0
    ? "  a0: &a0 [x, x, x]\n"
    : `  a${index}: &a${index} [${"*a".concat(String(index - 1), ",").repeat(9)}]\n`,
).join("");

async function tarGz(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  const parts: Buffer[] = [];
  const collected = (async () => {
    for await (const part of archive) if (Buffer.isBuffer(part)) parts.push(part);
  })();
  for (const { name, content, linkname } of entries)
    archive.entry(linkname === undefined ? { name } : { name, type: "symlink", linkname }, content ?? "");
  archive.finalize();
  await collected;
  return gzipSync(Buffer.concat(parts));
}
