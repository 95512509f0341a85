import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "../../../test/bed/bed.ts";
import { type Flux, openFlux } from "../../../test/bed/flux/flux.ts";
import { copyOf, type Generators, openGenerators, readyOf } from "../../../test/bed/generators.ts";
import { configMap, openWorkspace, type Workspace } from "../../../test/bed/workspace.ts";

const registration = "admissionregistration.k8s.io/v1";

describe("the artifacts of a generator", () => {
  let workspace: Workspace;
  let generators: Generators;
  let flux: Flux;

  beforeAll(async () => {
    workspace = await openWorkspace("published");
    const { artifacts } = await bedPart("sluice");
    generators = await openGenerators(workspace, artifacts);
    flux = await openFlux(workspace.sluice.cluster.kubeconfigPath);
  });
  afterAll(async () => {
    await flux?.close();
    await workspace?.close();
  });

  it("AG-030, EA-004, EA-006: are shown by Flux's command line with what they are made of", async () => {
    await generators.create("shown", { artifacts: [copyOf("web")] });
    await generators.ready("shown");
    const inNamespace = (...args: string[]) => flux(...args, "-n", workspace.namespace);
    expect(await inNamespace("get", "artifact", "generator")).toMatch(
      /shown\s+False\s+True\s+reconciliation succeeded, generated 1 artifact\(s\)/,
    );
    expect(await inNamespace("tree", "artifact", "generator", "shown")).toContain(
      `ExternalArtifact/${workspace.namespace}/web`,
    );
    const exported = await inNamespace("export", "artifact", "generator", "shown");
    expect(exported).toContain("from: '@mono/apps/web/**'");
    expect(exported).not.toContain("status:");
    expect(await inNamespace("get", "source", "external")).toMatch(/web\s+latest@sha256:\S+\s+\S+\s+True/);
  });

  it("AG-020: have the labels and annotations of all, over which captures win, and over both what says whose they are", async () => {
    const [managedBy, generator] = ["app.kubernetes.io/managed-by", "source.extensions.fluxcd.io/generator"];
    const labels = { app: "common", team: "a", [managedBy]: "me", [generator]: "mine" };
    await generators.create("labelled", {
      commonMetadata: { labels, annotations: { note: "x" } },
      ...{ pathPattern: "@mono/apps/{app}", artifacts: [copyOf("{app}", "labelled-{app}")] },
    });
    const { metadata } = await generators.ready("labelled");
    for (const app of ["web", "api"]) {
      const made = await generators.find(`labelled-${app}`);
      expect(made.metadata.labels).toEqual({
        app,
        team: "a",
        [managedBy]: "source-watcher",
        [generator]: metadata.uid,
      });
      expect(made.metadata.annotations).toEqual({ note: "x" });
    }
    // A common label that is named as a capture never shows, whatever it is changed to.
    await workspace.patch("ArtifactGenerator", "labelled", {
      spec: { commonMetadata: { labels: { app: "other", team: "b", [managedBy]: null, [generator]: null } } },
    });
    await workspace.until("ExternalArtifact", "labelled-web", (found) => found.metadata.labels?.team === "b");
    const { labels: now } = (await generators.find("labelled-web")).metadata;
    expect(now).toEqual({ app: "web", team: "b", [managedBy]: "source-watcher", [generator]: metadata.uid });
  });

  it("AG-028, ART-015: go from the store as they do for sources, the newest two left", async () => {
    await generators.create("many", { artifacts: [copyOf("api", "many")] });
    await generators.ready("many");
    for (const version of ["2", "3", "4"]) {
      await generators.push(generators.mono, "mono", { "apps/api/map.yaml": configMap("api", { version }) });
      await expect
        .poll(async () => (await generators.filesOf("many"))["map.yaml"], { timeout: 20_000 })
        .toBe(configMap("api", { version }));
    }
    const stored = join(generators.pathOf(await generators.find("many")), "..");
    await expect.poll(() => readdir(stored), { timeout: 20_000 }).toHaveLength(2);
  });

  it("AG-006, EA-003: an artifact that others serve is fetched from its address, and one that cannot be had is told", async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === "/other" ? 200 : 404;
      response.end("not what was promised");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const at = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
    const offer = async (url: string) => {
      const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/externalartifacts/served/status`;
      const artifact = {
        url,
        digest: `sha256:${"0".repeat(64)}`,
        revision: url,
        path: "x",
        lastUpdateTime: "2026-01-01T00:00:00Z",
      };
      const contentType = "application/merge-patch+json";
      await workspace.client.request({ method: "PATCH", path, contentType, body: { status: { artifact } } });
    };
    await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "ExternalArtifact",
      metadata: { name: "served" },
    });
    await offer(`${at}/none`);
    const sources = [{ alias: "mono", kind: "ExternalArtifact", name: "served" }];
    await generators.create("of-served", { sources, artifacts: [copyOf("web", "of-served")] });
    const missing = await generators.failed("of-served", "fetch sources failed: artifact not found");
    expect(readyOf(missing)?.reason).toBe("SourceFetchFailed");
    await offer(`${at}/other`);
    await generators.failed(
      "of-served",
      "fetch sources failed: failed to verify archive: computed digest doesn't match",
    );
    const own = (await generators.find("many")).status?.artifact?.url ?? "";
    await offer(own);
    await generators.failed("of-served", "is not of an artifact of its own");
    server.close();
  });

  it("AG-026, EA-005: can be held to their generator, one address and one user, and what is refused is told and tried again", async () => {
    const name = uniqueName("artifacts");
    const { endpoint } = workspace.sluice;
    const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
    const self = await workspace.client.request<{ status: { userInfo: { username: string } } }>({
      method: "POST",
      path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
      body: review,
    });
    const rules = (forbidden: string) => [
      { expression: "object.spec.sourceRef.kind == 'ArtifactGenerator'" },
      { expression: `request.userInfo.username == '${self.status.userInfo.username}'` },
      {
        expression: `!has(object.status) || !has(object.status.artifact) || object.status.artifact.url.startsWith('${endpoint}/')`,
      },
      { expression: `object.metadata.labels['app.kubernetes.io/managed-by'] == 'source-watcher'` },
      { expression: `object.metadata.name != '${forbidden}'`, message: "no such name" },
    ];
    const matchResources = {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": workspace.namespace } },
      resourceRules: [
        {
          apiGroups: ["source.toolkit.fluxcd.io"],
          apiVersions: ["*"],
          operations: ["CREATE", "UPDATE"],
          resources: ["externalartifacts", "externalartifacts/status"],
        },
      ],
    };
    const policies = `/apis/${registration}/validatingadmissionpolicies`;
    const bindings = `/apis/${registration}/validatingadmissionpolicybindings`;
    await workspace.client.request({
      method: "POST",
      path: policies,
      body: {
        apiVersion: registration,
        kind: "ValidatingAdmissionPolicy",
        metadata: { name },
        spec: { failurePolicy: "Fail", matchConstraints: matchResources, validations: rules("forbidden") },
      },
    });
    await workspace.client.request({
      method: "POST",
      path: bindings,
      body: {
        apiVersion: registration,
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: { name },
        spec: { policyName: name, validationActions: ["Deny"] },
      },
    });
    const foreign = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "ExternalArtifact" };
    // A policy is in force a while after it is stored.
    await expect
      .poll(
        () =>
          workspace.create({ ...foreign, metadata: { name: uniqueName("foreign") } }).then(
            () => "taken",
            () => "refused",
          ),
        { timeout: 30_000 },
      )
      .toBe("refused");
    try {
      await generators.create("held", { artifacts: [copyOf("web", "allowed")] });
      await generators.ready("held");
      await workspace.patch("ArtifactGenerator", "held", { spec: { artifacts: [copyOf("web", "forbidden")] } });
      const refused = await generators.failed("held", "forbidden reconcile failed: failed to apply ExternalArtifact: ");
      expect(readyOf(refused)).toMatchObject({
        reason: "ReconciliationFailed",
        message: expect.stringContaining("no such name"),
      });
      expect(await generators.told("held", "ReconciliationFailed", "no such name")).not.toHaveLength(0);
      expect((await generators.find("allowed")).status?.artifact).toBeDefined();
    } finally {
      for (const path of [bindings, policies])
        await workspace.client.request({ method: "DELETE", path: `${path}/${name}` });
    }
    await generators.ready("held");
    await workspace.untilGone("ExternalArtifact", "allowed");
  }, 90_000);
});
