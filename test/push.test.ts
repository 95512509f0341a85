import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { conditionOf, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;

beforeAll(async () => {
  workspace = await openWorkspace("push");
  repository = await workspace.repository({
    "app/config.yaml": configMap("config", { colour: "blue" }),
    "app/extra.yaml": configMap("extra", { size: "1" }),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("app", { path: "./app" });
});

afterAll(() => workspace?.close());

const data = async (name: string) => (await workspace.find("ConfigMap", name))?.data;

describe("a push reaches the cluster", () => {
  it("KS-221, KS-004, KS-155, KS-170: what is in Git is in the cluster, owned, and in the inventory", async () => {
    const { namespace } = workspace;
    const ks = await workspace.untilReady("Kustomization", "app");
    const commit = (await repository.git(["rev-parse", "main"])).trim();
    const revision = `main@sha1:${commit}`;
    expect(ks.metadata.finalizers).toEqual(["finalizers.fluxcd.io"]);
    expect(ks.status).toMatchObject({
      observedGeneration: 1,
      lastAppliedRevision: revision,
      lastAttemptedRevision: revision,
      inventory: {
        entries: [
          { id: `${namespace}_config__ConfigMap`, v: "v1" },
          { id: `${namespace}_extra__ConfigMap`, v: "v1" },
        ],
      },
    });
    expect(ks.status?.conditions?.map(({ type }) => type)).toEqual(["Ready"]);
    expect(conditionOf(ks.status, "Ready")).toMatchObject({
      reason: "ReconciliationSucceeded",
      message: `Applied revision: ${revision}`,
    });
    const applied = await workspace.find("ConfigMap", "config");
    expect(applied?.data).toEqual({ colour: "blue" });
    expect(applied?.metadata.labels).toEqual({
      "kustomize.toolkit.fluxcd.io/name": "app",
      "kustomize.toolkit.fluxcd.io/namespace": namespace,
    });
    expect(applied?.metadata.managedFields?.map(({ manager, operation }) => [manager, operation])).toEqual([
      ["kustomize-controller", "Apply"],
    ]);
    const source = await workspace.untilReady("GitRepository", "source");
    expect(conditionOf(source.status, "Ready")).toMatchObject({
      reason: "Succeeded",
      message: `stored artifact for revision '${revision}'`,
    });
  });

  it("KS-230, KS-231, KS-234, EV-005: a pass tells what it changed, then that it is done", async () => {
    const { namespace } = workspace;
    const events = await workspace.events("Kustomization", "app");
    const told = events.map(({ type, reason, message }) => [
      type,
      reason,
      message.replace(/in \S+, next/, "in T, next"),
    ]);
    expect(told.slice(-2)).toEqual([
      ["Normal", "Progressing", `ConfigMap/${namespace}/config created\nConfigMap/${namespace}/extra created`],
      ["Normal", "ReconciliationSucceeded", "Reconciliation finished in T, next run in 1h0m0s"],
    ]);
    const ks = await workspace.find("Kustomization", "app");
    const finished = events.at(-1);
    expect(finished?.source.component).toBe("kustomize-controller");
    expect(finished?.metadata.annotations).toEqual({
      "kustomize.toolkit.fluxcd.io/commit_status": "update",
      "kustomize.toolkit.fluxcd.io/revision": ks?.status?.lastAppliedRevision,
    });
    const fetched = (await workspace.events("GitRepository", "source")).find(({ reason }) => reason === "NewArtifact");
    expect(fetched).toMatchObject({ type: "Normal", message: "stored artifact for commit 'Change'" });
  });

  it("KS-007, RC-002: a push with a webhook changes, adds and prunes", async () => {
    const call = await workspace.receiver("push", "github", [{ kind: "GitRepository", name: "source" }]);
    await workspace.untilReady("Receiver", "push");
    await repository.commit({
      "app/config.yaml": configMap("config", { colour: "green" }),
      "app/extra.yaml": null,
      "app/new.yaml": configMap("new", {}),
    });
    expect(await call()).toBe(200);
    await workspace.until("ConfigMap", "config", ({ data: now }) => JSON.stringify(now) === '{"colour":"green"}');
    await workspace.until("ConfigMap", "new", () => true);
    await workspace.untilGone("ConfigMap", "extra");
    const { namespace } = workspace;
    await workspace.until(
      "Kustomization",
      "app",
      ({ status }) => status?.inventory?.entries[1]?.id === `${namespace}_new__ConfigMap`,
    );
    const messages = (await workspace.events("Kustomization", "app")).map(({ message }) => message);
    expect(messages).toContain(`ConfigMap/${namespace}/config configured\nConfigMap/${namespace}/new created`);
    expect(messages).toContain(`ConfigMap/${namespace}/extra deleted`);
  });

  it("KS-007: a branch that is put back to a commit of a moment ago is news", async () => {
    const [now = "", before = ""] = (await repository.git(["rev-list", "--max-count=2", "main"])).trim().split("\n");
    for (const [commit, colour] of [
      [before, "blue"],
      [now, "green"],
      [before, "blue"],
      [now, "green"],
    ] as const) {
      await repository.git(["update-ref", "refs/heads/main", commit]);
      await workspace.reconcile("GitRepository", "source");
      await workspace.until(
        "ConfigMap",
        "config",
        ({ data: is }) => JSON.stringify(is) === `{"colour":"${colour}"}`,
        5,
      );
    }
  });

  it("KS-005, KS-006: an annotation is answered within 3 s, also without a change", async () => {
    const before = await workspace.find("ConfigMap", "config");
    const requestedAt = await workspace.reconcile("Kustomization", "app");
    await workspace.until("Kustomization", "app", ({ status }) => status?.lastHandledReconcileAt === requestedAt, 3);
    expect((await workspace.find("ConfigMap", "config"))?.metadata.resourceVersion).toBe(
      before?.metadata.resourceVersion,
    );
    const sourceRequest = await workspace.reconcile("GitRepository", "source");
    await workspace.until(
      "GitRepository",
      "source",
      ({ status }) => status?.lastHandledReconcileAt === sourceRequest,
      3,
    );
  });

  it("KS-142, SN-14: a manual edit is taken back within 3 s, and a deleted object returns", async () => {
    await workspace.patch("ConfigMap", "config", { data: { colour: "red" } });
    await workspace.until("ConfigMap", "config", ({ data: now }) => JSON.stringify(now) === '{"colour":"green"}', 3);
    const { client, namespace } = workspace;
    await client.request({ method: "DELETE", path: `/api/v1/namespaces/${namespace}/configmaps/new` });
    await workspace.until("ConfigMap", "new", () => true, 3);
  });

  it("KS-014: what is suspended is left alone, and answers a request all the same", async () => {
    await workspace.patch("Kustomization", "app", { spec: { suspend: true } });
    await workspace.patch("ConfigMap", "config", { data: { colour: "red" } });
    const requestedAt = await workspace.reconcile("Kustomization", "app");
    await workspace.until("Kustomization", "app", ({ status }) => status?.lastHandledReconcileAt === requestedAt, 3);
    expect(await data("config")).toEqual({ colour: "red" });
    await workspace.patch("Kustomization", "app", { spec: { suspend: null } });
    await workspace.until("ConfigMap", "config", ({ data: now }) => JSON.stringify(now) === '{"colour":"green"}', 3);
  });

  it("KS-178, KS-182: what was applied goes with the Kustomization", async () => {
    const { client, namespace } = workspace;
    const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${namespace}/kustomizations/app`;
    await client.request({ method: "DELETE", path });
    await workspace.untilGone("Kustomization", "app");
    await workspace.untilGone("ConfigMap", "config");
    const last = (await workspace.events("Kustomization", "app")).at(-1);
    expect(last?.message).toBe(`ConfigMap/${namespace}/new deleted\nConfigMap/${namespace}/config deleted`);
  });
});
