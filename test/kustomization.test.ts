import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { watch } from "./bed/watch.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;

beforeAll(async () => {
  workspace = await openWorkspace("kustomization");
  repository = await workspace.repository({
    "one/config.yaml": configMap("one", { step: "1" }),
    "orphan/config.yaml": configMap("orphan", {}),
    "stays/config.yaml": configMap("stays", {}),
    "stalled/source.yaml": JSON.stringify({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name: "stalled" },
      spec: { url: "https://example.invalid/none", interval: "1h", provider: "github" },
    }),
    "unrelated/readme.md": "nothing\n",
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
});

afterAll(() => workspace?.close());

const collection = () => `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/kustomizations`;

async function remove(name: string): Promise<void> {
  await workspace.client.request({ method: "DELETE", path: `${collection()}/${name}` });
}

/** Creates a Kustomization of a path and waits for it. */
async function applied(name: string, path: string, spec: Partial<KustomizationSpec> = {}): Promise<Reconciled> {
  await workspace.kustomization(name, { path, ...spec });
  return workspace.untilReady("Kustomization", name);
}

const messages = async (name: string) => (await workspace.events("Kustomization", name)).map(({ message }) => message);

/** Commits and has source and Kustomization follow. */
async function follow(name: string, files: Record<string, string | null>): Promise<Reconciled> {
  const commit = await repository.commit(files);
  await workspace.reconcile("GitRepository", "source");
  return workspace.until(
    "Kustomization",
    name,
    ({ status }) =>
      status?.lastAttemptedRevision === `main@sha1:${commit}` && conditionOf(status, "Ready") !== undefined,
  );
}

describe("a Kustomization", () => {
  it("KS-020: takes its source from another namespace where that is asked for", async () => {
    const other = await openWorkspace("elsewhere");
    const sourceRef = { kind: "GitRepository", name: "source", namespace: workspace.namespace } as const;
    await other.kustomization("across", { path: "./one", sourceRef });
    await other.untilReady("Kustomization", "across");
    expect((await other.find("ConfigMap", "one"))?.data).toEqual({ step: "1" });
    await other.close();
  });

  it("KS-106, KS-231: a revision that changes nothing of it is one status and one event", async () => {
    const before = await applied("quiet", "./one", { namePrefix: "quiet-" });
    const told = (await messages("quiet")).length;
    const object = await workspace.find("ConfigMap", "quiet-one");
    const after = await follow("quiet", { "unrelated/readme.md": `${Math.random()}\n` });
    await workspace.until(
      "Kustomization",
      "quiet",
      ({ status }) => status?.lastAppliedRevision === after.status?.lastAttemptedRevision,
    );
    expect(after.status?.lastAttemptedRevision).not.toBe(before.status?.lastAppliedRevision);
    expect((await messages("quiet")).slice(told).map((message) => message.split(" in ")[0])).toEqual([
      "Reconciliation finished",
    ]);
    expect(await workspace.find("ConfigMap", "quiet-one")).toEqual(object);
    expect(after.status?.history).toEqual(before.status?.history);
  });

  it("SN-07, KS-077: tells once of a field that its kind does not have, and applies the rest", async () => {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "misspelt" },
      spec: { ports: [{ port: 80 }], sesionAffinity: "ClientIP" },
    };
    await repository.commit({ "misspelt/service.yaml": JSON.stringify(service) });
    await workspace.reconcile("GitRepository", "source");
    await applied("misspelt", "./misspelt", { retryInterval: "1s" });
    const line = `Service/${workspace.namespace}/misspelt not applied, unknown to its kind: spec.sesionAffinity`;
    const told = async () => (await messages("misspelt")).filter((message) => message.includes("not applied"));
    expect(await told()).toEqual([line]);
    await follow("misspelt", { "misspelt/other.yaml": configMap("other", {}) });
    await workspace.until("ConfigMap", "other", () => true);
    expect(await told()).toEqual([line]);
  });

  it("KS-174: with prune off what is stale is left, and forgotten", async () => {
    await applied("keeping", "./orphan", { prune: false, namePrefix: "keeping-" });
    await follow("keeping", { "orphan/config.yaml": null, "orphan/next.yaml": configMap("next", {}) });
    await workspace.until("ConfigMap", "keeping-next", () => true);
    expect(await workspace.find("ConfigMap", "keeping-orphan")).toBeDefined();
    const { status } = await workspace.untilReady("Kustomization", "keeping");
    expect(status?.inventory?.entries.map(({ id }) => id)).toEqual([`${workspace.namespace}_keeping-next__ConfigMap`]);
  });

  it("KS-175, KS-171: a failed apply deletes nothing and keeps the inventory", async () => {
    await repository.commit({ "failing/old.yaml": configMap("old", {}) });
    await workspace.reconcile("GitRepository", "source");
    await workspace.kustomization("failing", { path: "./failing", retryInterval: "1s" });
    const before = await workspace.untilReady("Kustomization", "failing");
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "bad" },
      spec: { ports: [{ port: 99999 }] },
    };
    await follow("failing", { "failing/old.yaml": null, "failing/bad.yaml": JSON.stringify(service) });
    const failed = await workspace.until(
      "Kustomization",
      "failing",
      ({ status }) => conditionOf(status, "Ready")?.reason === "ReconciliationFailed",
    );
    expect(await workspace.find("ConfigMap", "old")).toBeDefined();
    expect(failed.status?.inventory).toEqual(before.status?.inventory);
    await follow("failing", { "failing/bad.yaml": null, "failing/new.yaml": configMap("new", {}) });
    await workspace.untilGone("ConfigMap", "old");
  });

  it("KS-195, KS-194: what has failed for good ends the wait at once", async () => {
    await workspace.kustomization("early", { path: "./stalled", wait: true });
    const failed = await workspace.until(
      "Kustomization",
      "early",
      ({ status }) => conditionOf(status, "Ready")?.reason === "HealthCheckFailed",
    );
    expect(conditionOf(failed.status, "Ready")?.message).toMatch(
      new RegExp(
        `^health check failed after \\S+: failed early due to stalled resources: \\[GitRepository/${workspace.namespace}/stalled status: 'Failed'\\]$`,
      ),
    );
  });

  it.each([
    ["MirrorPrune", false, false],
    ["MirrorPrune", true, true],
    ["Delete", false, true],
    ["Orphan", true, false],
    ["WaitForTermination", false, true],
  ] as const)(
    "KS-178: deletion policy %s with prune %s deletes the objects: %s",
    async (deletionPolicy, prune, deletes) => {
      const name = `${deletionPolicy.toLowerCase()}-${prune}`;
      await applied(name, "./stays", { deletionPolicy, prune, namePrefix: `${name}-` });
      await remove(name);
      await workspace.untilGone("Kustomization", name);
      const left = await workspace.find("ConfigMap", `${name}-stays`);
      expect(left === undefined).toBe(deletes);
    },
  );

  it("KS-178: a suspended one deletes nothing", async () => {
    await applied("suspended", "./stays", { namePrefix: "suspended-" });
    await workspace.patch("Kustomization", "suspended", { spec: { suspend: true } });
    await remove("suspended");
    await workspace.untilGone("Kustomization", "suspended");
    expect(await workspace.find("ConfigMap", "suspended-stays")).toBeDefined();
  });

  it("KS-178: WaitForTermination waits until the objects are gone", async () => {
    await applied("waiting", "./stays", { deletionPolicy: "WaitForTermination", namePrefix: "waiting-" });
    // What a manager of kubectl's set would be taken back (KS-143).
    await workspace.patch("ConfigMap", "waiting-stays", { metadata: { finalizers: ["sluice.test/hold"] } }, "holder");
    await remove("waiting");
    await workspace.until("ConfigMap", "waiting-stays", ({ metadata }) => metadata.deletionTimestamp !== undefined);
    await sleep(1000);
    expect(await workspace.find("Kustomization", "waiting")).toBeDefined();
    await workspace.patch("ConfigMap", "waiting-stays", { metadata: { finalizers: null } }, "holder");
    await workspace.untilGone("Kustomization", "waiting");
  });

  it("KS-046, KS-179: neither source nor dependency is needed to delete", async () => {
    await workspace.gitRepository("passing", repository.url);
    await applied("alone", "./stays", { sourceRef: { kind: "GitRepository", name: "passing" }, namePrefix: "alone-" });
    const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/gitrepositories/passing`;
    await workspace.client.request({ method: "DELETE", path });
    await workspace.untilGone("GitRepository", "passing");
    await workspace.patch("Kustomization", "alone", { spec: { dependsOn: [{ name: "none" }] } });
    await remove("alone");
    await workspace.untilGone("Kustomization", "alone");
    await workspace.untilGone("ConfigMap", "alone-stays");
  });

  it("KS-180: without its ServiceAccount it lets the objects go, and says which", async () => {
    const { client, namespace } = workspace;
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "fleeting" } });
    const subjects = [{ kind: "ServiceAccount", name: "fleeting", namespace }];
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "admin" };
    await workspace.create({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "fleeting" },
      roleRef,
      subjects,
    });
    await workspace.kustomization("tenant", {
      path: "./stays",
      namePrefix: "tenant-",
      serviceAccountName: "fleeting",
      retryInterval: "1s",
    });
    await workspace.untilReady("Kustomization", "tenant", 70);
    await client.request({ method: "DELETE", path: `/api/v1/namespaces/${namespace}/serviceaccounts/fleeting` });
    await remove("tenant");
    await workspace.untilGone("Kustomization", "tenant");
    expect(await workspace.find("ConfigMap", "tenant-stays")).toBeDefined();
    const last = (await workspace.events("Kustomization", "tenant")).at(-1);
    expect(last).toMatchObject({
      type: "Warning",
      message: `unable to prune objects: \nConfigMap/${namespace}/tenant-stays`,
    });
  }, 90_000);

  it("KS-183: one that is deleted before anything was applied leaves nothing behind", async () => {
    await workspace.kustomization("brief", { path: "./nowhere" });
    await remove("brief");
    await workspace.untilGone("Kustomization", "brief");
  });

  it("KS-228, SN-11: no version of it is a contradiction, and a no-op is no change of it", async () => {
    const versions: Reconciled[] = [];
    const seen = await watch(workspace.sluice.cluster, collection());
    seen.onChange = ({ object }) => {
      if (object.metadata.name === "steady") versions.push(object);
    };
    await applied("steady", "./one", { namePrefix: "steady-", wait: true });
    await follow("steady", { "one/config.yaml": configMap("one", { step: "2" }) });
    await workspace.untilReady("Kustomization", "steady");
    const ready = await workspace.until(
      "Kustomization",
      "steady",
      ({ status }) =>
        status?.lastAppliedRevision === status?.lastAttemptedRevision &&
        conditionOf(status, "Reconciling") === undefined,
    );
    const count = versions.length;
    for (let pass = 0; pass < 3; pass++) {
      const requestedAt = await workspace.reconcile("Kustomization", "steady");
      await workspace.until("Kustomization", "steady", ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    }
    seen.stop();
    const is = (object: Reconciled, type: string) => conditionOf(object.status, type)?.status === "True";
    for (const version of versions) {
      expect(is(version, "Ready") && is(version, "Reconciling")).toBe(false);
      expect(is(version, "Stalled") && is(version, "Reconciling")).toBe(false);
      if (is(version, "Ready")) expect(version.status?.observedGeneration).toBe(version.metadata.generation);
    }
    const transition = (object: Reconciled) => conditionOf(object.status, "Ready")?.lastTransitionTime;
    expect(new Set(versions.slice(count).map(transition))).toEqual(new Set([transition(ready)]));
  });
});
