import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installObjects } from "../lib/api/install/install.ts";
import type { KubernetesObject } from "../lib/api/object.ts";
import { findObject, listObjects } from "../lib/cluster/objects.ts";
import { startSluice } from "./bed/sluice.ts";
import { apiVersions, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-bootstrap-"));
  sluice = await startSluice({ directory });
  workspace = await openWorkspace("bootstrap", { sluice });
}, 300_000);

afterAll(async () => {
  await workspace?.close();
  await sluice?.stop();
  await rm(directory, { recursive: true, force: true });
});

type Controller = KubernetesObject & {
  spec: { replicas?: number; template: { spec: { containers: { args: string[] }[] } } };
};

/** What `flux bootstrap` commits: the same objects as Sluice installs, but each controller with a replica, and with no mark of Sluice. */
function components(replicas: number, flag: string): string {
  const documents = installObjects().map((object) => {
    const copy = structuredClone(object);
    delete copy.metadata.annotations?.["kustomize.toolkit.fluxcd.io/reconcile"];
    delete copy.metadata.labels?.["app.kubernetes.io/managed-by"];
    if (isController(copy)) {
      copy.spec.replicas = replicas;
      copy.spec.template.spec.containers[0]?.args.push(flag);
    }
    if (copy.kind === "CustomResourceDefinition") copy.metadata.labels = { ...copy.metadata.labels, theirs: "yes" };
    return JSON.stringify(copy);
  });
  const policy = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "allow-egress", namespace: "flux-system" },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], egress: [{}], ingress: [{}] },
  };
  return [...documents, JSON.stringify(policy)].join("\n---\n");
}

function isController(object: KubernetesObject): object is Controller {
  return object.kind === "Deployment";
}

async function controllers(): Promise<Controller[]> {
  return listObjects<Controller>(workspace.client, {
    apiVersion: apiVersions.Deployment,
    kind: "Deployment",
    namespace: "flux-system",
  });
}

describe("a bootstrapped repository", () => {
  it("KS-244, SN-01: starts no controller beside Sluice, keeps its definitions, and sets its flags", async () => {
    const repository = await workspace.repository({
      "flux-system/gotk-components.yaml": components(1, "--requeue-dependency=7s"),
      "apps/app.yaml": configMap("app", { colour: "blue" }),
    });
    await workspace.gitRepository("flux-system", repository.url);
    const sourceRef = { kind: "GitRepository" as const, name: "flux-system" };
    await workspace.create({
      apiVersion: apiVersions.Kustomization,
      kind: "Kustomization",
      metadata: { name: "flux-system" },
      spec: { interval: "10m", prune: true, path: "./flux-system", sourceRef },
    });
    await workspace.kustomization("apps", { path: "./apps", sourceRef });
    const { status } = await workspace.untilReady("Kustomization", "flux-system", 60);
    await workspace.untilReady("Kustomization", "apps");

    const after = await controllers();
    expect(after.map(({ spec }) => spec.replicas)).toEqual(after.map(() => 0));
    expect(after.length).toBeGreaterThan(2);
    for (const { spec } of after) expect(spec.template.spec.containers[0]?.args).toContain("--requeue-dependency=7s");
    const definition = await findObject(workspace.client, {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      name: "kustomizations.kustomize.toolkit.fluxcd.io",
    });
    expect(definition?.metadata.labels).toMatchObject({ "app.kubernetes.io/managed-by": "sluice" });
    expect(definition?.metadata.labels).not.toHaveProperty("theirs");
    const ids = status?.inventory?.entries.map(({ id }) => id);
    expect(ids).toContain("flux-system_kustomize-controller_apps_Deployment");
    expect(ids).toContain("flux-system_allow-egress_networking.k8s.io_NetworkPolicy");

    await repository.commit({ "flux-system/gotk-components.yaml": components(1, "--requeue-dependency=8s") });
    await workspace.reconcile("GitRepository", "flux-system");
    const hasFlag = (flag: string) => async () =>
      (await controllers()).every(({ spec }) => spec.template.spec.containers[0]?.args.includes(flag) === true);
    await expect.poll(hasFlag("--requeue-dependency=8s")).toBe(true);
    expect((await controllers()).every(({ spec }) => spec.replicas === 0)).toBe(true);
  }, 120_000);

  it("SN-01, MG-065: is handed over to Flux's own controllers once Git has asked for none and no longer does", async () => {
    const repository = await workspace.repository({ "flux-system/gotk-components.yaml": components(0, "--v=1") });
    const sourceRef = { kind: "GitRepository" as const, name: "handed-over" };
    await workspace.gitRepository("handed-over", repository.url);
    await workspace.patch("Kustomization", "flux-system", { spec: { sourceRef } });
    await workspace.until("Kustomization", "flux-system", ({ status, metadata }) => {
      const [ready] = status?.conditions?.filter(({ type }) => type === "Ready") ?? [];
      return ready?.status === "True" && status?.observedGeneration === metadata.generation;
    });
    expect((await controllers()).every(({ spec }) => spec.replicas === 0)).toBe(true);
    await repository.commit({ "flux-system/gotk-components.yaml": components(1, "--v=1") });
    await workspace.reconcile("GitRepository", "handed-over");
    await expect
      .poll(async () => (await controllers()).map(({ spec }) => spec.replicas), { timeout: 30_000 })
      .toEqual((await controllers()).map(() => 1));
  }, 120_000);
});
