import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bedCluster, uniqueNamespace } from "../../../test/bed/bed.ts";
import { claimsOf, type FakeCloud, startFakeCloud } from "../../../test/bed/cloud.ts";
import { openTestPlatform, type TestPlatform } from "../../../test/bed/local-platform.ts";
import { startHttpProxy } from "../../../test/bed/proxy.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { connect } from "../../cluster/connect.ts";
import { createObject } from "../../cluster/objects.ts";
import { parseSettings } from "../../engine/settings.ts";
import { awsCredentials } from "../../identity/aws.ts";
import { azureToken } from "../../identity/azure.ts";
import { createTokenCache } from "../../identity/token-cache.ts";
import { keptToken } from "./kept-token.ts";
import { keptAccessToken, keptAwsCredentials, requireObjectIdentity, sourceIdentity } from "./provider-identity.ts";
import { readProxy, readSecret, readTls } from "./secrets.ts";

const gate = "--feature-gates=ObjectLevelWorkloadIdentity=true";
let home: ClusterClient;
let namespace: string;
let cloud: FakeCloud;
let test: TestPlatform;

beforeAll(async () => {
  const cluster = await bedCluster();
  home = connect({ type: "kubeconfig", kubeconfig: cluster.kubeconfig }, { userAgent: "sluice-test" });
  namespace = await uniqueNamespace("source-secrets");
  test = await openTestPlatform("bed", cluster);
  cloud = await startFakeCloud();
});
beforeEach(() => {
  cloud.calls.length = 0;
  cloud.answers.clear();
});
afterAll(async () => {
  await cloud?.close();
  await test?.close();
});

function contextWith(args: string[] = [gate]) {
  const { records, secrets, clock, log } = test.platform;
  const settings = parseSettings(args, namespace, log);
  const signal = AbortSignal.timeout(30_000);
  return { clusterId: namespace, cluster: home, records, secrets, clock, log, settings, signal };
}

const source = (serviceAccountName?: string) => ({
  apiVersion: "source.toolkit.fluxcd.io/v1",
  kind: "Bucket",
  metadata: { namespace, name: "app" },
  spec: serviceAccountName === undefined ? {} : { serviceAccountName },
});

const account = (name: string) =>
  createObject(home, {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: {
      namespace,
      name,
      annotations: {
        "eks.amazonaws.com/role-arn": `arn:aws:iam::000000000000:role/${name}`,
        "azure.workload.identity/client-id": name,
        "azure.workload.identity/tenant-id": "tenant",
      },
    },
  });

const options = () => ({
  signal: AbortSignal.timeout(10_000),
  endpoints: cloud.endpoints,
  certificateAuthority: cloud.certificateAuthority,
});

describe("a Secret of the cluster", () => {
  const context = () => contextWith([]);

  it("SEC-001, SEC-004, SEC-011: is read at each attempt, and one that is missing is told in Flux's words", async () => {
    const missing = `secret '${namespace}/none' not found`;
    await expect(readTls(context(), namespace, "none")).rejects.toThrow(missing);
    await expect(readProxy(context(), namespace, "none")).rejects.toThrow(missing);
    await expect(readSecret(context(), namespace, "none")).rejects.toMatchObject({
      name: "SecretError",
      message: `failed to get secret '${namespace}/none': secrets "none" not found`,
      isMissing: true,
    });
    const value = (text: string) => Buffer.from(text).toString("base64");
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "proxy" } };
    await home.request({ method: "POST", path, body: { ...secret, data: { address: value("http://one.test") } } });
    expect(await readProxy(context(), namespace, "proxy")).toEqual({ address: "http://one.test" });
    await expect(readTls(context(), namespace, "proxy")).rejects.toThrow(
      `secret '${namespace}/proxy' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'`,
    );
    const data = {
      address: value("http://two.test"),
      username: value("me"),
      password: Buffer.of(255, 0).toString("base64"),
    };
    await home.request({ method: "PUT", path: `${path}/proxy`, body: { ...secret, data } });
    expect(await readProxy(context(), namespace, "proxy")).toMatchObject({
      address: "http://two.test",
      username: "me",
    });
    expect((await readSecret(context(), namespace, "proxy")).get("password")).toEqual(Buffer.of(255, 0));
  });
});

describe("the identity of a source", () => {
  it("SEC-007: needs the feature gate where the object names its account", () => {
    const words =
      "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller";
    for (const condition of ["FetchFailed", undefined] as const) {
      expect(() => requireObjectIdentity(contextWith([]), source("tenant"), condition)).toThrow(
        expect.objectContaining({ condition, reason: "FeatureGateDisabled", terminal: true, message: words }),
      );
      expect(() => requireObjectIdentity(contextWith([]), source(), condition)).not.toThrow();
      expect(() => requireObjectIdentity(contextWith(), source("tenant"), condition)).not.toThrow();
    }
  });

  it("SEC-008, SEC-009, SEC-010: is its account or the default one, each with credentials of its own, asked for once", async () => {
    for (const name of ["one", "two", "standard"]) await account(name);
    const subjects: unknown[] = [];
    cloud.answers.set("POST /", ({ body }) => {
      const form = new URLSearchParams(body);
      subjects.push(claimsOf(form.get("WebIdentityToken") ?? "").sub);
      const role = form.get("RoleArn")?.split("/").at(-1);
      const Credentials = {
        AccessKeyId: `key of ${role}`,
        SecretAccessKey: "canary",
        SessionToken: "canary",
        Expiration: Date.now() / 1000 + 3600,
      };
      return { body: { AssumeRoleWithWebIdentityResponse: { AssumeRoleWithWebIdentityResult: { Credentials } } } };
    });
    const context = contextWith([gate, "--default-service-account=standard"]);
    const ask = async (name: string | undefined, region = "eu-west-1") => {
      const identity = await sourceIdentity(context, source(name), "aws");
      const purpose = { provider: "aws", for: ["sts", region] } as const;
      return keptAwsCredentials(context, identity, purpose, (who) => awsCredentials(who, region, options()));
    };
    for (let round = 0; round < 2; round++)
      for (const name of ["one", "two", undefined]) {
        const { accessKeyId, sessionToken } = await ask(name);
        expect([accessKeyId, sessionToken]).toEqual([`key of ${name ?? "standard"}`, "canary"]);
      }
    const subject = (name: string) => `system:serviceaccount:${namespace}:${name}`;
    expect(subjects).toEqual([subject("one"), subject("two"), subject("standard")]);
    await ask("one", "us-east-1");
    expect(subjects.length).toBe(4);
    await expect(
      sourceIdentity(contextWith([gate, "--default-service-account=none"]), source(), "aws"),
    ).rejects.toThrow("the specified default service account does not exist in the object namespace");
  });

  it("SEC-006: asks the cloud through the proxy of the object", async () => {
    await account("proxied");
    const proxy = await startHttpProxy();
    cloud.answers.set("POST /tenant/oauth2/v2.0/token", () => ({ body: { access_token: "token", expires_in: 3600 } }));
    const identity = await sourceIdentity(contextWith(), source("proxied"), "azure");
    const outbound = { proxy: { address: proxy.address } };
    const asked = await keptAccessToken(
      contextWith(),
      identity,
      { provider: "azure", for: ["storage"], ...outbound },
      (who) => azureToken(who, "https://storage.azure.com/.default", { ...options(), outbound }),
    );
    expect(asked.token).toBe("token");
    expect(proxy.asked).toEqual([`CONNECT ${cloud.url.slice("https://".length)}`]);
    await proxy.stop();
  });
});

/** The records of the platform, and what is written to them. */
function watched() {
  const { records } = test.platform;
  const puts: { key: string; value: unknown }[] = [];
  const seeing: typeof records = {
    get: (name) => records.get(name),
    remove: (name, expect) => records.remove(name, expect),
    put: (name, value, expect) => {
      puts.push({ key: name, value });
      return records.put(name, value, expect);
    },
  };
  return { records: seeing, puts };
}

describe("a token that is kept", () => {
  const key = ["aws", "canary-identity", "http://canary-user:canary-password@proxy.test"];

  it("SN-008, SEC-012: outlives the process, encrypted, until it is due, and nothing of it can be told from the record", async () => {
    let asked = 0;
    const ask = async () => ({
      value: { token: `canary-token-${++asked}` },
      expiresAt: new Date(Date.now() + 600_000),
    });
    const { records, puts } = watched();
    const kept = () => ({ ...contextWith(), records });
    const cold = () => keptToken(kept(), key, ask, createTokenCache());
    expect(await cold()).toEqual({ token: "canary-token-1" });
    expect(await cold()).toEqual({ token: "canary-token-1" });
    expect(await keptToken(kept(), [...key, "other"], ask, createTokenCache())).toEqual({
      token: "canary-token-2",
    });
    expect(await keptToken({ ...kept(), clusterId: "other" }, key, ask, createTokenCache())).toEqual({
      token: "canary-token-3",
    });
    const later = { now: () => new Date(Date.now() + 500_000) };
    expect(await keptToken({ ...kept(), clock: later }, key, ask, createTokenCache())).toEqual({
      token: "canary-token-4",
    });
    expect(puts.length).toBe(4);
    expect(JSON.stringify(puts)).not.toMatch(/canary|Y2FuYXJ5/);
  });

  it("SEC-010, SN-008: is not believed where it was tampered with, moved or sealed by another seed, and size 0 keeps none", async () => {
    let asked = 0;
    const ask = async () => ({ value: { token: `${++asked}` }, expiresAt: new Date(Date.now() + 600_000) });
    const { records, puts } = watched();
    const context = { ...contextWith(), records };
    const cold = (part: string, more: object = {}) =>
      keptToken({ ...context, ...more }, ["tampered", part], ask, createTokenCache());
    await cold("a");
    await cold("b");
    const [a, b] = puts;
    if (a === undefined || b === undefined) throw new Error("nothing was written");
    await test.platform.records.put(a.key, JSON.parse(JSON.stringify(b.value)), "any");
    expect(await cold("a")).toEqual({ token: "3" });
    await test.platform.records.put(a.key, { sealed: "AAAA" }, "any");
    expect(await cold("a")).toEqual({ token: "4" });
    expect(await cold("a", { secrets: { read: async () => "another seed of the deployment" } })).toEqual({
      token: "5",
    });
    expect(await cold("a", { secrets: { read: async () => undefined } })).toEqual({ token: "6" });
    expect(await cold("a")).toEqual({ token: "4" });
    const none = { settings: parseSettings(["--token-cache-max-size=0"], namespace, test.platform.log) };
    expect([await cold("a", none), await cold("a", none)]).toEqual([{ token: "7" }, { token: "8" }]);
    expect(test.log.join("\n")).not.toMatch(/canary/);
  });

  it("SEC-010: is not kept where the asking failed", async () => {
    const refuse = () => Promise.reject(new Error("refused"));
    await expect(keptToken(contextWith(), ["failing"], refuse)).rejects.toThrow("refused");
    const given = async () => ({ value: { token: "given" }, expiresAt: new Date(Date.now() + 600_000) });
    expect(await keptToken(contextWith(), ["failing"], given)).toEqual({ token: "given" });
  });
});
