import { beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../../test/bed/bed.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import { verdictOn } from "../../../test/bed/verdict.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { applyObject, createObject, getObject } from "../../cluster/objects.ts";
import type { KubernetesObject } from "../object.ts";

const group = "source.toolkit.fluxcd.io";
const endpoint = "http://test";

describe("the schema of a Bucket", () => {
  let client: ClusterClient;
  let namespace: string;

  beforeAll(async () => {
    client = (await installedCluster()).client;
    namespace = await uniqueNamespace("bucket-schema");
  });

  const bucket = (spec: Record<string, unknown>, version = "v1", name = "app"): KubernetesObject => ({
    apiVersion: `${group}/${version}`,
    kind: "Bucket",
    metadata: { name, namespace },
    spec: { bucketName: "test", endpoint: "test", interval: "1m", ...spec },
  });

  const others = "STS configuration is only supported for the 'aws' and 'generic' Bucket providers";
  it.each([
    ["gcp unsupported", "gcp", { provider: "aws", endpoint }, others],
    ["azure unsupported", "azure", { provider: "aws", endpoint }, others],
    ["aws supported", "aws", { provider: "aws", endpoint }, ""],
    [
      "invalid endpoint",
      "aws",
      { provider: "aws", endpoint: "test" },
      "spec.sts.endpoint in body should match '^(http|https)://.*$'",
    ],
    ["gcp without", "gcp", undefined, ""],
    ["azure without", "azure", undefined, ""],
    ["generic without", "generic", undefined, ""],
    ["aws without", "aws", undefined, ""],
    [
      "ldap unsupported for aws",
      "aws",
      { provider: "ldap", endpoint },
      "'aws' is the only supported STS provider for the 'aws' Bucket provider",
    ],
    [
      "aws unsupported for generic",
      "generic",
      { provider: "aws", endpoint },
      "'ldap' is the only supported STS provider for the 'generic' Bucket provider",
    ],
    [
      "aws does not require a secret",
      "aws",
      { provider: "aws", endpoint, secretRef: { name: "" } },
      "spec.sts.secretRef is not required for the 'aws' STS provider",
    ],
    [
      "aws does not require a cert secret",
      "aws",
      { provider: "aws", endpoint, certSecretRef: { name: "" } },
      "spec.sts.certSecretRef is not required for the 'aws' STS provider",
    ],
    ["ldap may use a secret", "generic", { provider: "ldap", endpoint, secretRef: { name: "" } }, ""],
    ["ldap may use a cert secret", "generic", { provider: "ldap", endpoint, certSecretRef: { name: "" } }, ""],
    ["ldap may use neither", "generic", { provider: "ldap", endpoint }, ""],
  ])("BKT-024: %s", async (_, provider, sts, words) => {
    const verdict = await verdictOn(client, bucket({ provider, ...(sts === undefined ? {} : { sts }) }));
    if (words === "") expect(verdict).toBe("accepted");
    else expect(verdict).toContain(words);
  });

  it("BKT-001, BKT-030, SRC-032: what is required, what is one of a few words, and what excludes each other", async () => {
    for (const field of ["bucketName", "endpoint", "interval"])
      expect(await verdictOn(client, bucket({ [field]: undefined }))).toMatch(
        new RegExp(`^422 .*spec\\.${field}: Required value`),
      );
    for (const provider of ["generic", "aws", "gcp", "azure"])
      expect(await verdictOn(client, bucket({ provider }))).toBe("accepted");
    expect(await verdictOn(client, bucket({ provider: "s3" }))).toMatch(/^422 .*spec\.provider: Unsupported value/);
    expect(await verdictOn(client, bucket({ timeout: "1h" }))).toMatch(/^422 .*spec\.timeout: Invalid value/);
    expect(await verdictOn(client, bucket({ serviceAccountName: "a" }))).toContain(
      "ServiceAccountName is not supported for the 'generic' Bucket provider",
    );
    const both = { provider: "aws", serviceAccountName: "a", secretRef: { name: "b" } };
    expect(await verdictOn(client, bucket(both))).toContain(
      "cannot set both .spec.secretRef and .spec.serviceAccountName",
    );
    expect(await verdictOn(client, bucket({ provider: "aws", serviceAccountName: "a" }))).toBe("accepted");
  });

  it("BKT-001, SRC-004: a new object has its defaults and no observed generation", async () => {
    const created = await applyObject(client, bucket({}, "v1", "defaults"), { fieldManager: "test" });
    expect(created.status).toEqual({ observedGeneration: -1 });
    expect(created.spec).toEqual({
      bucketName: "test",
      endpoint: "test",
      interval: "1m",
      provider: "generic",
      timeout: "60s",
    });
  });

  it("CV-001, CV-005: every field that is written is read back in both versions, and no other is kept", async () => {
    const spec = {
      provider: "generic",
      bucketName: "test",
      endpoint: "test",
      region: "eu-central-1",
      prefix: "deploy/",
      insecure: true,
      sts: { provider: "ldap", endpoint, secretRef: { name: "a" }, certSecretRef: { name: "b" } },
      certSecretRef: { name: "c" },
      proxySecretRef: { name: "d" },
      interval: "1m",
      timeout: "20s",
      ignore: "*.txt",
      suspend: true,
    };
    const written = bucket({ ...spec, unknown: 1 }, "v1beta2", "whole");
    await createObject(client, written);
    for (const version of ["v1", "v1beta2"]) {
      const reference = { apiVersion: `${group}/${version}`, kind: "Bucket", namespace, name: "whole" };
      expect((await getObject<KubernetesObject & { spec: unknown }>(client, reference)).spec).toEqual(spec);
    }
  });
});
