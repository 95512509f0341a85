import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectTo } from "../../test/bed/installed.ts";
import { installObjects } from "../api/install/install.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { applyObject, findObject, getObject, patchObject, referenceTo } from "../cluster/objects.ts";
import { type ControlPlane, startControlPlane } from "../host/control-plane/control-plane.ts";
import { installInto } from "./install-cluster.ts";
import { removeInstallation } from "./remove-objects.ts";

let directory: string;
let controlPlane: ControlPlane;
let client: ClusterClient;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-uninstall-"));
  controlPlane = await startControlPlane({ directory });
  client = connectTo(controlPlane);
});

afterAll(async () => {
  await controlPlane?.stop();
  await rm(directory, { recursive: true, force: true });
});

const admission = { endpoint: "https://127.0.0.1:1", seed: "a seed of enough characters" };
const webhook = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  name: "sluice-flux-system",
};

async function present(kinds: string[]): Promise<string[]> {
  const objects = installObjects().filter(({ kind }) => kinds.includes(kind));
  const found = await Promise.all(objects.map((object) => findObject(client, referenceTo(object))));
  return found.flatMap((object) => (object === undefined ? [] : [`${object.kind}/${object.metadata.name}`]));
}

async function createKustomization(name: string): Promise<KubernetesObject> {
  const metadata = { name, namespace: "default", finalizers: ["finalizers.fluxcd.io"] };
  const spec = { interval: "10m", prune: true, sourceRef: { kind: "GitRepository", name: "a" } };
  const object = { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", metadata, spec };
  return applyObject(client, object, { fieldManager: "test" });
}

describe("uninstalling", () => {
  it("BS-053: webhook, placeholders and roles go; definitions and objects stay, unmarked", async () => {
    await installInto(client, { clusterId: "a", admission });
    expect(await findObject(client, webhook)).toMatchObject({
      webhooks: [
        { name: "kinds.sluice.dev", failurePolicy: "Ignore", timeoutSeconds: 2, sideEffects: "NoneOnDryRun" },
        { name: "managed.sluice.dev", failurePolicy: "Ignore", timeoutSeconds: 2, sideEffects: "NoneOnDryRun" },
        { name: "configuration.sluice.dev", failurePolicy: "Ignore", timeoutSeconds: 2, sideEffects: "NoneOnDryRun" },
      ],
    });
    const object = await createKustomization("kept");

    await removeInstallation(client, { crds: false }, () => undefined);
    expect(await findObject(client, webhook)).toBeUndefined();
    const gone = [
      "Deployment",
      "ClusterRole",
      "ClusterRoleBinding",
      "Role",
      "RoleBinding",
      "Service",
      "ServiceAccount",
    ];
    expect(await present(gone)).toEqual([]);
    expect(await getObject(client, referenceTo(object))).toMatchObject({ spec: object.spec });
    for (const definition of installObjects().filter(({ kind }) => kind === "CustomResourceDefinition")) {
      const { labels, annotations } = (await getObject(client, referenceTo(definition))).metadata;
      expect(labels).not.toHaveProperty("app.kubernetes.io/managed-by");
      expect(annotations).not.toHaveProperty("kustomize.toolkit.fluxcd.io/reconcile");
    }
    await removeInstallation(client, { crds: false }, () => undefined);
  });

  it("MG-065: where a Flux controller runs, it keeps all that it needs", async () => {
    await installInto(client, { clusterId: "a" });
    const controller = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      namespace: "flux-system",
      name: "source-controller",
    };
    await patchObject(client, controller, { merge: { spec: { replicas: 1 } } }, { fieldManager: "kubectl" });
    const refused = removeInstallation(client, { crds: true }, () => undefined);
    await expect(refused).rejects.toThrow(
      "source-controller runs in this cluster: remove the CRDs by `flux uninstall`",
    );
    const kept = ["CustomResourceDefinition", "Deployment"];
    const all = installObjects().filter(({ kind }) => kept.includes(kind));
    expect(await present(kept)).toHaveLength(all.length);
    const lines: string[] = [];
    await removeInstallation(client, { crds: false }, (line) => lines.push(line));
    expect(lines.some((line) => line.startsWith("source-controller runs in this cluster"))).toBe(true);
    expect(await present(["Deployment", "ClusterRoleBinding", "Role", "RoleBinding"])).toEqual([
      "ClusterRoleBinding/crd-controller-flux-system",
      "ClusterRoleBinding/cluster-reconciler-flux-system",
      "Deployment/source-controller",
    ]);
    expect(await present(["ServiceAccount"])).toContain("ServiceAccount/source-controller");
  });

  it("BS-014: with the definitions their objects go too, finalizers or not", async () => {
    await installInto(client, { clusterId: "a" });
    const controller = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      namespace: "flux-system",
      name: "source-controller",
    };
    await patchObject(client, controller, { merge: { spec: { replicas: 0 } } }, { fieldManager: "kubectl" });
    await createKustomization("going");
    await removeInstallation(client, { crds: true }, () => undefined);
    await expect.poll(() => present(["CustomResourceDefinition"]), { timeout: 20_000 }).toEqual([]);
    await removeInstallation(client, { crds: true }, () => undefined);
  });
});
