import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../lib/api/object.ts";
import { createObject, deleteObject, findObject, patchObject } from "../../lib/cluster/objects.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { startAdmissionListener } from "../bed/admission-listener.ts";
import { startSluice } from "../bed/sluice.ts";
import { conditionOf, configMap, isReady, openWorkspace, type Reconciled, type Workspace } from "../bed/workspace.ts";

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let repository: GitRepository;
/** How long each look at a Kustomization has taken, in milliseconds. */
let looks: number[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-obstacles-"));
  sluice = await startSluice({
    directory,
    wrap: (platform) => ({
      ...platform,
      consume: (queue, handler, options) => {
        const timed: typeof handler = async (body, delivery) => {
          const start = performance.now();
          await handler(body, delivery);
          if (queue === "apply") looks.push(performance.now() - start);
        };
        platform.consume(queue, timed, options);
      },
    }),
  });
  workspace = await openWorkspace("obstacles", { sluice });
  repository = await workspace.repository({ "other/config.yaml": configMap("other", { version: "0" }) });
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("other", { path: "./other" });
  await workspace.untilReady("Kustomization", "other");
}, 900_000);

afterAll(async () => {
  await workspace?.close();
  await sluice?.stop();
  await rm(directory, { recursive: true, force: true });
});

const json = (...objects: unknown[]) => objects.map((object) => `${JSON.stringify(object)}\n`).join("---\n");

/** A definition in a group of its own for each `part`; `name` is its own, and its kind is the same for all of a group. */
function definition(part: string, name = "gadgets"): KubernetesObject {
  const group = `${part}.${workspace.namespace}.example.org`;
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${name}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind: "Gadget", plural: name, singular: name.slice(0, -1), listKind: "GadgetList" },
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  };
}

function gadget(part: string, name: string, size = 1): KubernetesObject {
  const apiVersion = `${part}.${workspace.namespace}.example.org/v1`;
  return { apiVersion, kind: "Gadget", metadata: { name, namespace: workspace.namespace }, spec: { size } };
}

const referenceOf = ({ apiVersion, kind, metadata: { name, namespace } }: KubernetesObject) => ({
  apiVersion,
  kind,
  name,
  ...(namespace === undefined ? {} : { namespace }),
});
const present = async (object: KubernetesObject) =>
  (await findObject(workspace.client, referenceOf(object))) !== undefined;
const push = async (files: Record<string, string | null>) => {
  const commit = await repository.commit(files);
  await workspace.reconcile("GitRepository", "source");
  return `main@sha1:${commit}`;
};
const untilApplied = (name: string, revision: string, seconds = 30) =>
  workspace.until(
    "Kustomization",
    name,
    (object) => object.status?.lastAppliedRevision === revision && isReady(object),
    seconds,
  );
/** Until Ready is False with a text that matches. */
const untilSaid = (name: string, text: RegExp, seconds = 20) =>
  workspace.until(
    "Kustomization",
    name,
    ({ status }) => {
      const ready = conditionOf(status, "Ready");
      return ready?.status === "False" && text.test(ready.message);
    },
    seconds,
  );
const isWaiting = ({ status }: Reconciled) =>
  conditionOf(status, "Ready")?.status === "Unknown" && conditionOf(status, "Reconciling")?.status === "True";

/** Pushes change the other Kustomization for some seconds: it goes on, and no look is long. */
async function othersGoOn(seconds: number): Promise<void> {
  looks = [];
  const end = Date.now() + seconds * 1000;
  for (let version = 1; Date.now() < end; version++) {
    const data = { version: `${Date.now()}-${version}` };
    await untilApplied("other", await push({ "other/config.yaml": configMap("other", data) }), 10);
    await sleep(2000);
  }
  expect(looks.length).toBeGreaterThan(seconds / 4);
  expect(Math.max(...looks)).toBeLessThan(3000);
}

describe("a definition that takes long", () => {
  it("KS-131, KS-134, SN-09: is waited for without a function, and its revision is applied when it is there", {
    timeout: 180_000,
  }, async () => {
    const [slow, held] = [definition("slow"), gadget("slow", "held")];
    const finalizers = ["example.org/hold"];
    await createObject(workspace.client, slow);
    const heldObject = { ...held, metadata: { ...held.metadata, finalizers } };
    await expect
      .poll(() =>
        createObject(workspace.client, heldObject).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    await deleteObject(workspace.client, referenceOf(slow));
    const revision = await push({ "slow/all.yaml": json(slow, gadget("slow", "one")) });
    await workspace.kustomization("slow", { path: "./slow", retryInterval: "1h" });
    await workspace.until("Kustomization", "slow", isWaiting);
    await othersGoOn(30);
    const waiting = await workspace.until("Kustomization", "slow", isWaiting, 0);
    expect(conditionOf(waiting.status, "Reconciling")?.reason).toBe("Progressing");
    expect(await present(gadget("slow", "one"))).toBe(false);
    await patchObject(
      workspace.client,
      referenceOf(held),
      { merge: { metadata: { finalizers: null } } },
      { fieldManager: "t" },
    );
    const { status } = await workspace.until("Kustomization", "slow", isReady);
    expect(status?.lastAttemptedRevision).toBe(status?.lastAppliedRevision);
    expect(revision).toMatch(/^main/);
    expect(await present(gadget("slow", "one"))).toBe(true);
    const warnings = (await workspace.events("Kustomization", "slow")).filter(({ type }) => type === "Warning");
    expect(warnings).toEqual([]);
  });

  it("KS-131, SN-09: whose names are taken waits with what else is under way, and is applied once they are free", {
    timeout: 180_000,
  }, async () => {
    const [taker, taken] = [definition("taken", "takers"), definition("taken")];
    await createObject(workspace.client, taker);
    const leaving = `${workspace.namespace}-leaving`;
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: leaving } };
    await createObject(workspace.client, namespace);
    const finalizers = ["example.org/hold"];
    const anchor = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "anchor", namespace: leaving, finalizers },
    };
    await createObject(workspace.client, anchor);
    await deleteObject(workspace.client, referenceOf(namespace));
    await push({ "taken/all.yaml": json(taken, namespace, gadget("taken", "one")) });
    await workspace.kustomization("taken", { path: "./taken", retryInterval: "1h" });
    await workspace.until("Kustomization", "taken", isWaiting);
    await othersGoOn(30);
    await workspace.until("Kustomization", "taken", isWaiting, 0);
    await deleteObject(workspace.client, referenceOf(taker));
    await patchObject(
      workspace.client,
      referenceOf(anchor),
      { merge: { metadata: { finalizers: null } } },
      { fieldManager: "t" },
    );
    await workspace.untilReady("Kustomization", "taken", 40);
    expect(await present(gadget("taken", "one"))).toBe(true);
  });

  it("KS-131: whose names are taken, and nothing else is under way, fails at once, and is applied when they are free", async () => {
    const [taker, refused] = [definition("refused", "takers"), definition("refused")];
    await createObject(workspace.client, taker);
    await push({ "refused/all.yaml": json(refused, gadget("refused", "one")) });
    await workspace.kustomization("refused", { path: "./refused", retryInterval: "2s" });
    const name = refused.metadata.name;
    const text = `failed early due to stalled resources: [CustomResourceDefinition/${name} status: 'Failed']`;
    await untilSaid("refused", new RegExp(`^${text.replaceAll(/[[\].]/g, "\\$&")}`));
    await deleteObject(workspace.client, referenceOf(taker));
    await workspace.untilReady("Kustomization", "refused", 40);
    expect(await present(gadget("refused", "one"))).toBe(true);
  });
});

describe("an admission webhook of somebody else", () => {
  it("KS-149, KS-232: that refuses one object keeps its whole stage away, is told in its words, and is over when it goes", async () => {
    const listener = await startAdmissionListener(({ name }) => (name === "bad" ? "not that one" : undefined));
    const name = `judge.${workspace.namespace}.example.org`;
    const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": workspace.namespace } };
    const caBundle = Buffer.from(listener.certificateAuthority).toString("base64");
    const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["configmaps"] };
    const webhook = {
      name,
      admissionReviewVersions: ["v1"],
      clientConfig: { url: `${listener.url}/judge`, caBundle },
      failurePolicy: "Fail",
      sideEffects: "None",
      rules: [rule],
      namespaceSelector,
    };
    const configuration = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name },
      webhooks: [webhook],
    };
    await createObject(workspace.client, configuration);
    const isJudging = async () => {
      const reference = { apiVersion: "v1", kind: "ConfigMap", name: "bad", namespace: workspace.namespace };
      const { apiVersion, kind, ...metadata } = reference;
      const refused = await createObject(workspace.client, { apiVersion, kind, metadata }).then(
        () => false,
        () => true,
      );
      if (!refused) await deleteObject(workspace.client, reference);
      return refused;
    };
    await expect.poll(isJudging).toBe(true);
    const files = ["fine", "bad", "good"].map((each) => [`judged/${each}.yaml`, configMap(each, {})]);
    const revision = await push(Object.fromEntries(files));
    await workspace.kustomization("judged", { path: "./judged", retryInterval: "2s" });
    const subject = `ConfigMap/${workspace.namespace}/bad`;
    const text = `${subject} dry-run failed (Forbidden): admission webhook "${name}" denied the request: not that one\n`;
    const { status } = await untilSaid("judged", /dry-run failed/);
    expect(conditionOf(status, "Ready")).toMatchObject({ reason: "ReconciliationFailed", message: text });
    expect(status?.lastAttemptedRevision).toBe(revision);
    expect(status?.lastAppliedRevision).toBeUndefined();
    for (const each of ["fine", "bad", "good"]) expect(await workspace.find("ConfigMap", each)).toBeUndefined();
    const told = (await workspace.events("Kustomization", "judged")).filter(({ type }) => type === "Warning");
    expect(told[0]).toMatchObject({ reason: "ReconciliationFailed", message: text.trim() });
    await deleteObject(workspace.client, referenceOf(configuration));
    await untilApplied("judged", revision);
    for (const each of ["fine", "bad", "good"]) expect(await workspace.find("ConfigMap", each)).toBeDefined();
    await listener.close();
  });
});

describe("an API whose server is down", () => {
  it("KS-176, KS-149: stops whoever has objects of it, and nothing of anybody is pruned for it", {
    timeout: 120_000,
  }, async () => {
    const kind = definition("away");
    await createObject(workspace.client, kind);
    const revision = await push({
      "pruner/all.yaml": json(gadget("away", "pruned")),
      "pruner/config.yaml": configMap("pruner", {}),
      "keeper/all.yaml": json(gadget("away", "kept")),
      "keeper/config.yaml": configMap("keeper", {}),
      "other/more.yaml": configMap("more", {}),
    });
    for (const name of ["pruner", "keeper"]) {
      await workspace.kustomization(name, { path: `./${name}`, retryInterval: "2s" });
      await untilApplied(name, revision);
    }
    const service = {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      name: kind.metadata.name.replace("gadgets.", "v1."),
    };
    const away = {
      metadata: { labels: { "kube-aggregator.kubernetes.io/automanaged": null } },
      spec: { insecureSkipTLSVerify: true, service: { name: "nobody", namespace: workspace.namespace } },
    };
    await patchObject(workspace.client, service, { merge: away }, { fieldManager: "t" });
    await expect
      .poll(() =>
        present(gadget("away", "kept")).then(
          () => false,
          () => true,
        ),
      )
      .toBe(true);

    // One loses its object in Git, the other changes it; a third loses one of another kind.
    const next = await push({
      "pruner/all.yaml": null,
      "keeper/all.yaml": json(gadget("away", "kept", 2)),
      "other/more.yaml": null,
    });
    await untilApplied("other", next);
    await workspace.untilGone("ConfigMap", "more");
    const pruner = await untilSaid("pruner", /Gadget\/.*\/pruned/);
    const keeper = await untilSaid("keeper", /Gadget\/.*\/kept/);
    console.log(conditionOf(pruner.status, "Ready")?.message, conditionOf(keeper.status, "Ready")?.message);
    const ids = (object: Reconciled) => object.status?.inventory?.entries.map(({ id }) => id) ?? [];
    expect(ids(pruner).some((id) => id.includes("_pruned_"))).toBe(true);
    expect(ids(keeper).some((id) => id.includes("_kept_"))).toBe(true);
    expect(ids(keeper)).toHaveLength(2);
    expect(await workspace.find("ConfigMap", "keeper")).toBeDefined();

    // Back: what was to go goes, and what was to stay has stayed.
    await deleteObject(workspace.client, service);
    await expect.poll(() => present(gadget("away", "kept")).catch(() => false)).toBe(true);
    await untilApplied("pruner", next);
    await untilApplied("keeper", next);
    expect(await present(gadget("away", "pruned"))).toBe(false);
    expect(await findObject(workspace.client, referenceOf(gadget("away", "kept")))).toMatchObject({
      spec: { size: 2 },
    });
  });
});
