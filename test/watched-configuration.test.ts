import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openWorkspace, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;

beforeAll(async () => {
  workspace = await openWorkspace("watched");
});
afterAll(() => workspace?.close());

const watched = { "reconcile.fluxcd.io/watch": "Enabled" };

describe("ConfigMaps and Secrets that a Kustomization refers to", () => {
  it("KS-009: a labelled one wakes it when it is changed, deleted and made again, an unlabelled one does not", async () => {
    const manifest = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "app" },
      data: { zone: `\${zone:=nowhere}`, fixed: `\${fixed}` },
    };
    const repository = await workspace.repository({ "app.yaml": JSON.stringify(manifest) });
    await workspace.gitRepository("source", repository.url);
    const settings = (zone: string, labels: Record<string, string>) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "settings", labels },
      data: { zone },
    });
    await workspace.create(settings("a", watched));
    await workspace.kustomization("app", {
      interval: "1h",
      postBuild: {
        substitute: { fixed: "always" },
        substituteFrom: [{ kind: "ConfigMap", name: "settings", optional: true }],
      },
    });
    await workspace.untilReady("Kustomization", "app");
    const zone = (wanted: string) => workspace.until("ConfigMap", "app", ({ data }) => Object(data).zone === wanted);
    await zone("a");

    await workspace.patch("ConfigMap", "settings", { data: { zone: "b" } });
    await zone("b");
    await workspace.client.request({
      method: "DELETE",
      path: `/api/v1/namespaces/${workspace.namespace}/configmaps/settings`,
    });
    await zone("nowhere");
    await workspace.create(settings("c", watched));
    await zone("c");

    // Taking the label off is the last change that wakes it.
    await workspace.patch("ConfigMap", "settings", { data: { zone: "d" }, metadata: { labels: null } });
    await zone("d");
    const finished = async () =>
      (await workspace.events("Kustomization", "app")).filter(({ reason }) => reason === "ReconciliationSucceeded")
        .length;
    // What is asked for comes after the pass that the change has led to.
    const requestedAt = await workspace.reconcile("Kustomization", "app");
    await workspace.until("Kustomization", "app", ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    const before = await finished();
    await workspace.patch("ConfigMap", "settings", { data: { zone: "e" } });
    // What the API server would have told by now of a later change has been told of the earlier one.
    await workspace.create({ ...settings("x", watched), metadata: { name: "another", labels: watched } });
    await expect.poll(finished, { timeout: 1500, interval: 1500 }).toBe(before);
    await workspace.reconcile("Kustomization", "app");
    await zone("e");
  });
});
