import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createObject, deleteObject, findObject, patchObject, referenceTo } from "../../lib/cluster/objects.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { startAdmissionListener } from "../bed/admission-listener.ts";
import { startSluice } from "../bed/sluice.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "../bed/workspace.ts";
import { gadgetPushes } from "./gadget-pushes.ts";
import { json } from "./gadgets.ts";

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let repository: GitRepository;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-obstacles-"));
  sluice = await startSluice({ directory });
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

const { definition, gadget, present, push, untilApplied, untilSaid } = gadgetPushes(() => ({ workspace, repository }));

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
    expect(told[0]).toMatchObject({ reason: "ReconciliationFailed", message: text });
    await deleteObject(workspace.client, referenceTo(configuration));
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
    const unavailable = "the server is currently unable to handle the request";
    expect(conditionOf(pruner.status, "Ready")).toMatchObject({
      reason: "PruneFailed",
      message: expect.stringMatching(`^delete failed, errors: Gadget/.*/pruned query failed: ${unavailable}`),
    });
    expect(conditionOf(keeper.status, "Ready")).toMatchObject({
      reason: "ReconciliationFailed",
      message: expect.stringMatching(`^Gadget/.*/kept dry-run failed \\(ServiceUnavailable\\): ${unavailable}`),
    });
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
    expect(await findObject(workspace.client, referenceTo(gadget("away", "kept")))).toMatchObject({
      spec: { size: 2 },
    });
  });
});
