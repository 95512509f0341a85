import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../../test/bed/bed.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { applyObject, patchObject, referenceTo } from "../../cluster/objects.ts";
import { listScheduled } from "../../engine/schedule.ts";
import { kustomizeBinary } from "../../kustomize/binary.ts";
import type { KubernetesObject } from "../object.ts";
import { schedule } from "../schema/column.ts";

let client: ClusterClient;
let namespace: string;
let kubeconfigPath: string;

/** One object of each kind, as a reconciler would have left it. */
beforeAll(async () => {
  const installed = await installedCluster();
  client = installed.client;
  kubeconfigPath = installed.cluster.kubeconfigPath;
  namespace = await uniqueNamespace("kubectl");
  const source = { kind: "GitRepository", name: "app" };
  const objects: [apiVersion: string, kind: string, spec: Record<string, unknown>][] = [
    ["source.toolkit.fluxcd.io/v1", "GitRepository", { url: "https://example.com/app.git", interval: "1m" }],
    [
      "kustomize.toolkit.fluxcd.io/v1",
      "Kustomization",
      { interval: "10m", retryInterval: "2m", prune: true, sourceRef: source, suspend: true },
    ],
    ["notification.toolkit.fluxcd.io/v1beta3", "Alert", { providerRef: { name: "app" }, eventSources: [source] }],
    ["notification.toolkit.fluxcd.io/v1beta3", "Provider", { type: "slack" }],
    [
      "notification.toolkit.fluxcd.io/v1",
      "Receiver",
      { type: "github", secretRef: { name: "t" }, resources: [source] },
    ],
  ];
  for (const [apiVersion, kind, spec] of objects) {
    const annotations = { "reconcile.fluxcd.io/requestedAt": "2026-01-02T03:04:05Z" };
    const object: KubernetesObject = { apiVersion, kind, metadata: { name: "app", namespace, annotations }, spec };
    await applyObject(client, object, { fieldManager: "test" });
    if (kind === "Alert" || kind === "Provider") continue;
    const at = { lastTransitionTime: "2026-01-02T03:04:05Z", observedGeneration: 1 };
    const conditions = [
      { ...at, type: "Ready", status: "False", reason: "Failed", message: `the ${kind} failed` },
      { ...at, type: "Stalled", status: "True", reason: "Failed", message: "for good" },
    ];
    const status = { observedGeneration: 1, conditions, lastHandledReconcileAt: "2026-01-01T00:00:00Z" };
    const options = { fieldManager: "test", subresource: "status" };
    await patchObject(client, referenceTo(object), { merge: { status } }, options);
  }
});

async function kubectl(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const home = { HOME: "/nonexistent", KUBECACHEDIR: "/nonexistent" };
  return promisify(execFile)(await kustomizeBinary(), [`--kubeconfig=${kubeconfigPath}`, ...args], { env: home });
}

/** The header of a table. kubectl writes columns with three spaces between them. */
async function columns(...args: string[]): Promise<string[]> {
  const { stdout } = await kubectl("get", ...args, "-n", namespace);
  return (stdout.split("\n")[0] ?? "").trim().split(/\s{2,}/);
}

const scheduled = schedule.map(({ name }) => name.toUpperCase());

describe("kubectl", () => {
  it("SRC-003: a GitRepository has Flux's columns", async () => {
    expect(await columns("gitrepo")).toEqual(["NAME", "URL", "AGE", "READY", "STATUS"]);
    const { stdout } = await kubectl("get", "gitrepositories", "-n", namespace);
    expect(stdout).toMatch(/app +https:\/\/example\.com\/app\.git +\S+ +False +the GitRepository failed/);
  });

  it("CLI-032: a Kustomization has Flux's columns", async () => {
    expect(await columns("ks")).toEqual(["NAME", "AGE", "READY", "STATUS"]);
    expect(await columns("receivers")).toEqual(["NAME", "AGE", "READY", "STATUS"]);
    expect(await columns("alerts")).toEqual(["NAME", "AGE"]);
    expect(await columns("providers")).toEqual(["NAME", "AGE"]);
  });

  it("CLI-032: -A prints both kinds, with the namespace before Flux's columns", async () => {
    const { stdout } = await kubectl("get", "gitrepo,ks", "-A");
    const lines = stdout.split("\n");
    const headers = lines.filter((line) => line.startsWith("NAMESPACE")).map((line) => line.trim().split(/\s{2,}/));
    expect(headers).toEqual([
      ["NAMESPACE", "NAME", "URL", "AGE", "READY", "STATUS"],
      ["NAMESPACE", "NAME", "AGE", "READY", "STATUS"],
    ]);
    for (const name of ["gitrepository.source.toolkit.fluxcd.io/app", "kustomization.kustomize.toolkit.fluxcd.io/app"])
      expect(lines.some((line) => line.startsWith(namespace) && line.includes(name))).toBe(true);
  });

  it("design, State: what the schedule reads shows in the wide form only", async () => {
    expect(await columns("gitrepo", "-o", "wide")).toEqual(["NAME", "URL", "AGE", "READY", "STATUS", ...scheduled]);
    expect(await columns("ks", "-o", "wide")).toEqual(["NAME", "AGE", "READY", "STATUS", ...scheduled, "RETRY"]);
  });

  it("SRC-001, BS-051: every kind has its categories", async () => {
    const names = async (category: string) =>
      (await kubectl("get", category, "-n", namespace, "-o", "name")).stdout.trim().split("\n").toSorted();
    const alert = "alert.notification.toolkit.fluxcd.io/app";
    const provider = "provider.notification.toolkit.fluxcd.io/app";
    const receiver = "receiver.notification.toolkit.fluxcd.io/app";
    const repository = "gitrepository.source.toolkit.fluxcd.io/app";
    const kustomization = "kustomization.kustomize.toolkit.fluxcd.io/app";
    expect(await names("fluxcd-sources")).toEqual([repository]);
    expect(await names("fluxcd-appliers")).toEqual([kustomization]);
    expect(await names("fluxcd-notifications")).toEqual([alert, provider, receiver]);
    expect(await names("fluxcd")).toEqual([alert, repository, kustomization, provider, receiver]);
    expect(await names("all")).toEqual(expect.arrayContaining([alert, repository, kustomization, provider, receiver]));
  });

  it("CV-002: writing an old version warns", async () => {
    const { stderr } = await kubectl("get", "kustomizations.v1beta2.kustomize.toolkit.fluxcd.io", "-n", namespace);
    expect(stderr).toContain("Warning: v1beta2 Kustomization is deprecated, upgrade to v1");
  });
});

const everywhere = { watchAllNamespaces: true, runtimeNamespace: "flux-system", watchLabelSelector: "" };

describe("the schedule", () => {
  it("design, State: reads what it needs from the columns alone", async () => {
    const paths: string[] = [];
    const watched: ClusterClient = {
      request: (request) => {
        paths.push(`${request.path} ${request.accept} ${request.query?.includeObject}`);
        return client.request(request);
      },
      as: (user) => client.as(user),
    };
    const found = (await listScheduled(watched, "Kustomization", everywhere)).find(
      (object) => object.namespace === namespace,
    );
    expect(found).toMatchObject({
      namespace,
      name: "app",
      generation: 1,
      observedGeneration: 1,
      interval: 600_000,
      retryInterval: 120_000,
      ready: false,
      stalled: true,
      suspended: true,
      deleting: false,
      requestedAt: "2026-01-02T03:04:05Z",
      handledAt: "2026-01-01T00:00:00Z",
    });
    expect(found?.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(paths).toEqual([
      "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations application/json;as=Table;g=meta.k8s.io;v=v1 None",
    ]);
  });

  it("design, State: an object that is being deleted, and one that nobody looked at, are told apart", async () => {
    const spec = { url: "https://example.com/b.git", interval: "1m30s" };
    const metadata = { name: "going", namespace, finalizers: ["finalizers.fluxcd.io"] };
    const going = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository", metadata, spec };
    await applyObject(client, going, { fieldManager: "test" });
    const read = async () =>
      (await listScheduled(client, "GitRepository", everywhere)).find(({ name }) => name === "going");
    expect(await read()).toMatchObject({
      observedGeneration: -1,
      interval: 90_000,
      ready: false,
      stalled: false,
      suspended: false,
      deleting: false,
    });
    const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${namespace}/gitrepositories/going`;
    await client.request({ method: "DELETE", path });
    expect(await read()).toMatchObject({ deleting: true });
    const none = { merge: { metadata: { finalizers: [] } } };
    await patchObject(client, referenceTo(going), none, { fieldManager: "test" });
  });

  it("RC-008: a Receiver has an interval and no retry of its own", async () => {
    const found = (await listScheduled(client, "Receiver", everywhere)).find(
      (object) => object.namespace === namespace,
    );
    expect(found).toMatchObject({ interval: 600_000, retryInterval: 600_000, stalled: true });
  });
});
