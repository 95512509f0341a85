import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uniqueName, uniqueNamespace } from "../../test/bed/bed.ts";
import { installedCluster } from "../../test/bed/installed.ts";
import { openTestPlatform, type TestPlatform } from "../../test/bed/local-platform.ts";
import { admissionWebhook } from "../api/install/admission-webhook.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { applyObject, createObject, deleteObject, patchObject } from "../cluster/objects.ts";
import { admissionToken } from "../engine/admission.ts";
import { parseWorkItem, type WorkItem } from "../engine/work-item.ts";
import { hostCertificate } from "../host/certificate.ts";
import { type Listener, startListener } from "../platform/local/listener.ts";
import { createFront, type Front } from "./front.ts";

const owner = { "kustomize.toolkit.fluxcd.io/name": "web", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" };

let client: ClusterClient;
let test: TestPlatform;
let front: Front;
let listener: Listener;
let namespace: string;
let webhook: KubernetesObject;
let directory: string;
const woken: WorkItem[] = [];

/** The real API server calls the front over TLS, as it would on a host; only changes in one namespace make it call. */
beforeAll(async () => {
  const installed = await installedCluster();
  client = installed.client;
  namespace = await uniqueNamespace("admission");
  test = await openTestPlatform("home", installed.cluster);
  for (const queue of ["source", "apply"] as const)
    test.platform.consume(queue, async (body) => void woken.push(parseWorkItem(body)), { concurrency: 1 });
  front = createFront(test.platform, { connect: async () => client });
  directory = await mkdtemp(join(tmpdir(), "sluice-tls-"));
  const certificate = await hostCertificate(directory, ["127.0.0.1"]);
  listener = await startListener({
    address: "127.0.0.1",
    port: 0,
    certificate,
    handle: (request) => front.fetch(request),
  });
  const built = admissionWebhook({
    clusterId: "home",
    endpoint: listener.url,
    token: admissionToken(test.admissionSeed, "home"),
    caBundle: Buffer.from(certificate.authority).toString("base64"),
  });
  const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": namespace } };
  const webhooks = (Array.isArray(built.webhooks) ? built.webhooks : []).map((one: object) => ({
    ...one,
    namespaceSelector,
  }));
  webhook = await createObject(client, { ...built, metadata: { name: uniqueName("admission") }, webhooks });
  for (const giveUp = Date.now() + 20_000; woken.length === 0 && Date.now() < giveUp; await sleep(50))
    await createObject(client, configMap(uniqueName("probe"), owner));
});

afterAll(async () => {
  await deleteObject(client, { ...webhook, name: webhook.metadata.name });
  await listener.close();
  await test.close();
  await rm(directory, { recursive: true, force: true });
});

function configMap(
  name: string,
  labels: Record<string, string> = {},
  data: Record<string, string> = {},
): KubernetesObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name, labels }, data };
}

const reference = (kind: string, apiVersion: string, name: string) => ({ apiVersion, kind, namespace, name });
const flux = "kustomize.toolkit.fluxcd.io/v1";

/** What came since the last call, once something came. */
async function causes(filter: (item: WorkItem) => boolean): Promise<WorkItem["cause"][]> {
  await expect.poll(() => woken.some(filter)).toBe(true);
  return woken
    .splice(0)
    .filter(filter)
    .map(({ cause }) => cause);
}

describe("a change in a real cluster", () => {
  it("design decision 5: wakes an object of Sluice's kinds when it is made, asked for and deleted", async () => {
    const isIt = ({ kind, name, namespace: of }: WorkItem) =>
      kind === "Kustomization" && name === "app" && of === namespace;
    const made = await createObject(client, {
      apiVersion: flux,
      kind: "Kustomization",
      metadata: { namespace, name: "app" },
      spec: { interval: "1h", prune: true, path: "./", sourceRef: { kind: "GitRepository", name: "x" } },
    });
    const uid = made.metadata.uid;
    expect(await causes(isIt)).toEqual([{ type: "admission", uid, generation: 1 }]);
    const self = reference("Kustomization", flux, "app");
    const annotations = { "reconcile.fluxcd.io/requestedAt": "2026-01-01T00:00:00Z" };
    await patchObject(client, self, { merge: { metadata: { annotations } } }, { fieldManager: "flux" });
    expect(await causes(isIt)).toEqual([{ type: "admission", uid, requestedAt: "2026-01-01T00:00:00Z" }]);
    await patchObject(client, self, { merge: { spec: { path: "./other" } } }, { fieldManager: "kubectl-edit" });
    expect(await causes(isIt)).toEqual([{ type: "admission", uid, generation: 2 }]);
    const status = { merge: { status: { observedGeneration: 2 } } };
    await patchObject(client, self, status, { fieldManager: "kubectl-edit", subresource: "status" });
    await patchObject(
      client,
      self,
      { merge: { spec: { path: "./own" } } },
      { fieldManager: "gotk-kustomize-controller" },
    );
    await deleteObject(client, self);
    expect(await causes(isIt)).toEqual([{ type: "admission", uid, deleted: true }]);
  });

  it("design decision 5: wakes the owner of what somebody else edits, and names the person", async () => {
    const isOwner = ({ kind, name }: WorkItem) => kind === "Kustomization" && name === "web";
    await applyObject(client, configMap("managed", owner, { a: "1" }), { fieldManager: "kustomize-controller" });
    const self = reference("ConfigMap", "v1", "managed");
    await patchObject(client, self, { merge: { data: { a: "2" } } }, { fieldManager: "kubectl-edit" });
    const [edit, ...none] = await causes(isOwner);
    expect(none).toEqual([]);
    expect(edit).toMatchObject({
      type: "drift",
      object: `ConfigMap/${namespace}/managed`,
      by: expect.stringMatching(/./),
    });
    const off = Object.fromEntries(Object.keys(owner).map((label) => [label, null]));
    await patchObject(client, self, { merge: { metadata: { labels: off } } }, { fieldManager: "kubectl-edit" });
    expect(await causes(isOwner)).toHaveLength(1);
    await patchObject(client, self, { merge: { data: { a: "3" } } }, { fieldManager: "kubectl-edit" });
    await createObject(client, configMap("last", owner));
    expect(await causes(isOwner)).toMatchObject([{ object: `ConfigMap/${namespace}/last` }]);
  });
});

describe("a call to the front", () => {
  const token = () => admissionToken(test.admissionSeed, "home");
  const review = (request: object = {}) =>
    JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: { uid: "u", ...request } });
  const post = (path: string, body: string) =>
    front.fetch(new Request(`https://sluice.test${path}`, { method: "POST", body }));

  it("design decision 5: is always allowed, whatever it asks for", async () => {
    const response = await post(`/admission/home/${token()}`, review({ operation: "DELETE" }));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      response: { uid: "u", allowed: true },
    });
  });

  it("TM-002: is 404 without the cluster's own token", async () => {
    const away = admissionToken(test.admissionSeed, "away");
    const answers = await Promise.all(
      [`/admission/home/${away}`, "/admission/home/x", `/admission/away/${token()}`, "/admission/home/"].map((path) =>
        post(path, review()),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
  });

  it("TM-003: is refused when it is no review, too long or too deep", async () => {
    const path = `/admission/home/${token()}`;
    expect((await post(path, "no")).status).toBe(400);
    expect((await post(path, `${'{"a":'.repeat(1000)}1${"}".repeat(1000)}`)).status).toBe(400);
    expect((await post(path, review({ object: { data: "x".repeat(6 * 1024 * 1024) } }))).status).toBe(413);
  });

  it("says whether it is ready, and nothing else to a stranger", async () => {
    const asked = async (path: string, method = "GET") =>
      (await front.fetch(new Request(`https://sluice.test${path}`, { method }))).status;
    expect(await asked("/healthz")).toBe(200);
    expect(await asked("/")).toBe(404);
    expect(await asked("/artifacts/home/gitrepository/a/b/c.tar.gz", "DELETE")).toBe(404);
    const starting = createFront(test.platform, { connect: async () => client, ready: () => false });
    expect((await starting.fetch(new Request("https://sluice.test/healthz"))).status).toBe(503);
  });
});
