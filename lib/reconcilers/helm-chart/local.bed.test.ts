import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart } from "../../../test/bed/bed.ts";
import { type ChartRepositoryServer, helm, startChartRepository } from "../../../test/bed/chart-repository.ts";
import { helmCharts } from "../../../test/bed/helm-charts.ts";
import { conditionOf, openWorkspace, type Reconciled, type Workspace } from "../../../test/bed/workspace.ts";
import { chartLimits, readChartArchive } from "../../chart/archive.ts";
import type { GitRepository } from "../../host/git/repository.ts";

const template = (name: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {message: {{ .Values.message | quote }}}\n`;
const chart = (name: string, version: string, more = "") =>
  `apiVersion: v2\nname: ${name}\nversion: ${version}\n${more}`;

/** Files of a chart in a directory of a repository. */
function files(directory: string, name: string, version: string, more = ""): Record<string, string> {
  return {
    [`${directory}/Chart.yaml`]: chart(name, version, more),
    [`${directory}/values.yaml`]: "# the chart's own\nmessage: hello\n",
    [`${directory}/templates/map.yaml`]: template(name),
  };
}

describe("a HelmChart of a GitRepository", () => {
  let workspace: Workspace;
  let repository: GitRepository;
  let server: ChartRepositoryServer;
  let artifacts: string;
  let directory: string;
  const { path, create, ready, failed } = helmCharts(() => ({ workspace, artifacts }), {
    chart: "charts/app",
    sourceRef: { kind: "GitRepository", name: "source" },
  });
  const push = async (changes: Record<string, string | Uint8Array | null>) => {
    const commit = await repository.commit(changes);
    await workspace.reconcile("GitRepository", "source");
    await workspace.until(
      "GitRepository",
      "source",
      ({ status }) => status?.artifact?.revision.includes(commit) === true,
    );
    return commit;
  };
  const observed = (name: string, commit: string) =>
    workspace.until("HelmChart", name, ({ status }) =>
      String((status as Record<string, unknown> | undefined)?.observedSourceArtifactRevision).includes(commit),
    );
  const namesIn = async (object: Reconciled) =>
    (await readChartArchive(await readFile(path(object)), chartLimits)).map(({ name }) => name);

  beforeAll(async () => {
    workspace = await openWorkspace("helm-chart-git");
    ({ artifacts } = await bedPart("sluice"));
    directory = await mkdtemp(join(tmpdir(), "sluice-chart-"));
    server = await startChartRepository({ basic: { username: "user", password: "secret" } });
    await server.publish("remote", "1.0.0");
    await server.publish("remote", "1.5.0");
    await workspace.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "remote" },
      stringData: { "ca.crt": server.certificateAuthority, username: "user", password: "secret" },
    });
    repository = await workspace.repository({
      ...files("charts/app", "app", "1.0.0+abc"),
      "charts/app/.helmignore": "# what is not packed\nci/\n*.md\n/only-root\n",
      "charts/app/ci/test.yaml": "x\n",
      "charts/app/README.md": "x\n",
      "charts/app/only-root": "x\n",
      "charts/app/deep/only-root": "x\n",
      "charts/app/templates/.hidden": "x\n",
      "charts/app/crds/thing.yaml":
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n",
      "values/prod.yaml": "message: prod\n",
      ...files("charts/base", "base", "0.2.0"),
      ...files("charts/umbrella", "umbrella", "1.0.0", umbrella("https://example.com")),
      "charts/none/README.md": "x\n",
    });
    await workspace.gitRepository("source", repository.url);
    await workspace.untilReady("GitRepository", "source");
  });
  afterAll(async () => {
    await server?.stop();
    await workspace?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("HC-004, HC-020, HC-021, HC-022, HC-023, HC-024, HC-025, HC-042, HC-045, HC-058, IGN-013: packages a directory anew when its version, or with Revision its source, changes", async () => {
    await create("version");
    await create("revision", { reconcileStrategy: "Revision" });
    await create("values", { reconcileStrategy: "Revision", valuesFiles: ["./values/prod.yaml"] });
    const version = await ready("version", "1.0.0+abc");
    const message = "packaged 'app' chart with version '1.0.0+abc'";
    expect(conditionOf(version.status, "Ready")).toMatchObject({ reason: "ChartPackageSucceeded", message });
    const { revision = "" } = (await workspace.find("GitRepository", "source"))?.status?.artifact ?? {};
    const short = revision.split(":")[1]?.slice(0, 12);
    const byRevision = await ready("revision", `1.0.0+${short}`);
    const values = await ready("values", `1.0.0+${short}.1`);
    expect(await helm("show", "values", path(values))).toBe("message: prod\n\n");
    expect(await helm("show", "values", path(byRevision))).toBe("# the chart's own\nmessage: hello\n\n");
    expect(await helm("template", "x", path(values))).toContain('data: {message: "prod"}');
    expect(await helm("lint", path(version)).catch(({ stdout }) => stdout)).toContain("0 chart(s) failed");
    expect(await namesIn(version)).toEqual([
      "Chart.yaml",
      "values.yaml",
      "templates/map.yaml",
      ".helmignore",
      "crds/thing.yaml",
      "deep/only-root",
    ]);

    const commit = await push({ "charts/app/templates/more.yaml": template("more") });
    await ready("revision", `1.0.0+${commit.slice(0, 12)}`);
    const unchanged = await observed("version", commit);
    expect(unchanged.status?.artifact?.digest).toBe(version.status?.artifact?.digest);
    await push({ "charts/app/Chart.yaml": chart("app", "1.1.0") });
    expect(await namesIn(await ready("version", "1.1.0"))).toContain("templates/more.yaml");

    // What is no chart waits for the next revision of its source.
    await create("none", { chart: "./charts/none" });
    const none = await failed("none", "Stalled", "Chart.yaml");
    expect(conditionOf(none.status, "FetchFailed")).toMatchObject({
      reason: "InvalidChartReference",
      message: "invalid chart reference: open /charts/none/Chart.yaml: no such file or directory",
    });
    await create("outside", { chart: "../../etc" });
    await failed("outside", "Stalled", "invalid chart reference: stat /etc: no such file or directory");
    await push(files("charts/none", "none", "0.1.0"));
    await ready("none", "0.1.0");
  });

  it("HC-001, HC-020, HC-024, VER-019: builds from a bucket's artifact by its digest, and the API refuses other kinds", async () => {
    const { artifact } = (await workspace.find("GitRepository", "source"))?.status ?? {};
    const digest = artifact?.digest ?? "";
    await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "Bucket",
      metadata: { name: "bucket" },
      spec: { bucketName: "x", endpoint: "x.example.com", interval: "1h", suspend: true },
    });
    // As the reconciler of buckets leaves it: the same files under another kind.
    const file = `bucket/${workspace.namespace}/bucket/x.tar.gz`;
    await cp(join(artifacts, "bed", artifact?.path ?? ""), join(artifacts, "bed", file));
    await workspace.client.request({
      method: "PATCH",
      path: `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/buckets/bucket/status`,
      body: { status: { artifact: { ...artifact, path: file, revision: digest } } },
      contentType: "application/merge-patch+json",
    });
    await create("of-bucket", {
      chart: "./charts/base/",
      reconcileStrategy: "Revision",
      sourceRef: { kind: "Bucket", name: "bucket" },
    });
    await ready("of-bucket", `0.2.0+${digest.split(":")[1]?.slice(0, 12)}`);
    await expect(create("other", { sourceRef: { kind: "OCIRepository", name: "x" } })).rejects.toThrow(
      "Unsupported value",
    );
    await expect(create("signed", { verify: { provider: "cosign" } })).rejects.toThrow(
      "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
    );
    expect((await workspace.find("HelmChart", "of-bucket"))?.spec).toMatchObject({ version: "*" });
  });

  it("HC-016, HC-020, HC-022, HC-043, HC-044, ART-019: copies a packaged chart as it is, and refuses files that are too large", async () => {
    await writeFile(join(directory, "Chart.yaml"), chart("packed", "2.0.0"));
    await writeFile(join(directory, "values.yaml"), "message: packed\n");
    await helm("package", directory, "--destination", directory);
    const archive = await readFile(join(directory, "packed-2.0.0.tgz"));
    await push({ "packed-2.0.0.tgz": archive, ...files("large", "large", "1.0.0"), "large/big": "x".repeat(5242881) });
    await workspace.patch("GitRepository", "source", { spec: { ignore: "/nothing" } });
    await create("packed", { chart: "packed-2.0.0.tgz", valuesFiles: ["values.yaml"] });
    const packed = await ready("packed", "2.0.0");
    expect((await readFile(path(packed))).equals(archive)).toBe(true);
    expect(conditionOf(packed.status, "Ready")?.message).toBe("pulled 'packed' chart with version '2.0.0'");
    await workspace.patch("HelmChart", "packed", { spec: { valuesFiles: ["values/prod.yaml"] } });
    expect(await helm("show", "values", path(await ready("packed", "2.0.0+2")))).toBe("message: prod\n\n");
    await workspace.patch("HelmChart", "packed", { spec: { valuesFiles: ["../../etc/passwd"] } });
    const traversal = await failed("packed", "Stalled", "passwd");
    expect(conditionOf(traversal.status, "BuildFailed")).toMatchObject({
      reason: "ValuesFilesError",
      message: "values files merge error: no values file found at path '/etc/passwd' (reference '../../etc/passwd')",
    });
    await workspace.patch("HelmChart", "packed", { spec: { valuesFiles: ["charts/app/templates/map.yaml"] } });
    const unreadable = await failed("packed", "Stalled", "unmarshaling values from");
    expect(conditionOf(unreadable.status, "BuildFailed")?.reason).toBe("ValuesFilesError");
    await create("large", { chart: "large" });
    const large = await failed("large", "BuildFailed", "exceeds limit");
    expect(conditionOf(large.status, "BuildFailed")).toMatchObject({
      reason: "ChartPackageError",
      message:
        "chart package error: failed to load files from /large: cannot load file big as file size (5242881) exceeds limit (5242880)",
    });
  });

  it("HC-026, HC-027, HC-028, HC-029: adds what a chart depends on, locked, local, vendored and from a private repository", async () => {
    await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "HelmRepository",
      metadata: { name: "remote" },
      spec: { url: `${server.url}//`, interval: "1h", secretRef: { name: "remote" } },
    });
    await workspace.untilReady("HelmRepository", "remote");
    const indexes = () => server.requests.filter(({ path: asked }) => asked.endsWith("index.yaml")).length;
    const before = indexes();
    await push({
      "charts/umbrella/Chart.yaml": chart("umbrella", "1.0.0", umbrella(server.url)),
      "charts/umbrella/Chart.lock": `dependencies:\n- {name: remote, repository: "${server.url}", version: 1.0.0}\n- {name: base, repository: "file://../base", version: 0.2.0, alias: other}\ndigest: sha256:0\ngenerated: "2024-01-02T03:04:05.6Z"\n`,
    });
    await create("umbrella", { chart: "charts/umbrella" });
    const locked = await ready("umbrella");
    const names = await namesIn(locked);
    expect(names).toContain("charts/remote/Chart.yaml");
    expect(names).toContain("charts/other/templates/map.yaml");
    expect(await helm("template", "x", path(locked))).toContain("metadata: {name: base}");
    const inner = await readChartArchive(await readFile(path(locked)), chartLimits);
    const text = (name: string) => inner.find((file) => file.name === name)?.content.toString();
    expect(text("charts/remote/Chart.yaml")).toContain("version: 1.0.0\n");
    expect(text("Chart.lock")).toContain('generated: "2024-01-02T03:04:05.6Z"\n');
    expect(indexes()).toBe(before);
    const events = await workspace.events("HelmChart", "umbrella");
    expect(events.find(({ reason }) => reason === "ResolvedDependencies")?.message).toBe(
      "resolved 2 chart dependencies",
    );
    // Without a lock file the range is resolved; what is vendored is not.
    await push({
      "charts/umbrella/Chart.lock": null,
      "charts/umbrella/Chart.yaml": chart("umbrella", "1.1.0", umbrella(server.url)),
      ...files("charts/umbrella/charts/base", "other", "9.9.9"),
    });
    const ranged = await readChartArchive(await readFile(path(await ready("umbrella", "1.1.0"))), chartLimits);
    const found = (name: string) => ranged.find((file) => file.name === name)?.content.toString();
    expect(found("charts/remote/Chart.yaml")).toContain("version: 1.5.0\n");
    expect(found("charts/other/Chart.yaml")).toContain("version: 9.9.9\n");

    const cases: [string, string, string][] = [
      ["alias", "@charts", "aliased repository dependency is not supported: @charts"],
      ["scheme", "alias:charts", "invalid dependency repository URL: alias:charts"],
      [
        "unknown",
        "file://../../../../nothing",
        "no chart found at '/nothing' (reference 'file://../../../../nothing')",
      ],
      ["range", "file://../base", "can't get a valid version for constraint '>=1.0.0'"],
      ["missing", `${server.url}/`, "no chart name found"],
    ];
    const inCases = cases.map(([name, repositoryUrl]) => {
      const more =
        name === "range" ? dependencyOn("base", "file://../../charts/base") : dependencyOn("nothing", repositoryUrl);
      return files(`cases/${name}`, name, "1.0.0", more);
    });
    await push(Object.assign({}, ...inCases));
    for (const [name, repositoryUrl, words] of cases) {
      await create(name, { chart: `cases/${name}` });
      const { status } = await failed(name, "BuildFailed", words);
      const kind = repositoryUrl.startsWith("file:") ? "local" : "remote";
      expect(conditionOf(status, "BuildFailed")?.reason).toBe("DependencyBuildError");
      expect(conditionOf(status, "BuildFailed")?.message).toMatch(
        new RegExp(`^dependency build error: failed to add ${kind} dependency '(nothing|base)': `),
      );
    }
  });
});

function umbrella(url: string): string {
  return `dependencies:\n- {name: remote, version: "^1", repository: "${url}"}\n- {name: base, version: ">=0.1", repository: "file://../base", alias: other}\n`;
}

function dependencyOn(name: string, repository: string): string {
  return `dependencies:\n- {name: ${name}, version: ">=1.0.0", repository: "${repository}"}\n`;
}
