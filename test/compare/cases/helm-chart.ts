import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pushArtifact } from "../../bed/registry/push.ts";
import type { Case } from "../case.ts";
import { bucket, gitRepository, helmChart, helmRepository } from "../objects.ts";

const chartType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const configType = "application/vnd.cncf.helm.config.v1+json";
const values = {
  "values-prod.yaml": "# prod\nmessage: prod\nnested: {a: 1, b: [1, 2]}\n",
  "more.yaml": "nested: {a: null, c: yes, b: [3]}\n",
};

/** HelmCharts of HelmRepositories. */
export const helmChartCases: readonly Case[] = [
  {
    name: "charts of repositories",
    play: async (stage, world) => {
      const charts = await world.chartRepository();
      await charts.publish("web", "1.0.0", values);
      await charts.publish("web", "1.1.0+build", values);
      await charts.publish("web", "2.0.0-rc.1", values);
      await stage.secret("ca", { "ca.crt": charts.certificateAuthority });
      await stage.apply(
        helmRepository("charts", charts.url, { certSecretRef: { name: "ca" } }),
        helmRepository("failing", `${charts.url}/nowhere/index`, { certSecretRef: { name: "ca" } }),
      );
      await stage.look("source");
      const files = (valuesFiles: string[], more: Record<string, unknown> = {}) => ({ valuesFiles, ...more });
      await stage.apply(
        helmChart("newest", "web"),
        helmChart("exact", "web", { version: "1.0.0" }),
        helmChart("ranged", "web", { version: "1.0.x" }),
        helmChart("candidate", "web", { version: ">=2.0.0-0" }),
        helmChart("own-values", "web", files(["values.yaml"])),
        helmChart("merged", "web", files(["values.yaml", "values-prod.yaml", "more.yaml"])),
        helmChart("missing-file", "web", files(["absent.yaml"])),
        helmChart(
          "ignored-file",
          "web",
          files(["absent.yaml", "values-prod.yaml"], { ignoreMissingValuesFiles: true }),
        ),
        helmChart("only-missing", "web", files(["absent.yaml"], { ignoreMissingValuesFiles: true })),
        helmChart("no-chart", "absent"),
        helmChart("no-version", "web", { version: "9.x" }),
        helmChart("no-exact-version", "web", { version: "9.0.0" }),
        helmChart("bad-range", "web", { version: "nonsense" }),
        helmChart("bad-name", "../web"),
        helmChart("no-source", "web", { sourceRef: { kind: "HelmRepository", name: "absent" } }),
        helmChart("failing-source", "web", { sourceRef: { kind: "HelmRepository", name: "failing" } }),
        helmChart("bad-kind", "web", { sourceRef: { kind: "OCIRepository", name: "charts" } }),
        helmChart("suspended", "web", { suspend: true }),
        helmChart("by-revision", "web", { reconcileStrategy: "Revision" }),
        helmChart("verified", "web", { verify: { provider: "cosign" } }),
      );
      await stage.look("created");
      await stage.request("HelmChart", "newest", "merged", "ranged", "missing-file");
      await stage.look("unchanged");
      await charts.publish("web", "1.0.1", values);
      await stage.request("HelmRepository", "charts");
      await stage.look("a new version");
      await stage.apply(helmChart("newest", "absent"), helmChart("merged", "web", files(["absent.yaml"])));
      await stage.look("broken");
      await stage.apply(helmChart("newest", "web"), helmChart("merged", "web", files(["more.yaml"])));
      await stage.look("mended");
      await stage.remove("HelmChart", "newest");
      await stage.look("deleted");
    },
  },
  {
    name: "charts of registries",
    play: async (stage, world) => {
      const { registry } = world;
      const charts = await world.chartRepository();
      await charts.publish("piece", "1.0.0", values);
      await charts.publish("piece", "1.2.0+build.1", values);
      for (const version of ["1.0.0", "1.2.0+build.1"]) {
        const content = await readFile(join(charts.directory, `piece-${version}.tgz`));
        const config = {
          mediaType: configType,
          content: Buffer.from(JSON.stringify({ name: "piece", version, apiVersion: "v2" })),
        };
        const to = { url: registry.url, repository: "charts/piece" };
        await pushArtifact(to, version.replace("+", "_"), { layers: [{ mediaType: chartType, content }], config });
      }
      await stage.secret("opaque", { username: "a", password: "canary-b" });
      await stage.secret("user-alone", { username: "a" });
      await stage.secret(
        "elsewhere",
        { ".dockerconfigjson": '{"auths":{"registry.test":{"username":"a","password":"canary"}}}' },
        "kubernetes.io/dockerconfigjson",
      );
      const oci = { type: "oci", insecure: true };
      const secret = (name: string) => ({ secretRef: { name } });
      await stage.apply(
        helmRepository("charts", `oci://${registry.address}/charts`, oci),
        helmRepository("with-secret", `oci://${registry.address}/charts`, { ...oci, ...secret("opaque") }),
        helmRepository("user-alone", `oci://${registry.address}/charts`, { ...oci, ...secret("user-alone") }),
        helmRepository("elsewhere", `oci://${registry.address}/charts`, { ...oci, ...secret("elsewhere") }),
        helmRepository("no-secret", `oci://${registry.address}/charts`, { ...oci, ...secret("absent") }),
        helmRepository("refused", "oci://127.0.0.1:1/charts", oci),
      );
      const of = (name: string) => ({ sourceRef: { kind: "HelmRepository", name } });
      await stage.apply(
        helmChart("newest", "piece"),
        helmChart("exact", "piece", { version: "1.0.0" }),
        helmChart("build", "piece", { version: "1.2.0+build.1" }),
        helmChart("merged", "piece", { version: "1.x", valuesFiles: ["values.yaml", "values-prod.yaml"] }),
        helmChart("no-chart", "absent"),
        helmChart("no-version", "piece", { version: "9.x" }),
        helmChart("no-exact-version", "piece", { version: "9.0.0" }),
        helmChart("with-secret", "piece", of("with-secret")),
        helmChart("user-alone", "piece", of("user-alone")),
        helmChart("elsewhere", "piece", of("elsewhere")),
        helmChart("no-secret", "piece", of("no-secret")),
        helmChart("refused", "piece", of("refused")),
        helmChart("unsigned", "piece", {
          version: "1.0.0",
          verify: { provider: "cosign", secretRef: { name: "absent" } },
        }),
        helmChart("no-keys", "piece", {
          version: "1.0.0",
          verify: { provider: "cosign", secretRef: { name: "opaque" } },
        }),
      );
      await stage.look("created");
      await stage.request("HelmChart", "newest", "exact");
      await stage.look("unchanged");
    },
  },
  {
    name: "charts of trees",
    play: async (stage, world) => {
      const tree = (prefix: string, files: Record<string, string>) =>
        Object.fromEntries(Object.entries(files).map(([path, text]) => [`${prefix}/${path}`, text]));
      const template = {
        "templates/map.yaml": "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n",
        "values.yaml": "message: hello\n",
      };
      const chart = (name: string, more = "") => ({
        "Chart.yaml": `apiVersion: v2\nname: ${name}\nversion: 0.1.0\n${more}`,
        ...template,
      });
      const charts = await world.chartRepository();
      await charts.publish("common", "1.2.0");
      const dependencies = `dependencies:\n- {name: common, version: 1.x, repository: "${charts.url}"}\n- {name: local, version: 0.1.0, repository: "file://../local"}\n`;
      const files: Record<string, string> = {
        ...tree("charts/app", {
          ...chart("app"),
          "values-prod.yaml": "message: prod\n",
          ".helmignore": "*.md\n",
          "NOTES.md": "n",
          "logo.png": "p",
        }),
        ...tree("charts/local", chart("local")),
        ...tree("charts/umbrella", chart("umbrella", dependencies)),
        ...tree(
          "charts/unmet",
          chart("unmet", 'dependencies:\n- {name: absent, version: 1.x, repository: "file://../absent"}\n'),
        ),
        ...tree(
          "charts/no-repository",
          chart(
            "no-repository",
            `dependencies:\n- {name: common, version: 1.x, repository: "https://charts.invalid"}\n`,
          ),
        ),
        ...tree("charts/locked", {
          ...chart("locked", 'dependencies:\n- {name: local, version: 0.1.0, repository: "file://../local"}\n'),
          "Chart.lock":
            'dependencies:\n- name: local\n  repository: "file://../local"\n  version: 0.1.0\ndigest: sha256:00\ngenerated: "2026-01-02T03:04:05Z"\n',
        }),
        ...tree("charts/invalid", { "Chart.yaml": "apiVersion: v2\nname: [\n", ...template }),
        ...tree("charts/unnamed", { "Chart.yaml": "apiVersion: v2\nversion: 0.1.0\n", ...template }),
        ...tree("charts/bad-version", {
          "Chart.yaml": "apiVersion: v2\nname: bad-version\nversion: one\n",
          ...template,
        }),
        ...tree("charts/old", {
          "Chart.yaml": "name: old\nversion: 0.1.0\n",
          "requirements.yaml": 'dependencies:\n- {name: local, version: 0.1.0, repository: "file://../local"}\n',
          ...template,
        }),
        "values/extra.yaml": "message: extra\n",
        "values/broken.yaml": "message: [\n",
      };
      const repository = await world.repository("charts-of-trees", files);
      await stage.secret("keys", { accesskey: "AKIDEXAMPLE", secretkey: "canary-4711/+" });
      await stage.secret("ca", { "ca.crt": charts.certificateAuthority });
      await world.fill("charts-of-trees", {
        "app/Chart.yaml": files["charts/app/Chart.yaml"] ?? "",
        "app/values.yaml": "a: 1\n",
      });
      await stage.apply(
        helmRepository("charts", charts.url, { certSecretRef: { name: "ca" } }),
        gitRepository("git", repository.url),
        bucket("bucket", world.s3, "charts-of-trees", { secretRef: { name: "keys" } }),
      );
      await stage.look("sources");
      const git = { kind: "GitRepository", name: "git" };
      const of = (name: string, chartPath: string, spec: Record<string, unknown> = {}) =>
        helmChart(name, chartPath, { sourceRef: git, ...spec });
      await stage.apply(
        of("app", "charts/app"),
        of("app-dot", "./charts/app/"),
        of("revision", "charts/app", { reconcileStrategy: "Revision" }),
        of("merged", "charts/app", { valuesFiles: ["charts/app/values.yaml", "values/extra.yaml"] }),
        of("merged-revision", "charts/app", {
          reconcileStrategy: "Revision",
          valuesFiles: ["charts/app/values-prod.yaml"],
        }),
        of("missing-file", "charts/app", { valuesFiles: ["values/absent.yaml"] }),
        of("broken-file", "charts/app", { valuesFiles: ["values/broken.yaml"] }),
        of("outside", "charts/app", { valuesFiles: ["../../etc/passwd"] }),
        of("ignored-file", "charts/app", {
          valuesFiles: ["values/absent.yaml", "values/extra.yaml"],
          ignoreMissingValuesFiles: true,
        }),
        of("umbrella", "charts/umbrella"),
        of("unmet", "charts/unmet"),
        of("no-repository", "charts/no-repository"),
        of("locked", "charts/locked"),
        of("invalid", "charts/invalid"),
        of("unnamed", "charts/unnamed"),
        of("bad-version", "charts/bad-version"),
        of("old", "charts/old"),
        of("absent", "charts/absent"),
        of("no-chart", "values"),
        of("upward", "../../charts/app"),
        helmChart("of-bucket", "app", { sourceRef: { kind: "Bucket", name: "bucket" } }),
      );
      await stage.look("created");
      await stage.request("HelmChart", "app", "revision", "umbrella");
      await stage.look("unchanged");
      await repository.commit({ "unrelated.txt": "u\n" }, { message: "Nothing of a chart" });
      await stage.request("GitRepository", "git");
      await stage.look("a new commit");
      await repository.commit(
        { "charts/app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.2.0\n" },
        { message: "A new version" },
      );
      await stage.request("GitRepository", "git");
      await stage.look("a new version");
    },
  },
];
