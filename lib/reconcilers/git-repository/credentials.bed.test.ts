import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bedCluster, uniqueNamespace } from "../../../test/bed/bed.ts";
import { type FakeCloud, startFakeCloud } from "../../../test/bed/cloud.ts";
import { openTestPlatform, type TestPlatform } from "../../../test/bed/local-platform.ts";
import { startHttpProxy } from "../../../test/bed/proxy.ts";
import type { GitRepository, GitRepositorySpec } from "../../api/git-repository.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { connect } from "../../cluster/connect.ts";
import { parseSettings } from "../../engine/settings.ts";
import type { GitRemote } from "../../git/git-remote.ts";
import { moduleRemote } from "../../git/submodules.ts";
import type { ProxyAddress } from "../../platform/outbound.ts";
import { SourceFailure } from "../source/source-failure.ts";
import type { CredentialContext } from "./credentials.ts";
import { readRemote } from "./remote.ts";

const canary = "c4n4ry";
const now = new Date("2026-01-02T03:04:05Z");
const inAnHour = new Date(now.getTime() + 3_600_000);
const codeCommit = "https://git-codecommit.eu-central-1.amazonaws.com/v1/repos/app";
const own = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: canary, sessionToken: "session" };
const open = "--feature-gates=ObjectLevelWorkloadIdentity=true";
const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

let cluster: ClusterClient;
let namespace: string;
let cloud: FakeCloud;
let bed: TestPlatform;
let objects = 0;
beforeAll(async () => {
  const { kubeconfig } = await bedCluster();
  cluster = connect({ type: "kubeconfig", kubeconfig }, { userAgent: "test", trusted: true });
  namespace = await uniqueNamespace("git-credentials");
  cloud = await startFakeCloud();
  bed = await openTestPlatform("test", { kubeconfig });
  await account("deployer", { "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/deployer" });
  await account("azure", { "azure.workload.identity/tenant-id": "t", "azure.workload.identity/client-id": "c" });
});
beforeEach(() => {
  cloud.calls.length = 0;
  cloud.answers.clear();
});
afterAll(async () => {
  await bed?.close();
  await cloud?.close();
});

async function account(name: string, annotations: Record<string, string>): Promise<void> {
  const body = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, annotations } };
  await cluster.request({ method: "POST", path: `/api/v1/namespaces/${namespace}/serviceaccounts`, body });
}

async function secret(stringData: Record<string, string>): Promise<{ secretRef: { name: string } }> {
  const name = `secret-${objects++}`;
  const body = { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData };
  await cluster.request({ method: "POST", path: `/api/v1/namespaces/${namespace}/secrets`, body });
  return { secretRef: { name } };
}

type Run = { args?: string[]; context?: Partial<CredentialContext>; proxy?: ProxyAddress };

function read(spec: Partial<GitRepositorySpec>, { args = [], context = {}, proxy }: Run = {}) {
  const object: GitRepository = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "app", namespace },
    spec: { url: "https://git.test/app.git", interval: "1m", ...spec },
  };
  const { endpoints, certificateAuthority } = cloud;
  const { records, secrets, log } = bed.platform;
  return readRemote(object, new URL(object.spec.url), proxy, {
    ...{ cluster, clusterId: "test", signal: AbortSignal.timeout(60_000), clock: { now: () => now } },
    ...{ settings: parseSettings(args, "flux-system", log), clouds: { endpoints, certificateAuthority } },
    ...{ records, secrets, log },
    ...context,
  }).then(({ asker: _asker, ...remote }) => remote);
}

async function failureOf(spec: Partial<GitRepositorySpec>, run: Run = {}): Promise<SourceFailure> {
  const error: unknown = await read(spec, run).catch((reason: unknown) => reason);
  expect(String(error)).not.toContain(canary);
  if (error instanceof SourceFailure) return error;
  throw new Error(`no SourceFailure: ${String(error)}`);
}

const credentialsOf = (remote: GitRemote) => remote.credentials;

describe("credentials of a provider", () => {
  it("GIT-067, GIT-068: CodeCommit by what the deployment runs as", async () => {
    const context = { awsCredentials: async () => own };
    const remote = await read({ url: codeCommit, provider: "aws" }, { context });
    expect(credentialsOf(remote)).toEqual({
      username: "AKIDEXAMPLE%session",
      password: expect.stringMatching(/^20260102T030405Z[0-9a-f]{64}$/),
    });
    // A submodule in another repository of the region is signed for anew (GIT-071).
    const sibling = await read({ url: `${codeCommit}-lib`, provider: "aws" }, { context });
    expect(remote.sign?.(new URL(`${codeCommit}-lib`))).toEqual(credentialsOf(sibling));
    expect(credentialsOf(sibling)).not.toEqual(credentialsOf(remote));
    const failed = "failed to configure authentication options:";
    expect(await failureOf({ provider: "aws" }, { context })).toMatchObject({
      ...{ condition: "FetchFailed", reason: "AuthenticationFailed", terminal: false },
      message: `${failed} invalid AWS CodeCommit Git URL: git.test`,
    });
    const http = await failureOf({ url: codeCommit.replace("https", "http"), provider: "aws" }, { context });
    expect(http.message).toBe(`${failed} AWS CodeCommit authentication requires an HTTPS Git URL`);
  });

  it("SEC-007: a service account needs its gate", async () => {
    for (const provider of ["aws", "azure"] as const) {
      expect(await failureOf({ url: codeCommit, provider, serviceAccountName: "deployer" })).toMatchObject({
        ...{ condition: "FetchFailed", reason: "FeatureGateDisabled", terminal: true },
        message:
          "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller",
      });
    }
  });

  it("GIT-068, GIT-070, SEC-008, SEC-009, SEC-010: CodeCommit by the role of a service account, asked for once", async () => {
    const Credentials = {
      AccessKeyId: "ASIA",
      SecretAccessKey: canary,
      SessionToken: "s",
      Expiration: inAnHour.getTime() / 1000,
    };
    cloud.answers.set("POST /", () => ({
      body: { AssumeRoleWithWebIdentityResponse: { AssumeRoleWithWebIdentityResult: { Credentials } } },
    }));
    const named = { url: codeCommit, provider: "aws", serviceAccountName: "deployer" } as const;
    expect(credentialsOf(await read(named, { args: [open] }))).toMatchObject({ username: "ASIA%s" });
    await read(named, { args: [open] });
    expect(cloud.calls).toHaveLength(1);
    // Another URL in the region has a signature of its own by the same credentials.
    const other = await read({ ...named, url: `${codeCommit}-other` }, { args: [open] });
    expect(credentialsOf(other)).not.toEqual(credentialsOf(await read(named, { args: [open] })));
    expect(cloud.calls).toHaveLength(1);
    const byDefault = { url: codeCommit, provider: "aws" } as const;
    const args = [open, "--default-service-account=deployer"];
    expect(credentialsOf(await read(byDefault, { args }))).toMatchObject({ username: "ASIA%s" });

    cloud.answers.set("POST /", () => ({ status: 403, body: { Error: { Code: "AccessDenied", Message: "no" } } }));
    expect(await failureOf(named, { args: [open, "--token-cache-max-size=0"] })).toMatchObject({
      ...{ condition: "FetchFailed", reason: "AuthenticationFailed", terminal: false },
      message: expect.stringMatching(
        new RegExp(
          `^failed to configure authentication options: failed to get access token for Git repository: failed to create provider access token for service account '${namespace}/deployer': .*AccessDenied`,
        ),
      ),
    });
  });

  it("GIT-066: Azure DevOps by the identity of a service account, as a bearer token", async () => {
    cloud.answers.set("POST /t/oauth2/v2.0/token", () => ({ body: { access_token: "entra", expires_in: 3600 } }));
    const url = "https://dev.azure.com/org/project/_git/repo";
    const spec = { url, provider: "azure", serviceAccountName: "azure" } as const;
    const remote = await read(spec, { args: [open] });
    expect(remote).toMatchObject({ url, credentials: { bearerToken: "entra" } });
    // A submodule elsewhere is not shown what its repository's author has no right to.
    expect(moduleRemote(remote, "https://dev.azure.com/org/project/_git/lib").credentials).toEqual({
      bearerToken: "entra",
    });
    expect(moduleRemote(remote, "https://evil.test/lib").credentials).toBeUndefined();
    expect(new URLSearchParams(cloud.calls[0]?.body).get("scope")).toBe(
      "499b84ac-1321-427f-aa17-267ca6975798/.default",
    );
    expect(await read({ ...spec, url: "https://org.visualstudio.com/x" }, { args: [open] })).toMatchObject({
      credentials: { bearerToken: "entra" },
    });
  });

  it("GIT-066, SEC-012: the token for Azure DevOps goes to its own hosts alone, and by TLS", async () => {
    for (const url of [
      ...[
        "http://dev.azure.com/org/project/_git/repo",
        "https://evil.test/org/_git/repo",
        "https://dev.azure.com:8443/o",
      ],
      ...["https://dev.azure.com.evil.test/org", "https://evil.test/.visualstudio.com", "https://visualstudio.com/org"],
    ]) {
      const failure = await failureOf({ url, provider: "azure", serviceAccountName: "azure" }, { args: [open] });
      expect(failure.message).toMatch(
        /a token for Azure DevOps goes to https:\/\/dev\.azure\.com and .* alone, not to http/,
      );
    }
    expect(cloud.calls).toEqual([]);
  });

  it("SEC-006: a cloud and an API are asked through the object's proxy, a token for each", async () => {
    const proxied = await startHttpProxy();
    try {
      const proxy = { address: proxied.address };
      const place = `CONNECT ${new URL(cloud.url).host}`;
      cloud.answers.set("POST /t/oauth2/v2.0/token", () => ({ body: { access_token: "proxied", expires_in: 3600 } }));
      const url = "https://dev.azure.com/org/project/_git/repo";
      const spec = { url, provider: "azure", serviceAccountName: "azure" } as const;
      const remote = await read(spec, { args: [open], proxy });
      expect(remote).toMatchObject({ url, credentials: { bearerToken: "proxied" }, proxy });
      expect(proxied.asked).toEqual([place]);
      cloud.answers.set("POST /", () => ({ status: 403, body: {} }));
      await failureOf({ url: codeCommit, provider: "aws", serviceAccountName: "deployer" }, { args: [open], proxy });
      expect(proxied.asked.length).toBeGreaterThanOrEqual(1);
      expect(cloud.calls.map(({ path }) => path)).toEqual(["/t/oauth2/v2.0/token", "/"]);
    } finally {
      await proxied.stop();
    }
  });

  it("GIT-062: a GitHub App, whose API is reached by the Secret's authority; its token is kept until the Secret changes", async () => {
    const granted = { token: "ghs", expires_at: inAnHour.toISOString() };
    cloud.answers.set("POST /api/v3/app/installations/2/access_tokens", () => ({ status: 201, body: granted }));
    const app = {
      githubAppID: "1",
      githubAppInstallationID: "2",
      githubAppPrivateKey: privateKey,
      githubAppBaseURL: cloud.url,
      "ca.crt": cloud.certificateAuthority,
    };
    const context = { clouds: {} };
    const spec = { provider: "github", ...(await secret(app)) } as const;
    const expected = { username: "x-access-token", password: "ghs" };
    const remote = await read(spec, { context });
    expect(credentialsOf(remote)).toEqual(expected);
    expect(moduleRemote(remote, "https://evil.test/lib").credentials).toBeUndefined();
    expect(credentialsOf(await read(spec, { context }))).toEqual(expected);
    expect(cloud.calls).toHaveLength(1);
    const { "ca.crt": _, ...untrusted } = app;
    const refused = await failureOf({ provider: "github", ...(await secret(untrusted)) }, { context });
    expect(refused).toMatchObject({ reason: "AuthenticationFailed", message: expect.stringContaining("x509: ") });
    expect(cloud.calls).toHaveLength(1);
  });

  it("GIT-062, GIT-064, GIT-065: what a GitHub App's Secret lacks", async () => {
    const lacking = "secretRef with github app data must be specified when provider is set to github";
    const ofApp = { reason: "InvalidProviderConfiguration", message: lacking };
    expect(await failureOf({ provider: "github" })).toMatchObject({ ...ofApp, terminal: true });
    const key = { githubAppPrivateKey: canary };
    for (const data of [{ username: "a", password: "b" }, { githubAppID: "1" }, key]) {
      const failure = await failureOf({ provider: "github", ...(await secret(data)) });
      expect(failure).toMatchObject({ ...ofApp, terminal: false });
    }
    const both = { githubAppInstallationOwner: "o", githubAppInstallationID: "1" };
    for (const data of [{}, both]) {
      const { secretRef } = await secret({ githubAppID: "1", ...key, ...data });
      expect(await failureOf({ provider: "github", secretRef })).toMatchObject({
        reason: "AuthenticationFailed",
        message: `secret '${namespace}/${secretRef.name}' must contain exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'`,
      });
    }
    const wrong = await secret({ githubAppID: "1", ...key, githubAppInstallationID: "2" });
    expect(await failureOf({ provider: "github", ...wrong })).toMatchObject({
      reason: "AuthenticationFailed",
      message: expect.stringContaining("failed to configure authentication options: could not parse private key: "),
    });
    expect(await failureOf(wrong)).toMatchObject({
      ...{ reason: "InvalidProviderConfiguration", terminal: false },
      message: `secretRef '${namespace}/${wrong.secretRef.name}' has github app data but provider is not set to github`,
    });
  });
});
