import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unpackFromLayer } from "../kustomize/layer-archive.ts";
import { chartLimits, readChartArchive } from "./archive.ts";
import { loadArchive, loadFiles } from "./load.ts";
import { packageChart } from "./package.ts";
import { mergeChartValues, overwriteValues } from "./values.ts";

const run = promisify(execFile);

/** The real helm, which packs and reads what is tested here. */
describe("packageChart", () => {
  let helm: string;
  let directory: string;
  const helmRun = async (...parameters: string[]) => {
    const environment = { HOME: directory, PATH: "/usr/bin:/bin" };
    return (await run(helm, parameters, { cwd: directory, env: environment, maxBuffer: 1 << 26 })).stdout;
  };
  const write = async (files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, name)), { recursive: true });
      await writeFile(join(directory, name), content);
    }
  };
  const unpacked = async (archive: Uint8Array) =>
    (await readChartArchive(archive, chartLimits)).map(({ name, content }) => [name, content.toString()] as const);

  beforeAll(async () => {
    helm = await unpackFromLayer("helm/helm");
    directory = await mkdtemp(join(tmpdir(), "sluice-chart-"));
    await helmRun("create", "app");
    await helmRun("create", "base");
    await rm(join(directory, "base/templates"), { recursive: true });
    await write({
      "base/templates/map.yaml":
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base}\ndata: {a: {{ .Values.a | quote }}}\n",
      "base/values.yaml": "# of base\na: 1\n",
      "app/Chart.yaml":
        'apiVersion: v2\nname: app\nversion: 1.2.3\nappVersion: 1.10\ndescription: "with: a colon, and a long line that goes on and on, past the eightieth column of its line, as descriptions do"\ntype: application\nkeywords: [a, "yes"]\nhome: https://example.com\nsources: [https://example.com/source]\nmaintainers: [{name: Jane Doe, email: jane@example.com}]\nannotations: {b: "true", a: "1"}\nkubeVersion: ">=1.20.0-0"\ndependencies: [{name: base, version: ">=0.1.0", repository: "file://../base", condition: base.enabled, tags: [x], import-values: [{child: a, parent: b}, data]}]\n',
      "app/values.schema.json": '{"type": "object"}',
      "app/crds/thing.yaml":
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\n",
      "app/README.md": "# Read me\n",
      "app/values-prod.yaml": "replicaCount: 3\nimage: {tag: prod}\npodAnnotations: null\n",
    });
    await helmRun("dependency", "update", "app");
    await helmRun("package", "app");
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("HC-045: gives the same files in the same order as the real helm does, and the same bytes each time", async () => {
    const packed = await readFile(join(directory, "app-1.2.3.tgz"));
    const chart = await loadArchive(packed, chartLimits);
    const archive = await packageChart(chart);
    expect(await unpacked(archive)).toEqual(await unpacked(packed));
    expect((await packageChart(await loadArchive(packed, chartLimits))).equals(archive)).toBe(true);
    // RFC 1952: the mark and the comment that Helm leaves.
    expect(archive.subarray(10, 58).toString("latin1")).toBe(packed.subarray(10, 58).toString("latin1"));
    expect(archive.subarray(0, 58).toString("latin1").endsWith("Helm\0")).toBe(true);
  });

  it("HC-040, HC-042, HC-045: what is packed anew is rendered, linted and shown by the real helm", async () => {
    const chart = await loadArchive(await readFile(join(directory, "app-1.2.3.tgz")), chartLimits);
    chart.metadata.version = "1.2.3+7";
    const { values } = mergeChartValues(chart, ["values.yaml", "./values-prod.yaml"], false);
    expect(overwriteValues(chart, values)).toBe(true);
    await writeFile(join(directory, "ours.tgz"), await packageChart(chart));
    expect(await helmRun("lint", "ours.tgz").catch((error) => error.stdout)).toContain("0 chart(s) failed");
    const theirs = await helmRun("template", "x", "app-1.2.3.tgz", "-f", "app/values-prod.yaml");
    const ours = await helmRun("template", "x", "ours.tgz");
    expect(ours).toBe(theirs.replaceAll("app-1.2.3", "app-1.2.3_7"));
    expect(await helmRun("show", "chart", "ours.tgz")).toBe(
      (await helmRun("show", "chart", "app-1.2.3.tgz")).replace("version: 1.2.3", "version: 1.2.3+7"),
    );
    const shown = await helmRun("show", "values", "ours.tgz");
    expect(shown).toContain("replicaCount: 3\n");
    expect(shown).toContain("\npodAnnotations: null\n");
    expect(shown).not.toContain("#");
  });

  it("HC-030: keeps the requirements of a chart of API v1 out of Chart.yaml, as helm does", async () => {
    await write({
      "old/Chart.yaml": "name: old\nversion: 0.1.0\n",
      "old/requirements.yaml": "dependencies:\n- name: base\n  version: 0.1.0\n  repository: file://../base\n",
      "old/values.yaml": "",
      "old/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    });
    const files = ["Chart.yaml", "requirements.yaml", "values.yaml", "templates/a.yaml"].map(async (name) => ({
      name,
      content: await readFile(join(directory, "old", name)),
    }));
    const chart = await loadFiles(await Promise.all(files), chartLimits);
    chart.dependencies.push(
      await loadArchive(await readFile(join(directory, "app/charts/base-0.1.0.tgz")), chartLimits),
    );
    await writeFile(join(directory, "old.tgz"), await packageChart(chart));
    expect((await unpacked(await packageChart(chart))).slice(0, 2)).toEqual([
      ["Chart.yaml", "apiVersion: v1\nname: old\nversion: 0.1.0\n"],
      ["values.yaml", ""],
    ]);
    expect(await helmRun("template", "x", "old.tgz")).toContain('data: {a: "1"}');
    expect(await readdir(directory)).toContain("old.tgz");
  });
});
