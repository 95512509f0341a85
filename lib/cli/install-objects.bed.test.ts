import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectTo } from "../../test/bed/installed.ts";
import { installObjects } from "../api/install/install.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { applyObject, deleteObject, findObject, getObject, patchObject, referenceTo } from "../cluster/objects.ts";
import { createSettingsReader } from "../engine/settings.ts";
import { type ControlPlane, startControlPlane } from "../host/control-plane/control-plane.ts";
import { applyInstallObjects } from "./install-objects.ts";

const program = fileURLToPath(new URL("sluice.ts", import.meta.url));

let directory: string;
let controlPlane: ControlPlane;
let client: ClusterClient;

/** What a placeholder is changed to would change what other tests read, so this cluster is its own. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-install-"));
  controlPlane = await startControlPlane({ directory });
  client = connectTo(controlPlane);
});

afterAll(async () => {
  await controlPlane?.stop();
  await rm(directory, { recursive: true, force: true });
});

const placeholder = (name: string) => ({ apiVersion: "apps/v1", kind: "Deployment", namespace: "flux-system", name });

async function install(): Promise<string[]> {
  const lines: string[] = [];
  await applyInstallObjects(client, (line) => lines.push(line));
  return lines;
}

/** Runs the command line as a user would. */
function sluice(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const options = { timeout: 30_000, env: { HOME: directory, NO_COLOR: "1" } };
    const child = execFile(process.execPath, [program, ...args], options, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, output: `${stdout}${stderr}` }),
    );
  });
}

async function ownership(): Promise<Record<string, unknown>> {
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
  const clock = { now: () => new Date() };
  const read = createSettingsReader({ clock, log, runtimeNamespace: "flux-system", freshSeconds: 0 });
  const components = ["source-controller", "kustomize-controller", "notification-controller"] as const;
  const entries = components.map(async (name) => [name, (await read("test", client, name)).owned]);
  return Object.fromEntries(await Promise.all(entries));
}

describe("installing", () => {
  it("BS-052, MG-060: objects that may be stored in a version that is gone are not endangered: what to do is said", async () => {
    const ours = installObjects().find(({ metadata }) => metadata.name === "gitrepositories.source.toolkit.fluxcd.io");
    if (ours === undefined) throw new Error("there is no definition of GitRepository");
    const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
    const versions = [{ name: "v1beta1", served: true, storage: true, schema }];
    const spec = { ...(ours.spec as object), versions };
    const old = await applyObject(client, { ...ours, spec }, { fieldManager: "flux" });
    await expect(install()).rejects.toThrow(
      /status.storedVersions.*v1beta1 was previously a storage version.*run `flux migrate` first$/s,
    );
    await deleteObject(client, referenceTo(old));
    await expect.poll(() => findObject(client, referenceTo(old)), { timeout: 20_000 }).toBeUndefined();
  });

  it("BS-001, BS-050: a cluster where a Flux controller runs keeps it, and is told who owns what", async () => {
    const objects = installObjects();
    const running = objects.find(
      ({ kind, metadata }) => kind === "Deployment" && metadata.name === "source-controller",
    );
    const namespace = objects.find(({ kind }) => kind === "Namespace");
    if (running === undefined || namespace === undefined) throw new Error("there is no placeholder");
    await applyObject(client, namespace, { fieldManager: "flux" });
    const scaled: KubernetesObject = { ...running, spec: { ...(running.spec as object), replicas: 1 } };
    await applyObject(client, scaled, { fieldManager: "flux" });

    const lines = await install();
    expect(lines).toContain("Deployment/source-controller was changed by somebody else and is left as it is");
    expect(lines).toContain(
      "source-controller runs in this cluster and owns its kinds: Sluice leaves them alone until its Deployment in flux-system is scaled to 0",
    );
    expect(lines.filter((line) => line.includes("owns its kinds"))).toHaveLength(1);
    expect(await ownership()).toEqual({
      "source-controller": false,
      "kustomize-controller": true,
      "notification-controller": true,
    });

    await patchObject(
      client,
      placeholder("source-controller"),
      { merge: { spec: { replicas: 0 } } },
      { fieldManager: "kubectl" },
    );
    expect((await install()).some((line) => line.includes("owns its kinds"))).toBe(false);
    expect(await ownership()).toMatchObject({ "source-controller": true });
  });

  it("design, decision 2: a team's own args and replicas outlive the next install", async () => {
    const args = ["--watch-all-namespaces", "--no-cross-namespace-refs=true"];
    const container = { name: "manager", args };
    const patch = [{ op: "replace", path: "/spec/template/spec/containers/0/args", value: args } as const];
    await patchObject(client, placeholder("kustomize-controller"), { json: patch }, { fieldManager: "kubectl-patch" });
    const lines = await install();
    expect(lines).toContain("Deployment/kustomize-controller was changed by somebody else and is left as it is");
    expect((await getObject(client, placeholder("kustomize-controller"))).spec).toMatchObject({
      template: { spec: { containers: [container] } },
    });
  });

  it("DEF-004: gates that a controller does not know are refused before anything is changed, and told of while they are there", async () => {
    const setArgs = async (...args: string[]) => {
      const json = [{ op: "replace", path: "/spec/template/spec/containers/0/args", value: args } as const];
      await patchObject(client, placeholder("kustomize-controller"), { json }, { fieldManager: "kubectl-patch" });
    };
    const service = { apiVersion: "v1", kind: "Service", namespace: "flux-system", name: "webhook-receiver" };
    const kustomization = {
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: { name: "gated", namespace: "default" },
      spec: { interval: "10m", prune: true, sourceRef: { kind: "GitRepository", name: "a" } },
    };
    const named = ["--kubeconfig", controlPlane.kubeconfigPath, "--context", "sluice"];
    const told = [
      `invalid argument "GroupChangeLog=perhaps" for "--feature-gates" flag: invalid value of GroupChangeLog: perhaps, err: strconv.ParseBool: parsing "perhaps": invalid syntax`,
      "unable to load feature gates: feature-gate 'Externalartifact' not supported",
    ];
    await applyObject(client, kustomization, { fieldManager: "test" });
    await setArgs(
      "--feature-gates=ExternalArtifact=true,Externalartifact=true",
      "--feature-gates=GroupChangeLog=perhaps",
    );
    // An installation would make it again.
    await deleteObject(client, service);
    const listen = ["--listen", "127.0.0.1:0", "--data", join(directory, "start")];
    for (const command of [["install"], ["start", ...listen, "--install"], ["start", ...listen]]) {
      const { code, output } = await sluice(...command, ...named);
      expect([code, output]).toEqual([
        1,
        expect.stringContaining(
          `kustomize-controller: ${told.join("; ")}\nNo controller of Flux starts with such gates`,
        ),
      ]);
    }
    expect(await findObject(client, service)).toBeUndefined();
    const why = await sluice("why", "ks/gated", "--namespace", "default", ...named);
    for (const words of told) expect(why.output).toContain(`  flags:       ${words}: it is not looked at\n`);
    await setArgs("--feature-gates=ExternalArtifact=true", "--no-cross-namespace-refs=true");
    await install();
    expect(await findObject(client, service)).toBeDefined();
    const healed = await sluice("why", "ks/gated", "--namespace", "default", ...named);
    expect(healed.output).not.toContain("flags:");
    await deleteObject(client, {
      ...kustomization.metadata,
      apiVersion: kustomization.apiVersion,
      kind: "Kustomization",
    });
  }, 60_000);

  it("BS-002, BS-044, SRC-002: what is installed carries Flux's labels, and the definitions say whose they are", async () => {
    for (const { kind, metadata } of installObjects()) {
      expect(metadata.labels).toMatchObject({
        "app.kubernetes.io/part-of": "flux",
        "app.kubernetes.io/instance": "flux-system",
        "app.kubernetes.io/version": expect.stringMatching(/^v2\.9\.\d+$/),
      });
      const managedBy = metadata.labels?.["app.kubernetes.io/managed-by"];
      expect(managedBy).toBe(kind === "CustomResourceDefinition" ? "sluice" : undefined);
    }
    const apiVersion = "apiextensions.k8s.io/v1";
    const name = "gitrepositories.source.toolkit.fluxcd.io";
    const { metadata } = await getObject(client, { apiVersion, kind: "CustomResourceDefinition", name });
    expect(metadata.annotations).toMatchObject({ "kustomize.toolkit.fluxcd.io/substitute": "disabled" });
  });

  it("BS-052, CV-009: Flux's own definition, which has the newest version alone, can take the place of ours, and ours of it", async () => {
    const ours = installObjects().find(
      ({ metadata }) => metadata.name === "kustomizations.kustomize.toolkit.fluxcd.io",
    );
    if (ours === undefined) throw new Error("there is no definition of Kustomization");
    const kustomization = {
      apiVersion: "kustomize.toolkit.fluxcd.io/v1beta2",
      kind: "Kustomization",
      metadata: { name: "old", namespace: "default" },
      spec: { interval: "10m", prune: true, sourceRef: { kind: "GitRepository", name: "a" } },
    };
    const created = await applyObject(client, kustomization, { fieldManager: "test" });
    const { spec } = ours as { spec?: { versions?: { name: string }[] } };
    const newest = spec?.versions?.filter(({ name }) => name === "v1");
    const flux = { ...ours, spec: { ...spec, versions: newest } };
    await applyObject(client, flux, { fieldManager: "flux", force: true });
    const reference = {
      ...kustomization.metadata,
      kind: "Kustomization",
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    };
    expect((await getObject(client, reference)).spec).toEqual(created.spec);
    const path = "/apis/kustomize.toolkit.fluxcd.io/v1beta2/namespaces/default/kustomizations/old";
    await expect.poll(() => client.request({ method: "GET", path }).catch((error) => error.statusCode)).toBe(404);
    await install();
    await expect
      .poll(async () => (await client.request({ method: "GET", path }).catch(() => undefined))?.spec)
      .toEqual(created.spec);
    expect((await getObject(client, referenceTo(ours))).status).toMatchObject({ storedVersions: ["v1"] });
  });

  it("BS-042, BS-043: a placeholder has no pod, is available, and names a released image", async () => {
    await expect
      .poll(async () => (await getObject(client, placeholder("notification-controller"))).status, { timeout: 20_000 })
      .toMatchObject({
        observedGeneration: 1,
        conditions: expect.arrayContaining([expect.objectContaining({ type: "Available", status: "True" })]),
      });
    const { spec } = await getObject(client, placeholder("notification-controller"));
    expect(spec).toMatchObject({
      replicas: 0,
      template: {
        spec: { containers: [{ image: expect.stringMatching(/^ghcr\.io\/fluxcd\/[a-z-]+:v\d+\.\d+\.\d+$/) }] },
      },
    });
  });

  it("BS-003, TM-001: who only fetches may read kinds and write their status, and no more", async () => {
    const may = async (groups: string[], verb: string, group: string, resource: string, namespace?: string) => {
      const resourceAttributes = { verb, group, resource, ...(namespace === undefined ? {} : { namespace }) };
      const review = {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: { user: "function", groups, resourceAttributes },
      };
      const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
      const { status } = await client.request<{ status: { allowed: boolean } }>({ method: "POST", path, body: review });
      return status.allowed;
    };
    const controllers = ["sluice:controllers"];
    const reconcilers = ["sluice:reconcilers"];
    const asked: [verb: string, group: string, resource: string, namespace?: string][] = [
      ["list", "source.toolkit.fluxcd.io", "gitrepositories"],
      ["patch", "source.toolkit.fluxcd.io", "gitrepositories/status"],
      ["get", "", "secrets"],
      ["create", "", "events"],
      ["list", "apps", "deployments", "flux-system"],
      ["create", "apps", "deployments", "shop"],
      ["patch", "", "configmaps", "shop"],
      ["delete", "kustomize.toolkit.fluxcd.io", "kustomizations"],
      ["impersonate", "", "users"],
      ["delete", "", "secrets", "shop"],
    ];
    const answers = async (groups: string[]) => Promise.all(asked.map((each) => may(groups, ...each)));
    expect(await answers(controllers)).toEqual([true, true, true, true, true, false, false, false, false, false]);
    expect(await answers(reconcilers)).toEqual(asked.map(() => true));
    expect(await answers(["somebody"])).toEqual(asked.map(() => false));
  });

  it("BS-003: who may view a namespace may view its Kustomizations", async () => {
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" };
    const binding = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "viewer", namespace: "default" },
      roleRef,
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "viewer" }],
    };
    await applyObject(client, binding, { fieldManager: "test" });
    const viewer = client.as("viewer");
    const path = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/default/kustomizations";
    // Aggregation and the authorizer's cache follow a moment later.
    await expect
      .poll(() => viewer.request({ method: "GET", path }).then(() => "seen", String), { timeout: 10_000 })
      .toBe("seen");
    await expect(viewer.request({ method: "DELETE", path: `${path}/a` })).rejects.toMatchObject({ statusCode: 403 });
  });
});
