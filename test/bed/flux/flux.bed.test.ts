import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { patchObject } from "../../../lib/cluster/objects.ts";
import { freePort } from "../../../lib/host/free-port.ts";
import { conditionOf, configMap, openWorkspace, type Workspace } from "../workspace.ts";
import { type Flux, openFlux } from "./flux.ts";

const sourceVersion = "source.toolkit.fluxcd.io/v1";
const chart = "apiVersion: v2\nname: app\nversion: 1.2.3\n";

describe("Flux's command line, as it is released, in a cluster of Sluice's", () => {
  let workspace: Workspace;
  let flux: Flux;
  const inNamespace = (...args: string[]) => flux(...args, "-n", workspace.namespace);
  const source = (kind: string, name: string, spec: Record<string, unknown>) =>
    workspace.create({ apiVersion: sourceVersion, kind, metadata: { name }, spec: { interval: "1h", ...spec } });

  beforeAll(async () => {
    workspace = await openWorkspace("flux");
    flux = await openFlux(workspace.sluice.cluster.kubeconfigPath);
    const repository = await workspace.repository({ "apps/one.yaml": configMap("one", {}), "app/Chart.yaml": chart });
    const dead = `127.0.0.1:${await freePort()}`;
    await workspace.gitRepository("web", repository.url);
    await workspace.kustomization("apps", { path: "./apps", sourceRef: { kind: "GitRepository", name: "web" } });
    await source("HelmChart", "app", { chart: "./app", sourceRef: { kind: "GitRepository", name: "web" } });
    await source("OCIRepository", "image", { url: `oci://${dead}/image` });
    await source("HelmRepository", "charts", { url: `http://${dead}` });
    await source("Bucket", "files", { endpoint: dead, bucketName: "files", insecure: true });
    await workspace.create({
      apiVersion: sourceVersion,
      kind: "ExternalArtifact",
      metadata: { name: "made" },
      spec: { sourceRef: { apiVersion: sourceVersion, kind: "GitRepository", name: "web" } },
    });
    await workspace.untilReady("GitRepository", "web");
    await workspace.untilReady("Kustomization", "apps");
    await workspace.untilReady("HelmChart", "app");
    for (const [kind, name] of [
      ["OCIRepository", "image"],
      ["HelmRepository", "charts"],
      ["Bucket", "files"],
    ] as const)
      await workspace.until(kind, name, ({ status }) => conditionOf(status, "Ready")?.status === "False");
  });
  afterAll(async () => {
    await flux?.close();
    await workspace?.close();
  });

  it("SRC-038, EA-006: gets sources of every kind, with their revision, state and message", async () => {
    const { artifact } = (await workspace.find("GitRepository", "web"))?.status ?? {};
    const { namespace, client } = workspace;
    const now = "2026-03-01T12:00:00Z";
    const condition = {
      type: "Ready",
      status: "True",
      reason: "Succeeded",
      message: "made it",
      lastTransitionTime: now,
    };
    const status = {
      conditions: [condition],
      artifact: { ...artifact, lastUpdateTime: now, revision: "latest@sha256:1" },
    };
    const made = { apiVersion: sourceVersion, kind: "ExternalArtifact", namespace, name: "made" };
    await patchObject(client, made, { merge: { status } }, { fieldManager: "maker", subresource: "status" });

    const all = await inNamespace("get", "sources", "all");
    for (const name of [
      "gitrepository/web",
      "ocirepository/image",
      "helmrepository/charts",
      "helmchart/app",
      "bucket/files",
      "externalartifact/made",
    ])
      expect(all).toContain(name);
    const [, sha = ""] = artifact?.revision.split("sha1:") ?? [];
    expect(await inNamespace("get", "source", "git")).toMatch(
      new RegExp(`^web\\s+main@sha1:${sha.slice(0, 8)}\\s+False\\s+True\\s+stored artifact for revision`, "m"),
    );
    expect(await inNamespace("get", "source", "chart")).toMatch(
      /^app\s+1\.2\.3\s+False\s+True\s+packaged 'app' chart/m,
    );
    expect(await inNamespace("get", "source", "external")).toMatch(
      /^made\s+latest@sha256:1\s+GitRepository\/\S*\/web\s+True\s+made it/m,
    );
    for (const [kind, name] of [
      ["oci", "image"],
      ["helm", "charts"],
      ["bucket", "files"],
    ] as const)
      expect(await inNamespace("get", "source", kind)).toMatch(new RegExp(`^${name}\\s+False\\s+False\\s+\\S`, "m"));
  });

  it("SRC-038: shows what is made of a source, where it comes from, what happened, and how it was asked for", async () => {
    const { namespace } = workspace;
    expect(await inNamespace("tree", "kustomization", "apps")).toContain(`ConfigMap/${namespace}/one`);
    expect(await inNamespace("events", "--for", "GitRepository/web")).toMatch(
      /Normal\s+NewArtifact\s+GitRepository\/web/,
    );
    const exported = await inNamespace("export", "source", "git", "web");
    expect(exported).toContain("kind: GitRepository");
    expect(exported).not.toContain("status:");
  });

  it("SRC-038: traces an object to the source that it comes from", async () => {
    const trace = await inNamespace("trace", "configmap", "one");
    expect(trace).toMatch(/^Kustomization:\s+apps$/m);
    expect(trace).toMatch(/^GitRepository:\s+web$/m);
    expect(trace).toMatch(/^Revision:\s+main@sha1:/m);
  });

  it("SRC-038, EA-004: traces an object to an ExternalArtifact and what that is made of, in the namespace of each where none is named", async () => {
    const { namespace } = workspace;
    await workspace.kustomization("published", { sourceRef: { kind: "ExternalArtifact", name: "made" } });
    const group = "kustomize.toolkit.fluxcd.io";
    const labels = { [`${group}/name`]: "published", [`${group}/namespace`]: namespace };
    await workspace.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "two", labels } });
    const trace = await inNamespace("trace", "configmap", "two");
    expect(trace).toMatch(/^ExternalArtifact:\s*made\nNamespace:\s+flux-\S+\nSource:\s+GitRepository\/\S*\/web$/m);
    expect(trace).toMatch(/^Revision:\s+latest@sha256:1$/m);
  });

  it("SRC-038: reconciles, suspends and resumes a source", async () => {
    expect(await inNamespace("reconcile", "source", "git", "web")).toContain("fetched revision main@sha1:");
    expect(await inNamespace("suspend", "source", "git", "web")).toContain("source git suspended");
    expect((await workspace.find("GitRepository", "web"))?.spec.suspend).toBe(true);
    expect(await inNamespace("resume", "source", "git", "web")).toContain("fetched revision main@sha1:");
  });
});
