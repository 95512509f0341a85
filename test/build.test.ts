import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import type { KubernetesObject } from "../lib/api/object.ts";
import { deleteObject, findObject } from "../lib/cluster/objects.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { createCertificateAuthority } from "../lib/platform/local/certificate.ts";
import { uniqueName } from "./bed/bed.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;

beforeAll(async () => {
  workspace = await openWorkspace("build");
  repository = await workspace.repository({ "readme.md": "what the tests build\n" });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
});

afterAll(() => workspace?.close());

/** Commits and waits until the source has it; resolves with the revision. */
async function push(files: Record<string, string | object | null>): Promise<string> {
  const texts = Object.entries(files).map(([path, content]): [string, string | null] => [
    path,
    typeof content === "string" || content === null ? content : JSON.stringify(content),
  ]);
  const revision = `main@sha1:${await repository.commit(Object.fromEntries(texts))}`;
  await workspace.reconcile("GitRepository", "source");
  await workspace.until("GitRepository", "source", ({ status }) => status?.artifact?.revision === revision);
  return revision;
}

/** Creates a Kustomization of a path that was pushed before. */
async function applied(name: string, spec: Partial<KustomizationSpec> = {}): Promise<Reconciled> {
  await workspace.kustomization(name, { path: `./${name}`, ...spec });
  return workspace.untilReady("Kustomization", name);
}

function untilFailed(name: string, reason: string, revision?: string): Promise<Reconciled> {
  return workspace.until("Kustomization", name, ({ status }) => {
    const ready = conditionOf(status, "Ready");
    const isTried = revision === undefined || status?.lastAttemptedRevision === revision;
    return isTried && ready?.status === "False" && ready.reason === reason;
  });
}

/** Waits for a ConfigMap that is as wanted. */
function untilConfigMap(name: string, wanted: (object: Reconciled) => boolean): Promise<Reconciled> {
  return workspace.until("ConfigMap", name, wanted);
}

const message = (object: Reconciled) => conditionOf(object.status, "Ready")?.message ?? "";
const origin = "config.kubernetes.io/origin";

describe("what a Kustomization builds", () => {
  it("KS-053, KS-173: a path that has no manifests any more takes away what it had", async () => {
    await push({ "emptied/a.yaml": configMap("emptied-a", {}), "emptied/b.yaml": configMap("emptied-b", {}) });
    const before = await applied("emptied");
    expect(before.status?.inventory?.entries).toHaveLength(2);
    const revision = await push({ "emptied/a.yaml": null, "emptied/b.yaml": null, "emptied/note.txt": "none\n" });
    await workspace.until("Kustomization", "emptied", ({ status }) => status?.lastAppliedRevision === revision);
    const after = await workspace.untilReady("Kustomization", "emptied");
    expect(after.status?.inventory).toEqual({ entries: [] });
    for (const name of ["emptied-a", "emptied-b"]) await workspace.untilGone("ConfigMap", name);
  });

  it("KS-055: targetNamespace overrides the file's, and a namespace that is missing is not made", async () => {
    const missing = uniqueName("missing");
    await push({
      "placed/kustomization.yaml": { namespace: missing, resources: ["a.yaml"] },
      "placed/a.yaml": configMap("placed", {}),
    });
    await applied("placed");
    expect(await workspace.find("ConfigMap", "placed")).toBeDefined();
    await workspace.patch("Kustomization", "placed", { spec: { targetNamespace: missing, prune: false } });
    const failed = await untilFailed("placed", "ReconciliationFailed");
    expect(message(failed)).toContain(`namespaces "${missing}" not found`);
    expect(await workspace.find("Namespace", missing)).toBeUndefined();
  });

  it("KS-059: what buildMetadata adds goes when it is no longer asked for", async () => {
    await push({
      "noted/kustomization.yaml": { resources: ["a.yaml"], buildMetadata: ["managedByLabel"] },
      "noted/a.yaml": configMap("noted", {}),
    });
    await applied("noted");
    const label = "app.kubernetes.io/managed-by";
    expect((await workspace.find("ConfigMap", "noted"))?.metadata.labels?.[label]).toMatch(/^kustomize-/);
    await workspace.patch("Kustomization", "noted", { spec: { buildMetadata: ["originAnnotations"] } });
    const given = await untilConfigMap("noted", ({ metadata }) => metadata.annotations?.[origin] !== undefined);
    expect(given.metadata.annotations?.[origin]).toBe("path: a.yaml\n");
    expect(given.metadata.labels?.[label]).toBeUndefined();
    await workspace.patch("Kustomization", "noted", { spec: { buildMetadata: null } });
    const own = await untilConfigMap("noted", ({ metadata }) => metadata.annotations?.[origin] === undefined);
    expect(own.metadata.labels?.[label]).toMatch(/^kustomize-/);
  });

  it("KS-060: a typo in the first file is nothing, one in a base fails the build", async () => {
    await push({
      "typo/kustomization.yaml": { resources: ["a.yaml"], resoorces: ["b.yaml"] },
      "typo/a.yaml": configMap("typo", {}),
    });
    await applied("typo");
    const revision = await push({
      "typo/kustomization.yaml": { resources: ["base"] },
      "typo/base/kustomization.yaml": { resources: ["a.yaml"], resoorces: ["b.yaml"] },
      "typo/base/a.yaml": configMap("typo", { base: "yes" }),
    });
    const failed = await untilFailed("typo", "BuildFailed", revision);
    expect(message(failed)).toMatch(/^kustomize build failed: .*json: unknown field "resoorces"/);
    expect((await workspace.find("ConfigMap", "typo"))?.data ?? {}).toEqual({});
  });

  it("KS-061: two of one artifact, each with its own patches", async () => {
    await push({ "shared/a.yaml": configMap("shared", {}) });
    const patchOf = (name: string) => ({
      patch: `[{"op":"add","path":"/data","value":{"of":"${name}"}}]`,
      target: { kind: "ConfigMap" },
    });
    for (const name of ["first", "second"])
      await workspace.kustomization(name, { path: "./shared", namePrefix: `${name}-`, patches: [patchOf(name)] });
    for (const name of ["first", "second"]) {
      await workspace.untilReady("Kustomization", name);
      expect((await workspace.find("ConfigMap", `${name}-shared`))?.data).toEqual({ of: name });
    }
  });

  it("KS-076: the items of a list are objects like any others", async () => {
    const items = ["list-a", "list-b"].map((name) => JSON.parse(configMap(name, {})));
    await push({
      "list/list.yaml": { apiVersion: "v1", kind: "List", items },
      "list/flux.yaml": {
        apiVersion: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        metadata: { name: "k" },
      },
    });
    const { status } = await applied("list");
    expect(status?.inventory?.entries.map(({ id }) => id).sort()).toEqual(
      ["list-a", "list-b"].map((name) => `${workspace.namespace}_${name}__ConfigMap`),
    );
  });

  it("KS-078: a definition's bundle that holds no certificate is left out, a valid one is kept", async () => {
    const group = `${uniqueName("g")}.example.com`;
    const { certificate } = createCertificateAuthority("conversion");
    const definition = (plural: string, caBundle: string) => ({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: "Namespaced",
        names: { plural, singular: plural, kind: `K${plural}`, listKind: `K${plural}List` },
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
        conversion: {
          strategy: "Webhook",
          webhook: {
            conversionReviewVersions: ["v1"],
            clientConfig: { url: "https://conversion.invalid/convert", caBundle },
          },
        },
      },
    });
    const valid = Buffer.from(certificate).toString("base64");
    const definitions = [definition("broken", "Cg=="), definition("valid", valid)];
    await push({ "bundle/crds.yaml": definitions.map((each) => JSON.stringify(each)).join("\n---\n") });
    await applied("bundle", { prune: true });
    const read = async ({ metadata, ...kind }: KubernetesObject) =>
      JSON.stringify(await findObject(workspace.client, { ...kind, name: metadata.name }));
    const [broken, kept] = await Promise.all(definitions.map(read));
    expect(broken).toContain("conversion.invalid");
    expect(broken).not.toContain("caBundle");
    expect(kept).toContain(`"caBundle":"${valid}"`);
    await deleteObject(workspace.client, {
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      namespace: workspace.namespace,
      name: "bundle",
    });
    await workspace.untilGone("Kustomization", "bundle");
  });
});

describe("a build that fails", () => {
  it("KS-074: objects that are none, and a panic of kustomize", async () => {
    await push({
      "nameless/a.yaml": { apiVersion: "v1", kind: "ConfigMap", metadata: {} },
      "kindless/a.yaml": { apiVersion: "v1", metadata: { name: "x" } },
      "versionless/a.yaml": { kind: "Foo", metadata: { name: "x" } },
      "panic/kustomization.yaml": {
        resources: ["a.yaml"],
        openapi: { path: "schema.json" },
        patches: [{ patch: configMap("panic", {}) }],
      },
      "panic/a.yaml": configMap("panic", {}),
      "panic/schema.json": "{",
    });
    for (const [name, words] of [
      ["nameless", /^failed to decode Kubernetes YAML from nameless\/a.yaml: missing metadata.name/],
      ["kindless", /^failed to decode Kubernetes YAML from kindless\/a.yaml: /],
      ["versionless", /^failed to decode Kubernetes apiVersion, kind and name from: /],
      ["panic", /^kustomize build failed: recovered from kustomize build panic: /],
    ] as const) {
      await workspace.kustomization(name, { path: `./${name}` });
      expect(message(await untilFailed(name, "BuildFailed"))).toMatch(words);
    }
  });

  it("KS-075: is in Ready, in one event with the revision, and not in the history; the revision counts as attempted", async () => {
    const first = await push({
      "overlay/kustomization.yaml": { resources: ["a.yaml"] },
      "overlay/a.yaml": configMap("overlay", {}),
    });
    const before = await applied("overlay");
    const revision = await push({ "overlay/kustomization.yaml": { resources: ["a.yaml", "none.yaml"] } });
    const failed = await untilFailed("overlay", "BuildFailed", revision);
    expect(message(failed)).toMatch(/^kustomize build failed: accumulating resources: .*'none.yaml'/);
    expect(failed.status).toMatchObject({ lastAttemptedRevision: revision, lastAppliedRevision: first });
    expect(failed.status?.history).toEqual(before.status?.history);
    const told = (await workspace.events("Kustomization", "overlay")).filter(({ reason }) => reason === "BuildFailed");
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      type: "Warning",
      message: message(failed),
      metadata: { annotations: { "kustomize.toolkit.fluxcd.io/revision": revision } },
    });
  });
});

describe("remote bases", () => {
  it("KS-071, SN-05: are fetched, and built anew when what they lead to has moved", async () => {
    const base = await workspace.repository({
      "app/kustomization.yaml": JSON.stringify({ resources: ["a.yaml"] }),
      "app/a.yaml": configMap("remote", { version: "1" }),
    });
    await push({
      "remote/kustomization.yaml": { resources: [`${base.url}//app?ref=main`], buildMetadata: ["originAnnotations"] },
    });
    await applied("remote", { interval: "1h" });
    const before = await untilConfigMap("remote", () => true);
    expect(before.metadata.annotations?.[origin]).toBe(`path: app/a.yaml\nrepo: ${base.url}\nref: main\n`);
    const handled = await workspace.reconcile("Kustomization", "remote");
    await workspace.until("Kustomization", "remote", ({ status }) => status?.lastHandledReconcileAt === handled);
    await workspace.untilReady("Kustomization", "remote");
    expect(await workspace.find("ConfigMap", "remote")).toEqual(before);

    await base.commit({ "app/a.yaml": configMap("remote", { version: "2" }) });
    await workspace.reconcile("Kustomization", "remote");
    await untilConfigMap("remote", ({ data }) => JSON.stringify(data) === '{"version":"2"}');
  });

  it("KS-071, KS-075: one that is not there fails the build, and nothing is taken away", async () => {
    const base = await workspace.repository({
      "kustomization.yaml": JSON.stringify({ resources: ["a.yaml"] }),
      "a.yaml": configMap("lost", {}),
    });
    await push({ "lost/kustomization.yaml": { resources: [base.url] } });
    await applied("lost");
    const revision = await push({ "lost/kustomization.yaml": { resources: [`${base.url}?ref=none`] } });
    const failed = await untilFailed("lost", "BuildFailed", revision);
    expect(message(failed)).toBe(
      `kustomize build failed: accumulating resources: accumulation err='accumulating resources from '${base.url}?ref=none': URL is a git repository': failed to fetch '${base.url}': couldn't find remote ref none`,
    );
    expect(await workspace.find("ConfigMap", "lost")).toBeDefined();
  });
});
