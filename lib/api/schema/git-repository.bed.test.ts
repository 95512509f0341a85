import { beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../../test/bed/bed.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import { verdictOn } from "../../../test/bed/verdict.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { applyObject, createObject, getObject } from "../../cluster/objects.ts";
import type { KubernetesObject } from "../object.ts";
import { gitRepositorySpec } from "./git-repository.ts";

let client: ClusterClient;
let namespace: string;

beforeAll(async () => {
  client = (await installedCluster()).client;
  namespace = await uniqueNamespace("git-repository-schema");
});

const group = "source.toolkit.fluxcd.io";

function repository(spec: Record<string, unknown>, version = "v1", name = "app"): KubernetesObject {
  return {
    apiVersion: `${group}/${version}`,
    kind: "GitRepository",
    metadata: { name, namespace },
    spec: { url: "https://example.com/app.git", interval: "1m", ...spec },
  };
}

describe("the schema of a GitRepository", () => {
  it.each(["http://a/b", "https://a/b.git", "ssh://git@a/b"])("GIT-001: %s is an address", async (url) => {
    expect(await verdictOn(client, repository({ url }))).toBe("accepted");
  });

  it.each(["git@example.com:app.git", "git://a/b", "file:///a", ""])("GIT-001: %j is none", async (url) => {
    expect(await verdictOn(client, repository({ url }))).toMatch(
      /^422 .*spec\.url: Invalid value: .*should match '\^\(http\|https\|ssh\):\/\/\.\*\$'/,
    );
  });

  it("SRC-032: interval and timeout are durations, timeout without hours", async () => {
    for (const interval of ["1h30m", "1m30s", "1.5m"])
      expect(await verdictOn(client, repository({ interval }))).toBe("accepted");
    for (const interval of ["10", "1d"])
      expect(await verdictOn(client, repository({ interval }))).toMatch(/^422 .*spec\.interval: Invalid value/);
    expect(await verdictOn(client, repository({ timeout: "1m30s" }))).toBe("accepted");
    expect(await verdictOn(client, repository({ timeout: "1h" }))).toMatch(/^422 .*spec\.timeout: Invalid value/);
  });

  it("GIT-001: url and interval are required", async () => {
    const object = repository({});
    const verdict = await verdictOn(client, { ...object, spec: {} });
    expect(verdict).toMatch(/^422 /);
    expect(verdict).toContain("spec.url: Required value");
    expect(verdict).toContain("spec.interval: Required value");
  });

  it("SRC-004, SRC-032: a new object has its defaults and no observed generation", async () => {
    const spec = { verify: { secretRef: { name: "keys" } } };
    const created = await applyObject(client, repository(spec, "v1", "defaults"), { fieldManager: "test" });
    expect(created.status).toEqual({ observedGeneration: -1 });
    expect(created.spec).toMatchObject({ timeout: "60s", verify: { mode: "HEAD" } });
  });

  it("CV-008: v1beta1 is not served", async () => {
    const path = `/apis/${group}/v1beta1/namespaces/${namespace}/gitrepositories`;
    const write = client.request({ method: "POST", path, body: repository({}, "v1beta1") });
    await expect(write).rejects.toMatchObject({ statusCode: 404 });
  });

  it("a service account is for the providers that have one", async () => {
    const message = "serviceAccountName can only be set when provider is 'azure' or 'aws'";
    for (const provider of [{}, { provider: "generic" }, { provider: "github" }])
      expect(await verdictOn(client, repository({ serviceAccountName: "a", ...provider }))).toContain(message);
    expect(await verdictOn(client, repository({ serviceAccountName: "a", provider: "azure" }))).toBe("accepted");
  });

  it("CV-001: every field that is written is read back, and no other is kept", async () => {
    const spec = {
      url: "ssh://git@example.com/app.git",
      interval: "1m30s",
      timeout: "20s",
      ref: { branch: "main", tag: "v1.0.0", semver: ">=1.0.0", name: "refs/heads/main", commit: "a".repeat(40) },
      provider: "azure",
      secretRef: { name: "credentials" },
      serviceAccountName: "identity",
      proxySecretRef: { name: "proxy" },
      verify: { mode: "TagAndHEAD", secretRef: { name: "keys" } },
      ignore: "/*\n!/deploy\n",
      include: [{ repository: { name: "base" }, fromPath: "a", toPath: "b" }],
      sparseCheckout: ["deploy"],
      recurseSubmodules: true,
      suspend: true,
    };
    const written = repository({ ...spec, unheardOf: 1 }, "v1", "whole");
    // Server-side apply refuses a field that no schema has; a POST drops it.
    await createObject(client, written);
    const reference = { apiVersion: `${group}/v1`, kind: "GitRepository", namespace, name: "whole" };
    expect((await getObject(client, reference)).spec).toEqual(spec);
    expect(Object.keys(spec).toSorted()).toEqual(
      Object.keys(gitRepositorySpec.properties)
        .filter((field) => field !== "gitImplementation" && field !== "accessFrom")
        .toSorted(),
    );
  });

  it("CV-003, CV-006, BS-051: what is written as v1beta2 is read as v1, whole", async () => {
    const spec = {
      gitImplementation: "libgit2",
      accessFrom: { namespaceSelectors: [{ matchLabels: { team: "a" } }] },
      verify: { mode: "head", secretRef: { name: "keys" } },
      ref: { branch: "main" },
    };
    await applyObject(client, repository(spec, "v1beta2", "old"), { fieldManager: "test" });
    const reference = { apiVersion: `${group}/v1`, kind: "GitRepository", namespace, name: "old" };
    expect((await getObject(client, reference)).spec).toMatchObject(spec);
  });
});
