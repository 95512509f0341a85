import { mkdtemp, readFile, rm } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getObject, patchObject } from "../lib/cluster/objects.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { createAwsPlatform } from "../lib/platform/aws/platform.ts";
import type { ArtifactStore } from "../lib/platform/ports.ts";
import { bedPart, uniqueName } from "./bed/bed.ts";
import { type ChartRepositoryServer, helm, startChartRepository } from "./bed/chart-repository.ts";
import {
  type FluxController,
  fluxControllers,
  installHelmController,
  startController,
} from "./bed/flux/controllers.ts";
import { createAwsResources } from "./bed/localstack/resources.ts";
import { type S3Front, startS3Front } from "./bed/localstack/s3-front.ts";
import { startSluice } from "./bed/sluice.ts";
import {
  apiVersions,
  conditionOf,
  configMap,
  openWorkspace,
  type Reconciled,
  type Workspace,
} from "./bed/workspace.ts";
import { writersOf } from "./bed/writers.ts";

/** Beyond what is remembered of the placeholders, what an old artifact may be kept for, and what a request's own stamp counts for. */
const moment = 600_000;
const week = 7 * 24 * 3_600_000;
/** Seconds: controllers are in no hurry where a machine is busy. */
const patience = 60;
/** Objects with this label are of the controllers that run without the gate. */
const gateless = { "sharding.fluxcd.io/key": "gateless" };

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let elsewhere: Workspace;
let s3: S3Front;
let artifacts: ArtifactStore;
let charts: ChartRepositoryServer;
let mono: GitRepository;
/** How far Sluice's clock is ahead, in milliseconds. */
let ahead = 0;
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-consumers-"));
  const [resources, aws] = await Promise.all([createAwsResources([]), bedPart("localstack"), fluxControllers()]);
  s3 = await startS3Front(aws);
  process.env.AWS_ENDPOINT_URL_S3 = `http://${s3.endpoint}`;
  ({ artifacts } = createAwsPlatform(resources.env));
  const clock = { now: () => new Date(Date.now() + ahead) };
  sluice = await startSluice({ directory, wrap: (platform) => ({ ...platform, artifacts, clock }) });
  [workspace, elsewhere, charts] = await Promise.all([
    openWorkspace("consumers", { sluice }),
    openWorkspace("charts", { sluice }),
    startChartRepository(),
    installHelmController(sluice),
  ]);
  await charts.publish("app", "1.0.0");
  mono = await workspace.repository(parts("1"));
  await workspace.gitRepository("mono", mono.url);
  await workspace.create({
    apiVersion: apiVersions.ArtifactGenerator,
    kind: "ArtifactGenerator",
    metadata: { name: "parts" },
    spec: {
      sources: [{ alias: "mono", kind: "GitRepository", name: "mono" }],
      artifacts: [
        { name: "web", copy: [{ from: "@mono/web/**", to: "@artifact/" }] },
        { name: "chart", copy: [{ from: "@mono/chart/**", to: "@artifact/part/" }] },
      ],
    },
  });
  // As long as its placeholder has no replica, Sluice applies.
  await workspace.kustomization("web", { sourceRef: { kind: "ExternalArtifact", name: "web" } });
  await workspace.untilReady("Kustomization", "web", patience);
  await handOver();
}, 900_000);

afterAll(async () => {
  await Promise.all(running.map((controller) => controller.stop()));
  await charts?.stop();
  await elsewhere?.close();
  await workspace?.close();
  await sluice?.stop();
  await s3?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** A repository with manifests and a chart. */
function parts(version: string): Record<string, string> {
  return {
    "web/config.yaml": configMap("web", { version }),
    "chart/Chart.yaml": "apiVersion: v2\nname: part\nversion: 1.0.0\n",
    "chart/values.yaml": `version: "${version}"\n`,
    "chart/templates/map.yaml":
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: part}\ndata: {version: {{ .Values.version | quote }}}\n",
  };
}

/** What a team does that keeps Flux's kustomize-controller and helm-controller, and lets Sluice take the place of source-controller. */
async function handOver(): Promise<void> {
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    namespace: "flux-system",
    name: "kustomize-controller",
  };
  await patchObject(workspace.client, deployment, { merge: { spec: { replicas: 1 } } }, { fieldManager: "kubectl" });
  ahead += moment;
  type Placeholder = { spec: { template: { spec: { containers: { args: string[] }[] } } } };
  const { spec } = await getObject<Placeholder>(workspace.client, deployment);
  const own = spec.template.spec.containers[0]?.args.filter((arg) => !/^--(events-addr|enable-leader)/.test(arg)) ?? [];
  expect(own).toContain("--feature-gates=ExternalArtifact=true");
  const start = async (name: FluxController, args: string[]) => {
    const place = join(directory, `${name}-${running.length}-${uniqueName("run")}`);
    running.push(await startController(name, sluice, { directory: place, args }));
  };
  const [all, some] = [
    "--watch-label-selector=!sharding.fluxcd.io/key",
    "--watch-label-selector=sharding.fluxcd.io/key",
  ];
  const without = own.filter((arg) => !arg.startsWith("--feature-gates"));
  for (const name of ["kustomize-controller", "helm-controller"] as const)
    await Promise.all([start(name, [...own, all]), start(name, [...without, some])]);
}

function statusOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { ca: sluice.certificateAuthority, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).once("error", reject);
  });
}

function helmRelease(name: string, spec: Record<string, unknown>, labels: Record<string, string> = {}) {
  return workspace.create({
    apiVersion: apiVersions.HelmRelease,
    kind: "HelmRelease",
    metadata: { name, labels },
    spec: { interval: "1h", ...spec },
  });
}

const dataOf = async (name: string) => (await workspace.find("ConfigMap", name))?.data;
const untilData = (name: string, wanted: Record<string, string>) =>
  workspace.until("ConfigMap", name, ({ data }) => isDeepStrictEqual(data, wanted), patience);
const revisionOf = ({ status }: Reconciled) => status?.artifact?.revision ?? "";
const keyOf = (url = "") => new URL(url).pathname.replace(/^\/artifacts\/[^/]+\//, "");

describe.concurrent("Flux's own controllers, as they are released, beside a Sluice in the place of source-controller", {
  timeout: 240_000,
}, () => {
  it("SN-001, ART-003, ART-015: kustomize-controller applies an artifact of last week by its address, and an outsider gets 403", async () => {
    const repository = await workspace.repository({ "app/config.yaml": configMap("aged", { version: "1" }) });
    await workspace.gitRepository("aged", repository.url);
    const first = (await workspace.untilReady("GitRepository", "aged")).status?.artifact;
    ahead += moment;
    await repository.commit({ "app/config.yaml": configMap("aged", { version: "2" }) });
    const look = async () => {
      const requestedAt = await workspace.reconcile("GitRepository", "aged");
      return workspace.until("GitRepository", "aged", ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    };
    const { artifact } = (await look()).status ?? {};
    ahead += week;
    expect((await look()).status?.artifact).toEqual(artifact);
    const stored = await artifacts.list(`bed/gitrepository/${workspace.namespace}/aged/`);
    expect(stored.map(({ key }) => key)).toEqual([keyOf(artifact?.url)]);
    expect(ahead + Date.now() - (stored[0]?.modified.getTime() ?? 0)).toBeGreaterThan(week);

    await workspace.kustomization("aged", { path: "./app", sourceRef: { kind: "GitRepository", name: "aged" } });
    const { status } = await workspace.untilReady("Kustomization", "aged", patience);
    expect(status?.lastAppliedRevision).toBe(artifact?.revision);
    expect(await dataOf("aged")).toEqual({ version: "2" });
    const links = s3.requests.filter(
      (request) => request.includes(keyOf(artifact?.url)) && /X-Amz-Expires=300&/.test(request),
    );
    expect(links.length).toBeGreaterThan(0);
    for (const resource of ["configmaps", "kustomizations"]) {
      const users = (await writersOf(workspace, resource, "aged")).map(({ user }) => user);
      expect([resource, ...new Set(users)]).toEqual([
        resource,
        "system:serviceaccount:flux-system:kustomize-controller",
      ]);
    }

    const url = artifact?.url ?? "";
    const [token = "", another = ""] = [url, first?.url ?? ""].map((one) => one.split("/artifacts/")[1]?.split("/")[0]);
    expect(await statusOf(url)).toBe(302);
    expect(await statusOf(first?.url ?? "")).toBe(404);
    const outside = [another, token.slice(1), "", "x"].map((guess) => url.replace(token, guess));
    for (const guessed of [...outside, url.replace(`${token}/`, ""), url.replace(/[^/]+$/, "none.tar.gz")])
      expect([guessed, await statusOf(guessed)]).toEqual([guessed, 403]);
  });

  it("EA-002: both take an ExternalArtifact with the gate that the placeholder has, say what is missing without it, and follow its revisions", async () => {
    const sourceRef = { kind: "ExternalArtifact", name: "chart" };
    await helmRelease("part", { chartRef: sourceRef });
    await helmRelease("gateless", { chartRef: sourceRef }, gateless);
    await workspace.create({
      apiVersion: apiVersions.Kustomization,
      kind: "Kustomization",
      metadata: { name: "gateless", labels: gateless },
      spec: { interval: "1h", prune: true, sourceRef },
    });
    const message = `can't access 'ExternalArtifact/${workspace.namespace}/chart', ExternalArtifact feature gate is disabled`;
    for (const kind of ["Kustomization", "HelmRelease"] as const) {
      const { status } = await workspace.until(
        kind,
        "gateless",
        (one) => conditionOf(one.status, "Stalled") !== undefined,
      );
      for (const type of ["Stalled", "Ready"])
        expect(conditionOf(status, type)).toMatchObject({ reason: "AccessDenied", message });
    }
    await workspace.untilReady("HelmRelease", "part", patience);
    expect(await dataOf("part")).toEqual({ version: "1" });

    const began = new Date().toISOString();
    await mono.commit(parts("2"));
    await workspace.reconcile("GitRepository", "mono");
    for (const name of ["web", "part"]) await untilData(name, { version: "2" });
    const offered = async (name: string) =>
      (await workspace.find("ExternalArtifact", name))?.status?.artifact?.revision;
    const [web, chart] = [await offered("web"), await offered("chart")];
    await workspace.until("Kustomization", "web", ({ status }) => status?.lastAppliedRevision === web);
    const released = await workspace.untilReady("HelmRelease", "part", patience);
    // CF-010: what a revision with a digest is to helm-controller.
    const digest = chart?.split("sha256:")[1]?.slice(0, 12);
    expect(conditionOf(released.status, "Ready")?.message).toContain(`with chart part@1.0.0+${digest}`);
    // Sluice, which applied the first revision, has nothing to do with the second one.
    const agents = async (resource: string, of: (at: string) => boolean) =>
      new Set((await writersOf(workspace, resource, "web")).flatMap(({ at, agent }) => (of(at) ? [agent] : [])));
    expect(await agents("configmaps", (at) => at < began)).toContain("sluice");
    for (const resource of ["configmaps", "kustomizations"])
      expect(await agents(resource, (at) => at >= began)).toEqual(new Set(["kustomize-controller"]));
  });

  it("HC-061: helm-controller makes a HelmChart beside its source, installs what Sluice builds of it, and its deletion takes both away", async () => {
    const { namespace } = workspace;
    const name = `${namespace}-released`;
    await elsewhere.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "ca" },
      stringData: { "ca.crt": charts.certificateAuthority },
    } as Parameters<Workspace["create"]>[0]);
    await elsewhere.create({
      apiVersion: apiVersions.HelmRepository,
      kind: "HelmRepository",
      metadata: { name: "charts" },
      spec: { url: charts.url, interval: "1h", certSecretRef: { name: "ca" } },
    });
    const sourceRef = { kind: "HelmRepository", name: "charts", namespace: elsewhere.namespace };
    await helmRelease("released", { chart: { spec: { chart: "app", version: "1.x", sourceRef } } });
    const chart = await elsewhere.untilReady("HelmChart", name, patience);
    expect(chart.metadata.labels).toMatchObject({
      "helm.toolkit.fluxcd.io/name": "released",
      "helm.toolkit.fluxcd.io/namespace": namespace,
    });
    expect(revisionOf(chart)).toBe("1.0.0");
    const installed = await workspace.untilReady("HelmRelease", "released", patience);
    expect(conditionOf(installed.status, "Ready")?.message).toBe(
      `Helm install succeeded for release ${namespace}/released.v1 with chart app@1.0.0`,
    );
    expect(await dataOf("released")).toEqual({ message: "hello" });
    await charts.publish("app", "1.1.0", { "values.yaml": "message: again\n" });
    await elsewhere.reconcile("HelmRepository", "charts");
    await untilData("released", { message: "again" });

    const stored = () => artifacts.list(`bed/helmchart/${elsewhere.namespace}/`);
    expect((await stored()).map(({ key }) => key)).toContain(
      `bed/helmchart/${elsewhere.namespace}/${name}/app-1.1.0.tgz`,
    );
    const path = `/apis/${apiVersions.HelmRelease}/namespaces/${namespace}/helmreleases/released`;
    await workspace.client.request({ method: "DELETE", path });
    await elsewhere.untilGone("HelmChart", name, patience);
    await workspace.untilGone("HelmRelease", "released", patience);
    expect(await dataOf("released")).toBeUndefined();
    expect(await stored()).toEqual([]);
  });

  it("OCI-026: helm-controller installs a chart that an OCIRepository copies as it was pushed", async () => {
    const { address } = await bedPart("registry");
    const repository = uniqueName("charts");
    await helm("push", join(charts.directory, "app-1.0.0.tgz"), `oci://${address}/${repository}`, "--plain-http");
    await workspace.create({
      apiVersion: apiVersions.OCIRepository,
      kind: "OCIRepository",
      metadata: { name: "pushed" },
      spec: {
        ...{ url: `oci://${address}/${repository}/app`, interval: "1h", insecure: true, ref: { tag: "1.0.0" } },
        layerSelector: { mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", operation: "copy" },
      },
    });
    await helmRelease("pushed", { chartRef: { kind: "OCIRepository", name: "pushed" }, values: { message: "pulled" } });
    const { status } = await workspace.untilReady("HelmRelease", "pushed", patience);
    const source = await workspace.untilReady("OCIRepository", "pushed");
    const digest = revisionOf(source).split("sha256:")[1]?.slice(0, 12);
    expect(conditionOf(status, "Ready")?.message).toBe(
      `Helm install succeeded for release ${workspace.namespace}/pushed.v1 with chart app@1.0.0+${digest}`,
    );
    expect(await dataOf("pushed")).toEqual({ message: "pulled" });
    const pushed = await readFile(join(charts.directory, "app-1.0.0.tgz"));
    expect(Buffer.from((await artifacts.get(keyOf(source.status?.artifact?.url))) ?? []).equals(pushed)).toBe(true);
  });
});
