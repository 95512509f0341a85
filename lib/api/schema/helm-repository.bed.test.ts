import { beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../../test/bed/bed.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import { verdictOn } from "../../../test/bed/verdict.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { applyObject, createObject, getObject } from "../../cluster/objects.ts";
import type { KubernetesObject } from "../object.ts";
import { helmRepositorySpec } from "./helm-repository.ts";

const group = "source.toolkit.fluxcd.io";

describe("the schema of a HelmRepository", () => {
  let client: ClusterClient;
  let namespace: string;

  beforeAll(async () => {
    client = (await installedCluster()).client;
    namespace = await uniqueNamespace("helm-repository-schema");
  });

  const repository = (spec: Record<string, unknown>, version = "v1", name = "app"): KubernetesObject => ({
    apiVersion: `${group}/${version}`,
    kind: "HelmRepository",
    metadata: { name, namespace },
    spec: { url: "https://example.com/charts", ...spec },
  });

  it("HR-001: an address is of http, https or oci", async () => {
    for (const url of ["http://a/b", "https://a/b?c=d", "oci://a:5000/b"])
      expect(await verdictOn(client, repository({ url }))).toBe("accepted");
    for (const url of ["ftp://a/b", "a/b", "", "s3://a"])
      expect(await verdictOn(client, repository({ url }))).toMatch(
        /^422 .*spec\.url: Invalid value: .*should match '\^\(http\|https\|oci\):\/\/\.\*\$'/,
      );
  });

  it("SRC-032, HR-018: interval and timeout are durations, and need not be there", async () => {
    for (const interval of ["1h30m", "1.5m"])
      expect(await verdictOn(client, repository({ interval }))).toBe("accepted");
    for (const interval of ["10", "1d"])
      expect(await verdictOn(client, repository({ interval }))).toMatch(/^422 .*spec\.interval: Invalid value/);
    expect(await verdictOn(client, repository({ timeout: "90s" }))).toBe("accepted");
    expect(await verdictOn(client, repository({ timeout: "1h" }))).toMatch(/^422 .*spec\.timeout: Invalid value/);
  });

  it("HR-013: type and provider are words of a closed set", async () => {
    for (const type of ["default", "oci"]) expect(await verdictOn(client, repository({ type }))).toBe("accepted");
    expect(await verdictOn(client, repository({ type: "git" }))).toMatch(/^422 .*spec\.type: Unsupported value/);
    for (const provider of ["generic", "aws", "azure", "gcp"])
      expect(await verdictOn(client, repository({ provider }))).toBe("accepted");
    expect(await verdictOn(client, repository({ provider: "x" }))).toMatch(/^422 .*spec\.provider: Unsupported value/);
  });

  it("SRC-004, HR-013: a new object has its defaults and no observed generation", async () => {
    const created = await applyObject(client, repository({}, "v1", "defaults"), { fieldManager: "test" });
    expect(created.status).toEqual({ observedGeneration: -1 });
    expect(created.spec).toEqual({ url: "https://example.com/charts", provider: "generic" });
  });

  it("CV-001, CV-005, HR-016: every field that is written is read back, and no other is kept", async () => {
    const spec = {
      url: "oci://example.com/charts",
      type: "oci",
      interval: "1m30s",
      timeout: "20s",
      secretRef: { name: "login" },
      certSecretRef: { name: "tls" },
      passCredentials: true,
      provider: "aws",
      insecure: true,
      suspend: true,
      accessFrom: { namespaceSelectors: [{ matchLabels: { a: "b" } }] },
    };
    expect(Object.keys(spec).sort()).toEqual(Object.keys(helmRepositorySpec.properties).sort());
    for (const version of ["v1", "v1beta2"]) {
      const object = repository({ ...spec, unknown: 1 }, version, `whole-${version}`);
      // Server-side apply refuses a field that no schema has; a POST drops it.
      await createObject(client, object);
      const read = await getObject<KubernetesObject & { spec: unknown }>(client, {
        apiVersion: `${group}/v1`,
        kind: "HelmRepository",
        namespace,
        name: `whole-${version}`,
      });
      expect(read.spec).toEqual(spec);
    }
  });
});
