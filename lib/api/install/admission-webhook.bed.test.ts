import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type AdmissionListener, startAdmissionListener } from "../../../test/bed/admission-listener.ts";
import { uniqueName, uniqueNamespace } from "../../../test/bed/bed.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { applyObject, createObject, deleteObject, getObject, patchObject, referenceTo } from "../../cluster/objects.ts";
import { kinds } from "../../engine/kinds.ts";
import type { Kind } from "../../engine/work-item.ts";
import type { KubernetesObject } from "../object.ts";
import { definitions } from "../schema/kinds.ts";
import { admissionWebhook } from "./admission-webhook.ts";

let client: ClusterClient;
let namespace: string;
let listener: AdmissionListener;
let registered: KubernetesObject;

/** Registers the real webhook under another name, for the namespace of this test alone. */
beforeAll(async () => {
  client = (await installedCluster()).client;
  namespace = await uniqueNamespace("admission");
  listener = await startAdmissionListener();
  const webhook = admissionWebhook({
    clusterId: "bed",
    endpoint: listener.url,
    token: "secret",
    caBundle: Buffer.from(listener.certificateAuthority).toString("base64"),
  });
  const selector = { matchLabels: { "kubernetes.io/metadata.name": namespace } };
  registered = await applyObject(
    client,
    {
      ...webhook,
      metadata: { name: uniqueName("admission") },
      webhooks: (webhook.webhooks as object[]).map((each) => ({ ...each, namespaceSelector: selector })),
    },
    { fieldManager: "test" },
  );
  // A configuration takes a moment until the API server acts on it.
  await vi.waitFor(
    async () => {
      await applyObject(client, kustomization(uniqueName("probe")), { fieldManager: "kubectl" });
      if (listener.calls.length === 0) throw new Error("the API server does not call yet");
    },
    { timeout: 20_000, interval: 100 },
  );
  listener.calls.length = 0;
});

afterAll(async () => {
  if (registered !== undefined) await deleteObject(client, referenceTo(registered));
  await listener?.close();
});

function kustomization(name: string, spec: Record<string, unknown> = {}, version = "v1"): KubernetesObject {
  const sourceRef = { kind: "GitRepository", name: "app" };
  return {
    apiVersion: `kustomize.toolkit.fluxcd.io/${version}`,
    kind: "Kustomization",
    metadata: { name, namespace },
    spec: { interval: "10m", prune: true, sourceRef, ...spec },
  };
}

const owner = { "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" };

function configMap(name: string, data: Record<string, string> = {}, labels: Record<string, string> = owner) {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, labels }, data };
}

/** The least that each kind asks for. */
const specs: Record<Kind, unknown> = {
  ArtifactGenerator: {
    sources: [{ alias: "a", kind: "GitRepository", name: "a" }],
    artifacts: [{ name: "a", copy: [{ from: "@a/**", to: "@artifact/" }] }],
  },
  Bucket: { bucketName: "a", endpoint: "s3.example.com", interval: "1m" },
  ExternalArtifact: {},
  GitRepository: { url: "https://a/b", interval: "1m" },
  HelmChart: { chart: "a", interval: "1m", sourceRef: { kind: "HelmRepository", name: "a" } },
  HelmRepository: { url: "https://a/b" },
  Kustomization: kustomization("own").spec,
  OCIRepository: { url: "oci://a/b", interval: "1m" },
  Receiver: { type: "github", secretRef: { name: "a" }, resources: [{ kind: "GitRepository", name: "a" }] },
};

/**
 * The calls that something made, in order: an admission call is over before the write that it is about. The API server admits anew
 * what it tries anew, as when its cache was behind, so that one write may be asked of more than once.
 */
async function callsOf(write: () => Promise<unknown>): Promise<string[]> {
  listener.calls.length = 0;
  await write();
  const calls = listener.calls.map(({ operation, kind, name }) => `${operation} ${kind} ${name}`);
  return calls.filter((call, index) => call !== calls[index - 1]);
}

describe("the admission webhook on Sluice's kinds", () => {
  it("BS-047: creating, changing, annotating and deleting one calls its cluster's own address", async () => {
    const object = kustomization("changes");
    const apply = (changed: KubernetesObject) => applyObject(client, changed, { fieldManager: "kubectl" });
    expect(await callsOf(() => apply(object))).toEqual(["CREATE Kustomization changes"]);
    expect(listener.calls[0]?.path).toBe("/admission/bed/secret?timeout=2s");
    expect(await callsOf(() => apply(kustomization("changes", { path: "./a" })))).toEqual([
      "UPDATE Kustomization changes",
    ]);
    expect(listener.calls[0]?.generation).toBe(2);
    const annotate = { merge: { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": "now" } } } };
    expect(await callsOf(() => patchObject(client, referenceTo(object), annotate, { fieldManager: "flux" }))).toEqual([
      "UPDATE Kustomization changes",
    ]);
    expect(await callsOf(() => deleteObject(client, referenceTo(object)))).toEqual(["DELETE Kustomization changes"]);
  });

  it("KS-240: a write in an old version is told in the newest", async () => {
    const write = () => applyObject(client, kustomization("old", {}, "v1beta2"), { fieldManager: "kubectl" });
    expect(await callsOf(write)).toEqual(["CREATE Kustomization old"]);
    expect(listener.calls[0]?.apiVersion).toBe("kustomize.toolkit.fluxcd.io/v1");
  });

  it("BS-047: a dry run does not call", async () => {
    const dry = () => applyObject(client, kustomization("dry"), { fieldManager: "kubectl", dryRun: true });
    expect(await callsOf(dry)).toEqual([]);
  });

  it("status writes do not call", async () => {
    const object = await applyObject(client, kustomization("status"), { fieldManager: "kubectl" });
    const patch = { merge: { status: { observedGeneration: 1 } } };
    const write = () =>
      patchObject(client, referenceTo(object), patch, { fieldManager: "kubectl", subresource: "status" });
    expect(await callsOf(write)).toEqual([]);
  });

  const installed = Object.values(kinds).filter(({ kind }) =>
    definitions.some((definition) => definition.kind === kind),
  );
  it.each(installed)("KS-004, SRC-031: $fieldManager does not call for its own $kind", async (kind) => {
    const spec = specs[kind.kind];
    const object = { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { name: "own", namespace }, spec };
    expect(await callsOf(() => createObject(client, object))).toEqual([`CREATE ${kind.kind} own`]);
    const patch = { merge: { metadata: { finalizers: ["finalizers.fluxcd.io"] } } };
    const finalizer = () => patchObject(client, referenceTo(object), patch, { fieldManager: kind.fieldManager });
    expect(await callsOf(finalizer)).toEqual([]);
    const none = { merge: { metadata: { finalizers: [] } } };
    expect(await callsOf(() => patchObject(client, referenceTo(object), none, { fieldManager: "kubectl" }))).toEqual([
      `UPDATE ${kind.kind} own`,
    ]);
  });

  it("what a Kustomization applies of them does not call: the pass wakes it", async () => {
    const child = () => applyObject(client, kustomization("child"), { fieldManager: "kustomize-controller" });
    expect(await callsOf(child)).toEqual([]);
  });

  it("MG-061: a Flux controller in the cluster is somebody else, whatever its field manager", async () => {
    const controller = client.as("system:serviceaccount:flux-system:kustomize-controller");
    const child = kustomization("mixed");
    const options = { fieldManager: "kustomize-controller" };
    expect(await callsOf(() => applyObject(controller, child, options))).toEqual(["CREATE Kustomization mixed"]);
    const annotate = (value: string) => ({
      merge: { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": value } } },
    });
    const receiver = client.as("system:serviceaccount:flux-system:notification-controller");
    const ask = (by: ClusterClient, value: string) =>
      patchObject(by, referenceTo(child), annotate(value), { fieldManager: "notification-controller" });
    expect(await callsOf(() => ask(receiver, "now"))).toEqual(["UPDATE Kustomization mixed"]);
    expect(await callsOf(() => ask(client, "later"))).toEqual([]);
  });

  it("kinds without a status do not call", async () => {
    const spec = { type: "slack" };
    const metadata = { name: "chat", namespace };
    const provider = { apiVersion: "notification.toolkit.fluxcd.io/v1beta3", kind: "Provider", metadata, spec };
    expect(await callsOf(() => createObject(client, provider))).toEqual([]);
  });
});

describe("the admission webhook on managed objects", () => {
  it("SN-14: an edit and a deletion by somebody call, the passes themselves do not", async () => {
    const own = { fieldManager: "kustomize-controller", force: true };
    expect(await callsOf(() => applyObject(client, configMap("a", { x: "1" }), own))).toEqual([]);
    const edit = () =>
      patchObject(
        client,
        referenceTo(configMap("a")),
        { merge: { data: { x: "2" } } },
        { fieldManager: "kubectl-edit" },
      );
    expect(await callsOf(edit)).toEqual(["UPDATE ConfigMap a"]);
    expect(await callsOf(() => applyObject(client, configMap("a", { x: "1" }), own))).toEqual([]);
    expect(await callsOf(() => deleteObject(client, referenceTo(configMap("a"))))).toEqual(["DELETE ConfigMap a"]);
  });

  it("SN-14: an object of Sluice's kinds that is managed too calls once", async () => {
    const child = kustomization("managed");
    const labelled = { ...child, metadata: { ...child.metadata, labels: owner } };
    await applyObject(client, labelled, { fieldManager: "kustomize-controller" });
    const suspend = { merge: { spec: { suspend: true } } };
    const edit = () => patchObject(client, referenceTo(child), suspend, { fieldManager: "kubectl-edit" });
    expect(await callsOf(edit)).toEqual(["UPDATE Kustomization managed"]);
  });

  it("SN-14: a deletion that names the uid is the prune's own", async () => {
    const { metadata } = await applyObject(client, configMap("pruned"), { fieldManager: "kustomize-controller" });
    const prune = () => deleteObject(client, referenceTo(configMap("pruned")), { uid: metadata.uid });
    expect(await callsOf(prune)).toEqual([]);
  });

  it("SN-14: taking the owner label off still calls", async () => {
    await applyObject(client, configMap("b"), { fieldManager: "kustomize-controller" });
    const without = { merge: { metadata: { labels: { "kustomize.toolkit.fluxcd.io/name": null } } } };
    const take = () => patchObject(client, referenceTo(configMap("b")), without, { fieldManager: "kubectl-label" });
    expect(await callsOf(take)).toEqual(["UPDATE ConfigMap b"]);
    const again = () =>
      patchObject(
        client,
        referenceTo(configMap("b")),
        { merge: { data: { x: "1" } } },
        { fieldManager: "kubectl-edit" },
      );
    expect(await callsOf(again)).toEqual([]);
  });

  it("SV-03: what nobody manages, dry runs and status writes do not call", async () => {
    expect(await callsOf(() => createObject(client, configMap("free", {}, {})))).toEqual([]);
    const dry = { fieldManager: "kubectl", dryRun: true };
    expect(await callsOf(() => applyObject(client, configMap("c"), dry))).toEqual([]);
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace, labels: owner },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web" }] } },
      },
    };
    await applyObject(client, deployment, { fieldManager: "kustomize-controller" });
    const status = { merge: { status: { observedGeneration: 1 } } };
    const write = () =>
      patchObject(client, referenceTo(deployment), status, { fieldManager: "kubelet", subresource: "status" });
    expect(await callsOf(write)).toEqual([]);
  });

  it("SV-03: what Kubernetes makes with copied labels does not call", async () => {
    const metadata = { name: "copied", namespace, labels: owner };
    const now = new Date().toISOString();
    const reference = { kind: "ConfigMap", namespace, name: "a" };
    const made: KubernetesObject[] = [
      { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata, addressType: "IPv4", endpoints: [] },
      { apiVersion: "v1", kind: "Endpoints", metadata, subsets: [] },
      { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec: { holderIdentity: "a" } },
      { apiVersion: "v1", kind: "Event", metadata, involvedObject: reference, firstTimestamp: now, reason: "A" },
    ];
    for (const object of made) expect(await callsOf(() => createObject(client, object))).toEqual([]);
  });

  it("SV-03: what Kubernetes' own controllers write does not call", async () => {
    await applyObject(client, configMap("d"), { fieldManager: "kustomize-controller" });
    const controller = client.as("system:serviceaccount:kube-system:generic-garbage-collector");
    const annotate = { merge: { metadata: { annotations: { a: "b" } } } };
    const write = (by: ClusterClient) =>
      patchObject(by, referenceTo(configMap("d")), annotate, { fieldManager: "kube-controller-manager" });
    expect(await callsOf(() => write(controller))).toEqual([]);
    expect((await getObject(client, referenceTo(configMap("d")))).metadata.annotations).toEqual({ a: "b" });
    const edit = { merge: { metadata: { annotations: { a: "c" } } } };
    const person = () => patchObject(client, referenceTo(configMap("d")), edit, { fieldManager: "kubectl-annotate" });
    expect(await callsOf(person)).toEqual(["UPDATE ConfigMap d"]);
  });
});
