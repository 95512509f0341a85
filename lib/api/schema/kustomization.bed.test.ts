import { beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../../test/bed/bed.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import { verdictOn } from "../../../test/bed/verdict.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { applyObject, getObject, listObjects } from "../../cluster/objects.ts";
import type { KubernetesObject } from "../object.ts";

let client: ClusterClient;
let namespace: string;

beforeAll(async () => {
  client = (await installedCluster()).client;
  namespace = await uniqueNamespace("kustomization-schema");
});

const group = "kustomize.toolkit.fluxcd.io";
const source = { kind: "GitRepository", name: "app" };

function kustomization(spec: Record<string, unknown>, version = "v1", name = "app"): KubernetesObject {
  return {
    apiVersion: `${group}/${version}`,
    kind: "Kustomization",
    metadata: { name, namespace },
    spec: { interval: "10m", prune: true, sourceRef: source, ...spec },
  };
}

describe("the schema of a Kustomization", () => {
  it.each(["1m30s", "1.5h", "500ms", "1h0m0.5s"])("KS-001: %s is a duration", async (duration) => {
    const spec = { interval: duration, retryInterval: duration, timeout: duration };
    expect(await verdictOn(client, kustomization(spec))).toBe("accepted");
  });

  it.each(["interval", "retryInterval", "timeout"])("KS-001: %s must be a duration", async (field) => {
    for (const invalid of ["5x", "10", "1d", "", "-1m", "1m 30s"]) {
      expect(await verdictOn(client, kustomization({ [field]: invalid }))).toMatch(
        new RegExp(`^422 .*spec\\.${field}: Invalid value: .*should match '\\^\\(\\[0-9\\]\\+`),
      );
    }
  });

  it.each(["interval", "prune", "sourceRef"])("KS-002: %s is required", async (field) => {
    const object = kustomization({});
    const { [field]: _, ...spec } = object.spec as Record<string, unknown>;
    expect(await verdictOn(client, { ...object, spec })).toMatch(new RegExp(`^422 .*spec\\.${field}: Required value`));
  });

  const refused: [field: string, spec: Record<string, unknown>, why: string][] = [
    ["spec.namePrefix", { namePrefix: "" }, "should be at least 1 chars long"],
    ["spec.namePrefix", { namePrefix: "x".repeat(201) }, "may not be more than 200 bytes"],
    ["spec.nameSuffix", { nameSuffix: "" }, "should be at least 1 chars long"],
    ["spec.nameSuffix", { nameSuffix: "x".repeat(201) }, "may not be more than 200 bytes"],
    ["spec.targetNamespace", { targetNamespace: "" }, "should be at least 1 chars long"],
    ["spec.targetNamespace", { targetNamespace: "x".repeat(64) }, "may not be more than 63 bytes"],
    [
      "spec.postBuild.substituteFrom[0].name",
      { postBuild: { substituteFrom: [{ kind: "Secret", name: "" }] } },
      "should be at least 1 chars long",
    ],
    [
      "spec.postBuild.substituteFrom[0].name",
      { postBuild: { substituteFrom: [{ kind: "Secret", name: "x".repeat(254) }] } },
      "may not be more than 253 bytes",
    ],
    [
      "spec.postBuild.substituteFrom[0].kind",
      { postBuild: { substituteFrom: [{ kind: "Service", name: "x" }] } },
      'supported values: "Secret", "ConfigMap"',
    ],
    [
      "spec.sourceRef.kind",
      { sourceRef: { kind: "HelmRepository", name: "x" } },
      'supported values: "OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"',
    ],
    [
      "spec.deletionPolicy",
      { deletionPolicy: "Keep" },
      'supported values: "MirrorPrune", "Delete", "WaitForTermination", "Orphan"',
    ],
    [
      "spec.postBuild.substituteStrategy",
      { postBuild: { substituteStrategy: "Never" } },
      'supported values: "WithVariables", "Always"',
    ],
    ["spec.decryption.provider", { decryption: { provider: "vault" } }, 'supported values: "sops"'],
    [
      "spec.buildMetadata[0]",
      { buildMetadata: ["none"] },
      'supported values: "originAnnotations", "transformerAnnotations"',
    ],
  ];
  it.each(refused)("KS-002: %s refuses what it does not know (%j)", async (field, spec, why) => {
    const verdict = await verdictOn(client, kustomization(spec));
    expect(verdict).toMatch(/^422 /);
    expect(verdict).toContain(`${field}: `);
    expect(verdict).toContain(why);
  });

  it("KS-003: kubeConfig holds exactly one reference", async () => {
    const message = "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified";
    const reference = { name: "remote" };
    for (const kubeConfig of [{}, { configMapRef: reference, secretRef: reference }]) {
      const verdict = await verdictOn(client, kustomization({ kubeConfig }));
      expect(verdict).toMatch(/^422 /);
      expect(verdict).toContain(message);
    }
    for (const kubeConfig of [{ configMapRef: reference }, { secretRef: { ...reference, key: "config" } }]) {
      expect(await verdictOn(client, kustomization({ kubeConfig }))).toBe("accepted");
    }
  });

  it("SRC-004: a new object has its defaults and no observed generation", async () => {
    const spec = { postBuild: { substituteFrom: [{ kind: "ConfigMap", name: "vars" }] } };
    const created = await applyObject(client, kustomization(spec, "v1", "defaults"), { fieldManager: "test" });
    expect(created.status).toEqual({ observedGeneration: -1 });
    expect(created.spec).toMatchObject({
      force: false,
      postBuild: { substituteFrom: [{ kind: "ConfigMap", name: "vars", optional: false }] },
    });
  });

  it.each(["v1beta2", "v1beta1"])(
    "KS-240, KS-241: what is written as %s is read as v1 and back, whole",
    async (version) => {
      const spec = {
        ...{ wait: true, components: ["a"], commonMetadata: { labels: { a: "b" } }, namePrefix: "x-" },
        patchesStrategicMerge: [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { deep: "1" } }],
        patchesJson6902: [
          {
            patch: [{ op: "add", path: "/data/x", value: { any: [1, "two"] } }],
            target: { kind: "ConfigMap", name: "a" },
          },
        ],
        validation: "client",
        healthChecks: [{ kind: "Deployment", name: "a", namespace: "b" }],
      };
      const written = await applyObject(client, kustomization(spec, version, version), { fieldManager: "test" });
      const read = (as: string) =>
        getObject(client, { apiVersion: `${group}/${as}`, kind: "Kustomization", namespace, name: version });
      const newest = await read("v1");
      expect(newest.spec).toEqual(written.spec);
      expect(newest.spec).toMatchObject(spec);
      await applyObject(client, kustomization({ ...spec, path: "./deploy" }, "v1", version), {
        fieldManager: "test",
        force: true,
      });
      expect((await read(version)).spec).toEqual({ ...(written.spec as object), path: "./deploy" });
    },
  );

  it("KS-240, BS-052: only v1 is stored", async () => {
    const definition = await getObject(client, {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      name: `kustomizations.${group}`,
    });
    expect(definition.status).toMatchObject({ storedVersions: ["v1"] });
  });

  it("who uses a source is selected by the API server (design, State)", async () => {
    await applyObject(client, kustomization({}, "v1", "of-app"), { fieldManager: "test" });
    const other = kustomization({ sourceRef: { kind: "GitRepository", name: "other" } }, "v1", "of-other");
    await applyObject(client, other, { fieldManager: "test" });
    for (const version of ["v1", "v1beta2"]) {
      const found = await listObjects(client, {
        apiVersion: `${group}/${version}`,
        kind: "Kustomization",
        namespace,
        fieldSelector: "spec.sourceRef.kind=GitRepository,spec.sourceRef.name=other",
      });
      expect(found.map(({ metadata }) => metadata.name)).toEqual(["of-other"]);
    }
  });
});
