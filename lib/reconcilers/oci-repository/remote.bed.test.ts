import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bedCluster, uniqueNamespace } from "../../../test/bed/bed.ts";
import { type CloudCall, type FakeCloud, startFakeCloud } from "../../../test/bed/cloud.ts";
import { openTestPlatform, type TestPlatform } from "../../../test/bed/local-platform.ts";
import { startHttpProxy } from "../../../test/bed/proxy.ts";
import { contentType, pushArtifact } from "../../../test/bed/registry/push.ts";
import { registryUser, startRegistry } from "../../../test/bed/registry/registry.ts";
import type { OCIRepository, OCIRepositorySpec } from "../../api/oci-repository.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { connect } from "../../cluster/connect.ts";
import { parseSettings } from "../../engine/settings.ts";
import { openRegistry } from "../../oci/registry.ts";
import { createCertificateAuthority, issueCertificate } from "../../platform/local/certificate.ts";
import type { CredentialContext } from "../git-repository/credentials.ts";
import { repositoryClient } from "../helm-repository/client.ts";
import { SourceFailure } from "../source/source-failure.ts";
import { type Remote, readRemote } from "./remote.ts";

const canary = "c4n4ry";
const now = new Date("2026-01-02T03:04:05Z");
const inAnHour = new Date(now.getTime() + 3_600_000);
const seconds = inAnHour.getTime() / 1000;
const open = "--feature-gates=ObjectLevelWorkloadIdentity=true";
const own = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: canary };
const ecr = "oci://123456789012.dkr.ecr.eu-central-1.amazonaws.com/app";
const base64 = (text: string) => Buffer.from(text).toString("base64");

let cluster: ClusterClient;
let namespace: string;
let cloud: FakeCloud;
let bed: TestPlatform;
let missing: string[];

beforeAll(async () => {
  const { kubeconfig } = await bedCluster();
  cluster = connect({ type: "kubeconfig", kubeconfig }, { userAgent: "test", trusted: true });
  namespace = await uniqueNamespace("oci-credentials");
  cloud = await startFakeCloud();
  bed = await openTestPlatform("test", { kubeconfig });
});
beforeEach(() => {
  cloud.calls.length = 0;
  cloud.answers.clear();
  missing = [];
});
afterAll(async () => {
  await bed?.close();
  await cloud?.close();
});

const post = (plural: string, body: unknown) =>
  cluster.request({ method: "POST", path: `/api/v1/namespaces/${namespace}/${plural}`, body });
const account = (name: string, annotations: Record<string, string>, pulls: string[] = []) =>
  post("serviceaccounts", {
    ...{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, annotations } },
    imagePullSecrets: pulls.map((pull) => ({ name: pull })),
  });
const secret = (name: string, stringData: Record<string, string>, type = "Opaque") =>
  post("secrets", { apiVersion: "v1", kind: "Secret", metadata: { name }, type, stringData });
const dockerSecret = (name: string, users: Record<string, string>) => {
  const auths = Object.entries(users).map(([host, user]) => [host, { auth: base64(`${user}:${canary}`) }]);
  return secret(
    name,
    { ".dockerconfigjson": JSON.stringify({ auths: Object.fromEntries(auths) }) },
    "kubernetes.io/dockerconfigjson",
  );
};

type Run = { args?: string[]; context?: Partial<CredentialContext> };

function read(spec: Partial<OCIRepositorySpec>, { args = [], context = {} }: Run = {}): Promise<Remote> {
  const object: OCIRepository = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "OCIRepository",
    metadata: { name: "app", namespace },
    spec: { url: "oci://ghcr.io/org/app", interval: "1m", ...spec },
  };
  const full = { ...contextOf(args), ...context };
  return readRemote(object, full, full.signal, (name) => missing.push(name));
}

function contextOf(args: string[] = []): CredentialContext {
  const { endpoints, certificateAuthority, url } = cloud;
  const { records, secrets, log } = bed.platform;
  return {
    ...{ cluster, clusterId: "test", signal: AbortSignal.timeout(60_000), clock: { now: () => now } },
    settings: parseSettings(args, "flux-system", log),
    clouds: { endpoints: { ...endpoints, ecr: url, acr: url }, certificateAuthority },
    ...{ records, secrets, log },
  };
}

async function failureOf(spec: Partial<OCIRepositorySpec>, run: Run = {}): Promise<SourceFailure> {
  const error: unknown = await read(spec, run).catch((reason: unknown) => reason);
  expect(String(error)).not.toContain(canary);
  if (error instanceof SourceFailure) return error;
  throw new Error(`no SourceFailure: ${String(error)}`);
}

const tell = (answer: unknown, path = "POST /") => cloud.answers.set(path, () => ({ body: answer }));
const formOf = (call: CloudCall | undefined) => Object.fromEntries(new URLSearchParams(call?.body));

describe("credentials of pull secrets", () => {
  it("OCI-017, OCI-019: of the Secret and of the account's together, before any provider's", async () => {
    await dockerSecret("one", { "ghcr.io": "one", "quay.io/team": "team" });
    await dockerSecret("two", { "ghcr.io": "two", "https://index.docker.io/v1/": "hub" });
    await account("puller", {}, ["two"]);
    await account("bare", {});
    const both = { secretRef: { name: "one" }, serviceAccountName: "puller" };
    const userOf = async (spec: Partial<OCIRepositorySpec>) => (await read(spec)).credentials;
    expect(await userOf(both)).toEqual({ username: "one", password: canary });
    expect(await userOf({ serviceAccountName: "puller" })).toEqual({ username: "two", password: canary });
    expect(await userOf({ ...both, url: "oci://docker.io/app" })).toEqual({ username: "hub", password: canary });
    expect(await userOf({ ...both, url: "oci://quay.io/team/app" })).toEqual({ username: "team", password: canary });
    expect(await userOf({ ...both, url: "oci://quay.io/other" })).toBeUndefined();
    expect(await userOf({ serviceAccountName: "bare" })).toBeUndefined();
    expect(await userOf({ ...both, provider: "aws" })).toMatchObject({ username: "one" });
    expect(await userOf({ ...both, provider: "aws", url: ecr })).toBeUndefined();
    expect(cloud.calls).toEqual([]);
    const askers = await Promise.all([both, { serviceAccountName: "puller" }, both].map((spec) => read(spec)));
    expect(askers[0]?.asker).toEqual(askers[2]?.asker);
    expect(askers[0]?.asker).not.toEqual(askers[1]?.asker);
  });

  it("OCI-018, OCI-021, SEC-004: what is missing or malformed is told without what it holds", async () => {
    const failed = { condition: "FetchFailed", reason: "AuthenticationFailed", terminal: false };
    expect(await failureOf({ secretRef: { name: "none" } })).toMatchObject({
      ...failed,
      message: `failed to get credential: failed to get secret '${namespace}/none': secrets "none" not found`,
    });
    expect(missing).toEqual(["none"]);
    const gone = `failed to get credential: serviceaccount '${namespace}/none' not found`;
    expect((await failureOf({ serviceAccountName: "none" })).message).toBe(gone);
    await account("dangling", {}, ["none"]);
    expect((await failureOf({ serviceAccountName: "dangling" })).message).toBe(
      `failed to get credential: failed to get image pull secret for serviceaccount '${namespace}/dangling': secret '${namespace}/none' not found`,
    );
    await secret(
      "malformed",
      { ".dockerconfigjson": `{"auths":{"ghcr.io":{"auth":"${canary}"}}}` },
      "kubernetes.io/dockerconfigjson",
    );
    expect((await failureOf({ secretRef: { name: "malformed" } })).message).toContain("unable to decode auth field");
    expect((await failureOf({ proxySecretRef: { name: "none" } })).message).toBe(
      `failed to get proxy address: secret '${namespace}/none' not found`,
    );
    expect(await failureOf({ certSecretRef: { name: "none" } })).toMatchObject({
      ...failed,
      message: `failed to generate transport for 'oci://ghcr.io/org/app': secret '${namespace}/none' not found`,
    });
  });

  it("OCI-017, OCI-021, OCI-022, SEC-003, SEC-006: open a registry of one's own, through a proxy too", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sluice-oci-remote-"));
    const authority = createCertificateAuthority("registry");
    const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
    const registry = await startRegistry({ directory, tls, auth: "basic" });
    const proxy = await startHttpProxy({ credentials: { username: "p", password: canary } });
    try {
      const layers = [{ mediaType: contentType, content: Buffer.from("x") }];
      const pushed = await pushArtifact({ ...registry, repository: "app", user: registryUser }, "v1", { layers });
      const auth = base64(`${registryUser.username}:${registryUser.password}`);
      const config = JSON.stringify({ auths: { [registry.address]: { auth } } });
      await secret("own", { ".dockerconfigjson": config }, "kubernetes.io/dockerconfigjson");
      await secret("own-ca", { "ca.crt": authority.certificate });
      await secret("own-proxy", { address: proxy.address, username: "p", password: canary });
      const spec = { url: `oci://${registry.address}/app`, secretRef: { name: "own" } };
      const resolve = async (more: Partial<OCIRepositorySpec>) => {
        const { repository, outbound, insecure, credentials } = await read({ ...spec, ...more });
        const client = openRegistry({ repository, outbound, insecure, ...(credentials ? { credentials } : {}) });
        return client.resolve("v1", AbortSignal.timeout(20_000));
      };
      const trusted = { certSecretRef: { name: "own-ca" } };
      expect(await resolve(trusted)).toEqual(pushed);
      expect(await resolve({ ...trusted, proxySecretRef: { name: "own-proxy" } })).toEqual(pushed);
      expect(proxy.asked).toEqual([`CONNECT ${registry.address}`]);
      expect(await resolve({ insecure: true })).toEqual(pushed);
      await expect(resolve({})).rejects.toThrow("certificate signed by unknown authority");
      await expect(resolve({ ...trusted, secretRef: { name: "one" } })).rejects.toThrow("UNAUTHORIZED");
    } finally {
      await Promise.all([registry.stop(), proxy.stop()]);
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe("credentials of a provider", () => {
  it("OCI-019, OCI-020, SEC-010: ECR by what the deployment runs as, asked for once", async () => {
    const context = { awsCredentials: async () => own };
    tell({ authorizationData: [{ authorizationToken: base64(`AWS:${canary}`), expiresAt: seconds }] });
    const first = await read({ url: ecr, provider: "aws" }, { context });
    expect(first.credentials).toEqual({ username: "AWS", password: canary });
    await read({ url: `${ecr}2`, provider: "aws" }, { context });
    expect(cloud.calls).toHaveLength(1);
    const [call] = cloud.calls;
    expect(call?.body).toBe("{}");
    expect(call?.headers).toMatchObject({
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
      authorization: expect.stringMatching(
        /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d+\/eu-central-1\/ecr\/aws4_request/,
      ),
    });
    tell({ authorizationData: { authorizationToken: base64(`AWS:${canary}`), expiresAt: seconds } });
    await read({ url: "oci://public.ecr.aws/a/b", provider: "aws" }, { context });
    expect(cloud.calls[1]?.headers).toMatchObject({
      "x-amz-target": "SpencerFrontendService.GetAuthorizationToken",
      authorization: expect.stringContaining("/us-east-1/ecr-public/aws4_request"),
    });
    const failed = "failed to get credential from aws:";
    expect((await failureOf({ provider: "aws" }, { context })).message).toContain(
      `${failed} invalid AWS registry: 'ghcr.io'. must match`,
    );
    const forged = "oci://1.dkr.ecr.eu-central-1.amazonaws.com.evil.test/app";
    expect((await failureOf({ url: forged, provider: "aws" }, { context })).message).toContain("invalid AWS registry");
    cloud.answers.set("POST /", () => ({ status: 400, body: { __type: "AccessDeniedException", message: "no" } }));
    const denied = await failureOf({ url: ecr, provider: "aws" }, { context, args: ["--token-cache-max-size=0"] });
    expect(denied.message).toBe(
      `${failed} failed to create artifact registry credentials: ECR refused GetAuthorizationToken: AccessDeniedException: no`,
    );
  });

  it("SEC-007: a service account needs its gate, where it has no pull secrets", async () => {
    await account("plain", {});
    for (const provider of ["aws", "azure", "gcp"] as const)
      expect(await failureOf({ provider, serviceAccountName: "plain" })).toMatchObject({
        ...{ condition: undefined, reason: "FeatureGateDisabled", terminal: true },
      });
  });

  it("OCI-020, SEC-008, SEC-009: ECR by the role of a service account, in the region of the registry", async () => {
    await account("role", { "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/puller" });
    const Credentials = { AccessKeyId: "ASIA", SecretAccessKey: "s", SessionToken: "t", Expiration: seconds };
    cloud.answers.set("POST /", ({ headers }) => ({
      body:
        headers["x-amz-target"] === undefined
          ? { AssumeRoleWithWebIdentityResponse: { AssumeRoleWithWebIdentityResult: { Credentials } } }
          : { authorizationData: [{ authorizationToken: base64("AWS:role"), expiresAt: seconds }] },
    }));
    const url = "oci://1.dkr.ecr-fips.us-gov-west-1.amazonaws.com/app";
    const byName = await read({ url, provider: "aws", serviceAccountName: "role" }, { args: [open] });
    expect(byName.credentials).toEqual({ username: "AWS", password: "role" });
    expect(formOf(cloud.calls[0])).toMatchObject({ Action: "AssumeRoleWithWebIdentity" });
    expect(cloud.calls[1]?.headers.authorization).toContain("/us-gov-west-1/ecr/");
    const byDefault = await read({ url, provider: "aws" }, { args: [open, "--default-service-account=role"] });
    expect(byDefault.asker).toEqual(byName.asker);
    expect(cloud.calls).toHaveLength(2);
  });

  it("OCI-019, SEC-008: ACR by the exchange of a token of Entra ID, Google by the token itself", async () => {
    const azure = { "azure.workload.identity/tenant-id": "t", "azure.workload.identity/client-id": "c" };
    const pool = "projects/1/locations/global/workloadIdentityPools/p/providers/q";
    await account("azure", azure);
    await account("gcp", { "gcp.auth.fluxcd.io/workload-identity-provider": pool });
    const refresh = `h.${Buffer.from(JSON.stringify({ exp: seconds })).toString("base64url")}.s`;
    tell({ access_token: "entra", expires_in: 3600 }, "POST /t/oauth2/v2.0/token");
    tell({ refresh_token: refresh }, "POST /oauth2/exchange");
    const url = "oci://mine.azurecr.us/app";
    const acr = await read({ url, provider: "azure", serviceAccountName: "azure" }, { args: [open] });
    expect(acr.credentials).toEqual({ username: "00000000-0000-0000-0000-000000000000", password: refresh });
    expect(formOf(cloud.calls[0])).toMatchObject({ scope: "https://containerregistry.azure.us/.default" });
    expect(formOf(cloud.calls[1])).toEqual({
      grant_type: "access_token",
      service: "mine.azurecr.us",
      access_token: "entra",
    });
    tell({ access_token: "google", expires_in: 3600 }, "POST /v1/token");
    for (const host of ["gcr.io", "eu.gcr.io", "europe-west1-docker.pkg.dev"]) {
      const spec = { url: `oci://${host}/p/app`, provider: "gcp", serviceAccountName: "gcp" } as const;
      expect((await read(spec, { args: [open] })).credentials).toEqual({
        username: "oauth2accesstoken",
        password: "google",
      });
    }
    expect(cloud.calls).toHaveLength(3);
    for (const [provider, name] of [
      ["azure", "Azure"],
      ["gcp", "GCP"],
    ] as const)
      expect((await failureOf({ provider, url: "oci://gcr.io.evil.test/a" })).message).toContain(
        `failed to get credential from ${provider}: invalid ${name} registry: 'gcr.io.evil.test'. must match ^`,
      );
  });

  it("HR-013: is asked for a HelmRepository of a registry, too, where no Secret is named", async () => {
    const repository = (spec: object) => ({
      ...{
        apiVersion: "source.toolkit.fluxcd.io/v1",
        kind: "HelmRepository" as const,
        metadata: { name: "a", namespace },
      },
      spec: { url: "oci://ghcr.io/charts", type: "oci" as const, provider: "gcp" as const, ...spec },
    });
    const words = "failed to get credential from 'gcp': invalid GCP registry: 'ghcr.io'";
    await expect(repositoryClient(contextOf(), repository({}))).rejects.toThrow(words);
    const named = await repositoryClient(contextOf(), repository({ secretRef: { name: "one" } }));
    expect(named).toMatchObject({ type: "oci", credentials: { username: "one", password: canary } });
  });
});
