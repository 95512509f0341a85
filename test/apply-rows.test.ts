import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import type { KubernetesObject } from "../lib/api/object.ts";
import { createObject, deleteObject, getObject, patchObject } from "../lib/cluster/objects.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { uniqueName } from "./bed/bed.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;
/** Names that no other test has, for what lives in the cluster. */
const group = `${uniqueName("g")}.example.org`;
const stuck = uniqueName("stuck");
const foreign = uniqueName("foreign");
const ignoreMark = { "kustomize.toolkit.fluxcd.io/ssa": "Ignore" };

const json = (object: object) => JSON.stringify(object);

function deployment(name: string, spec: Record<string, unknown> = {}, annotations?: Record<string, string>) {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: "app", image: "app:1" }] } };
  const metadata = { name, ...(annotations === undefined ? {} : { annotations }) };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: { replicas: 0, selector: { matchLabels: labels }, template, ...spec },
  };
}

function definition(kind: string, scope: "Cluster" | "Namespaced"): KubernetesObject {
  const plural = `${kind.toLowerCase()}s`;
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  const versions = [{ name: "v1", served: true, storage: true, schema }];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope, names: { kind, plural }, versions },
  };
}

const namespaceObject = (name: string, annotations?: Record<string, string>) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, ...(annotations === undefined ? {} : { annotations }) },
});

beforeAll(async () => {
  workspace = await openWorkspace("rows");
  const { client } = workspace;
  const metadata = { name: "held", namespace: stuck, finalizers: ["example.org/hold"] };
  await createObject(client, namespaceObject(stuck));
  await createObject(client, { apiVersion: "v1", kind: "ConfigMap", metadata });
  await deleteObject(client, { apiVersion: "v1", kind: "Namespace", name: stuck });
  repository = await workspace.repository({
    "stuck/namespace.yaml": json(namespaceObject(stuck)),
    "skipped/namespace.yaml": json(namespaceObject(foreign, ignoreMark)),
    "whole/all.yaml": [
      json({ apiVersion: `${group}/v1`, kind: "Widget", metadata: { name: "w", namespace: workspace.namespace } }),
      json({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: { name: foreign }, provisioner: "none" }),
      json({ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: foreign }, rules: [] }),
      json({ ...JSON.parse(configMap("inside", {})), metadata: { name: "inside", namespace: `${foreign}-new` } }),
      json(namespaceObject(`${foreign}-new`)),
      json(definition("Widget", "Namespaced")),
    ].join("\n---\n"),
    "cluster/all.yaml": [
      json(definition("Realm", "Cluster")),
      json({ apiVersion: `${group}/v1`, kind: "Realm", metadata: { name: "r" } }),
    ].join("\n---\n"),
    "partly/all.yaml": [json(definition("Part", "Namespaced")), json(deployment("bad", { replicas: -1 }))].join(
      "\n---\n",
    ),
    "unhealthy/all.yaml": [json(deployment("unhealthy", { replicas: 1 }, ignoreMark)), configMap("healthy", {})].join(
      "\n---\n",
    ),
    "scaled/app.yaml": json(deployment("scaled", { replicas: 1 })),
    "kept/a.yaml": configMap("kept-a", {}),
    "kept/b.yaml": configMap("kept-b", {}),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
  // These take a minute, in which the others are shown.
  await applyAsWritten("stuck");
  await applyAsWritten("skipped");
});

afterAll(async () => {
  const held = { apiVersion: "v1", kind: "ConfigMap", name: "held", namespace: stuck };
  const json = [{ op: "remove", path: "/metadata/finalizers" }] as const;
  if (workspace === undefined) return;
  await patchObject(workspace.client, held, { json }, { fieldManager: "test" });
  await workspace.close();
});

const apply = (name: string, spec: Partial<KustomizationSpec> = {}) =>
  workspace.kustomization(name, { path: `./${name}`, ...spec });

/** Without a targetNamespace, which would rename namespaces too. */
const applyAsWritten = (name: string) =>
  workspace.create({
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name },
    spec: {
      interval: "1h",
      retryInterval: "1h",
      prune: true,
      path: `./${name}`,
      sourceRef: { kind: "GitRepository", name: "source" },
    },
  });

const failed = (name: string, reason: string, seconds?: number): Promise<Reconciled> =>
  workspace.until("Kustomization", name, ({ status }) => conditionOf(status, "Ready")?.reason === reason, seconds);

const messageOf = ({ status }: Reconciled) => conditionOf(status, "Ready")?.message ?? "";
const messages = async (name: string) => (await workspace.events("Kustomization", name)).map(({ message }) => message);

describe("a Kustomization's apply", () => {
  it("KS-130: a definition, its object, a namespace and what is in it, a role and a class are ready in one pass", async () => {
    await applyAsWritten("whole");
    const { status } = await workspace.untilReady("Kustomization", "whole");
    const { namespace } = workspace;
    expect(status?.inventory?.entries.map(({ id }) => id)).toEqual([
      `_widgets.${group}_apiextensions.k8s.io_CustomResourceDefinition`,
      `_${foreign}-new__Namespace`,
      `_${foreign}_rbac.authorization.k8s.io_ClusterRole`,
      `_${foreign}_storage.k8s.io_StorageClass`,
      `${foreign}-new_inside__ConfigMap`,
      `${namespace}_w_${group}_Widget`,
    ]);
    // One event tells of all, and nothing failed before.
    expect((await messages("whole"))[0]?.split("\n")).toEqual([
      `CustomResourceDefinition/widgets.${group} created`,
      `Namespace/${foreign}-new created`,
      `ClusterRole/${foreign} created`,
      `StorageClass/${foreign} created`,
      `ConfigMap/${foreign}-new/inside created`,
      `Widget/${namespace}/w created`,
    ]);
    expect((await workspace.events("Kustomization", "whole")).map(({ type }) => type)).not.toContain("Warning");
  });

  it("KS-135: a cluster's object that targetNamespace gave a namespace is kept without it", async () => {
    await apply("cluster", { targetNamespace: workspace.namespace });
    const { status } = await workspace.untilReady("Kustomization", "cluster");
    expect(status?.inventory?.entries.map(({ id }) => id)).toEqual([
      `_realms.${group}_apiextensions.k8s.io_CustomResourceDefinition`,
      `_r_${group}_Realm`,
    ]);
    expect((await messages("cluster"))[0]).toContain("\nRealm/r created");
  });

  it("KS-137: a failure after a stage that succeeded says what it applied, in condition and event", async () => {
    await apply("partly", { retryInterval: "1h" });
    const said = messageOf(await failed("partly", "ReconciliationFailed"));
    expect(said).toMatch(
      new RegExp(
        `^Deployment/${workspace.namespace}/bad dry-run failed \\(Invalid\\): .*\\nCustomResourceDefinition/parts\\.${group} created\\n?$`,
        "s",
      ),
    );
    const event = (await workspace.events("Kustomization", "partly")).at(-1);
    expect(event).toMatchObject({ type: "Warning", reason: "ReconciliationFailed" });
    expect(event?.message.trimEnd()).toBe(said.trimEnd());
  });

  it("KS-147: what is skipped is in the inventory, told of nowhere, and not waited for", async () => {
    await workspace.create(deployment("unhealthy", { replicas: 1 }));
    await apply("unhealthy", { wait: true, timeout: "30s" });
    const { status } = await workspace.untilReady("Kustomization", "unhealthy");
    expect(status?.inventory?.entries.map(({ id }) => id)).toEqual([
      `${workspace.namespace}_healthy__ConfigMap`,
      `${workspace.namespace}_unhealthy_apps_Deployment`,
    ]);
    expect((await messages("unhealthy")).join("\n")).not.toContain("Deployment/");
  });

  it("KS-150, KS-151: replicas that are ignored stay as they were scaled, without a write and through one", async () => {
    const reference = { apiVersion: "apps/v1", kind: "Deployment", name: "scaled", namespace: workspace.namespace };
    const live = () => getObject<KubernetesObject & { spec: Record<string, unknown> }>(workspace.client, reference);
    const ignore = [{ paths: ["/spec/replicas"], target: { kind: "Deployment" } }];
    await apply("scaled", { ignore });
    await workspace.untilReady("Kustomization", "scaled");
    expect((await live()).spec.replicas).toBe(1);
    const by = { fieldManager: "kube-controller-manager", subresource: "scale" };
    await patchObject(workspace.client, reference, { merge: { spec: { replicas: 3 } } }, by);
    const before = await live();
    const at = await workspace.reconcile("Kustomization", "scaled");
    await workspace.until("Kustomization", "scaled", ({ status }) => status?.lastHandledReconcileAt === at);
    expect((await live()).metadata.generation).toBe(before.metadata.generation);
    expect((await messages("scaled")).join("\n")).not.toContain("configured");

    await repository.commit({ "scaled/app.yaml": json(deployment("scaled", { replicas: 1, minReadySeconds: 5 })) });
    await workspace.reconcile("GitRepository", "source");
    await workspace.until("Deployment", "scaled", ({ spec }) => spec.minReadySeconds === 5);
    expect((await live()).spec.replicas).toBe(3);
    await workspace.patch("Kustomization", "scaled", {
      spec: { ignore: [{ paths: ["/spec/replicas"], target: { kind: "(" } }] },
    });
    expect(messageOf(await failed("scaled", "ReconciliationFailed"))).toMatch(
      /^failed to create ignore rule selector: invalid kind regex: error parsing regexp: missing closing \)/,
    );
  });

  it("KS-176: what may not be deleted is told, kept, and deleted once it may", async () => {
    await apply("kept", { retryInterval: "1s" });
    await workspace.untilReady("Kustomization", "kept");
    const policy = await denyDeletion("kept-a");
    await repository.commit({ "kept/a.yaml": null, "kept/b.yaml": null, "kept/c.yaml": configMap("kept-c", {}) });
    await workspace.reconcile("GitRepository", "source");
    const stopped = await failed("kept", "PruneFailed");
    const { namespace } = workspace;
    expect(messageOf(stopped)).toMatch(
      new RegExp(`^delete failed, errors: ConfigMap/${namespace}/kept-a delete failed: .*not that one.*;$`, "s"),
    );
    expect(stopped.status?.inventory?.entries.map(({ id }) => id)).toEqual([
      `${namespace}_kept-c__ConfigMap`,
      `${namespace}_kept-a__ConfigMap`,
    ]);
    expect(await workspace.find("ConfigMap", "kept-b")).toBeUndefined();
    const warning = (await workspace.events("Kustomization", "kept")).find(({ reason }) => reason === "PruneFailed");
    expect(warning).toMatchObject({ type: "Warning", message: messageOf(stopped) });
    await deleteObject(workspace.client, policy);
    await workspace.untilGone("ConfigMap", "kept-a", 40);
    const { status } = await workspace.untilReady("Kustomization", "kept");
    expect(status?.inventory?.entries.map(({ id }) => id)).toEqual([`${namespace}_kept-c__ConfigMap`]);
  });

  it("KS-131: a namespace that does not go away fails after a minute", { timeout: 120_000 }, async () => {
    expect(messageOf(await failed("stuck", "ReconciliationFailed", 100)).trimEnd()).toBe(
      `timeout waiting for: [Namespace/${stuck} status: 'Terminating']`,
    );
  });

  it("KS-132: a namespace that is skipped and not there fails after a minute", { timeout: 120_000 }, async () => {
    expect(messageOf(await failed("skipped", "ReconciliationFailed", 100)).trimEnd()).toContain(
      `timeout waiting for: [Namespace/${foreign} status: 'NotFound']`,
    );
  });
});

/** Lets nobody delete a ConfigMap of this name in the namespace; resolves when that holds. */
async function denyDeletion(name: string) {
  const { client, namespace } = workspace;
  const apiVersion = "admissionregistration.k8s.io/v1";
  const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["DELETE"], resources: ["configmaps"] };
  const matchConstraints = {
    resourceRules: [rule],
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
  };
  const validations = [{ expression: `!(oldObject.metadata.name in ['${name}', 'probe'])`, message: "not that one" }];
  const metadata = { name: namespace };
  await createObject(client, {
    apiVersion,
    kind: "ValidatingAdmissionPolicy",
    metadata,
    spec: { failurePolicy: "Fail", matchConstraints, validations },
  });
  const binding = { policyName: namespace, validationActions: ["Deny"] };
  await createObject(client, { apiVersion, kind: "ValidatingAdmissionPolicyBinding", metadata, spec: binding });
  const probe = { apiVersion: "v1", kind: "ConfigMap", name: "probe", namespace };
  const attempt = async () => {
    await workspace.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "probe" } }).catch(() => undefined);
    return deleteObject(client, probe).then(String, String);
  };
  await expect.poll(attempt, { timeout: 20_000, interval: 200 }).toContain("not that one");
  return { apiVersion, kind: "ValidatingAdmissionPolicyBinding", name: namespace };
}
