import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AuthenticatingFront, startAuthenticatingFront } from "../../test/bed/authenticating-front.ts";
import { bedPart, uniqueName } from "../../test/bed/bed.ts";
import { claimsOf, type FakeCloud, startFakeCloud } from "../../test/bed/cloud.ts";
import { connectTo } from "../../test/bed/installed.ts";
import type { BedCluster } from "../../test/bed/parts.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { createObject } from "../cluster/objects.ts";
import { parseSettings, type Settings } from "../engine/settings.ts";
import { createLocalLogger } from "../platform/local/log.ts";
import { forgetRemoteCluster, openRemoteCluster, type RemoteContext } from "./remote-cluster.ts";

let cluster: BedCluster;
let home: ClusterClient;
let namespace: string;
let cloud: FakeCloud;
let front: AuthenticatingFront;
let isKnown: (token: string) => boolean | Promise<boolean> = () => false;

beforeAll(async () => {
  cluster = await bedPart("cluster");
  home = connectTo(cluster);
  cloud = await startFakeCloud();
  front = await startAuthenticatingFront(cluster, (token) => isKnown(token));
});
beforeEach(async () => {
  namespace = uniqueName("clouds");
  await createObject(home, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  cloud.calls.length = 0;
  cloud.answers.clear();
  front.tokens.length = 0;
});
afterAll(async () => {
  await front?.close();
  await cloud?.close();
});

const log = createLocalLogger({ format: "json", write: () => undefined });
const gate = "--feature-gates=ObjectLevelWorkloadIdentity=true";
const base64 = (text: string) => Buffer.from(text).toString("base64");

function contextWith(args: string[], more: Partial<RemoteContext> = {}): RemoteContext {
  const settings: Settings = parseSettings(args, namespace, log);
  const { endpoints, certificateAuthority } = cloud;
  return {
    clusterId: "bed",
    cluster: home,
    settings,
    signal: AbortSignal.timeout(30_000),
    awsCredentials: undefined,
    remoteClusters: [],
    clouds: { certificateAuthority, endpoints },
    ...more,
  };
}

const owner = (name: string) => ({ kind: "Kustomization", namespace, name, controller: "kustomize-controller" });

const open = (name: string, context: RemoteContext) =>
  openRemoteCluster(owner(name), { configMapRef: { name } }, context);

const configMap = (name: string, data: Record<string, string>) =>
  createObject(home, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name }, data } as KubernetesObject);

const account = (name: string, annotations: Record<string, string>) =>
  createObject(home, { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name, annotations } });

/** What the remote API server says of a namespace that only a known user sees. */
const looks = async (client: ClusterClient) =>
  (await client.request({ method: "GET", path: `/api/v1/namespaces/${namespace}` })).metadata.name;

const paths = () => cloud.calls.map(({ method, path }) => `${method} ${path}`);

describe("the provider aws", () => {
  const arn = "arn:aws:eks:us-east-1:000000000000:cluster/prod";
  const role = "arn:aws:iam::000000000000:role/tenant";
  const describeEks = () =>
    cloud.answers.set("GET /clusters/prod", () => ({
      body: { cluster: { endpoint: front.url, certificateAuthority: { data: base64(front.certificateAuthority) } } },
    }));

  /** Asks STS whose token it is, as the authenticator of an EKS cluster does. */
  async function callerOf(token: string, endpoint: string): Promise<string> {
    const url = new URL(Buffer.from(token.replace(/^k8s-aws-v1\./, ""), "base64url").toString("utf8"));
    if (url.host !== "sts.us-east-1.amazonaws.com" || url.protocol !== "https:") return "not of STS";
    if (url.searchParams.get("X-Amz-SignedHeaders") !== "host;x-k8s-aws-id") return "not of a cluster";
    // LocalStack looks for the caller in the header alone; what is signed is the same.
    const parameter = (name: string) => url.searchParams.get(`X-Amz-${name}`) ?? "";
    const authorization = `${parameter("Algorithm")} Credential=${parameter("Credential")}, SignedHeaders=${parameter("SignedHeaders")}, Signature=${parameter("Signature")}`;
    const answer = await fetch(`${endpoint}/?Action=GetCallerIdentity&Version=2011-06-15`, {
      headers: { authorization, accept: "application/json" },
    });
    return answer.text();
  }

  it("KS-214, KS-103: a service account's role opens the cluster of the ARN, and its token is renewed under a long wait", async () => {
    const { endpoint } = await bedPart("localstack");
    isKnown = async (token) => (await callerOf(token, endpoint)).includes("assumed-role/tenant/deployer.");
    describeEks();
    await account("deployer", { "eks.amazonaws.com/role-arn": role });
    await configMap("eks", { provider: "aws", cluster: arn, serviceAccountName: "deployer" });
    const context = contextWith([gate, "--token-cache-max-duration=1s"]);
    const clouds = { ...context.clouds, endpoints: { ...context.clouds?.endpoints, sts: endpoint } };
    const { client, server } = await open("eks", { ...context, clouds });
    expect(server).toBe(front.url);
    expect(await looks(client)).toBe(namespace);
    expect(paths()).toEqual(["GET /clusters/prod"]);
    expect(cloud.calls[0]?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=[A-Z0-9]+\/\d{8}\/us-east-1\/eks\/aws4_request, SignedHeaders=host;/,
    );
    expect(cloud.calls[0]?.headers["x-amz-security-token"]).toBeDefined();

    await looks(client);
    expect(new Set(front.tokens).size).toBe(1);
    await sleep(2000);
    expect(await looks(client)).toBe(namespace);
    expect(new Set(front.tokens).size).toBe(2);
  });

  it("KS-214, KS-217: asks EKS for nothing that the ConfigMap says, and STS once for two passes", async () => {
    const { endpoint } = await bedPart("localstack");
    isKnown = async (token) => (await callerOf(token, endpoint)).includes("assumed-role/tenant/");
    await account("deployer", { "eks.amazonaws.com/role-arn": role });
    const given = { address: front.url, "ca.crt": front.certificateAuthority };
    await configMap("eks", { provider: "aws", cluster: arn, serviceAccountName: "deployer", ...given });
    const asked: string[] = [];
    const context = contextWith([gate]);
    const counted: RemoteContext = {
      ...context,
      clouds: { ...context.clouds, endpoints: { ...context.clouds?.endpoints, sts: endpoint } },
      cluster: {
        ...home,
        request: (request) => {
          asked.push(`${request.method} ${request.path}`);
          return home.request(request);
        },
      },
    };
    const first = await open("eks", counted);
    expect(await looks(first.client)).toBe(namespace);
    const token = `POST /api/v1/namespaces/${namespace}/serviceaccounts/deployer/token`;
    expect(asked.filter((line) => line === token)).toHaveLength(1);
    const second = await open("eks", counted);
    expect(second.client).toBe(first.client);
    await looks(second.client);
    expect(asked.filter((line) => line === token)).toHaveLength(1);
    expect(new Set(front.tokens).size).toBe(1);
    expect(paths()).toEqual([]);
    // Another object has tokens of its own, and a deleted one leaves none.
    await openRemoteCluster(owner("other"), { configMapRef: { name: "eks" } }, counted);
    forgetRemoteCluster(owner("eks"), counted);
    await open("eks", counted);
    expect(asked.filter((line) => line === token)).toHaveLength(3);
  });

  it("KS-214, SN-19: Sluice's own role is for the address that EKS itself gives, and for no other", async () => {
    isKnown = (token) => Buffer.from(token.slice(11), "base64url").toString().includes("AKIAOWN");
    describeEks();
    const own = contextWith([], {
      awsCredentials: async () => ({ accessKeyId: "AKIAOWN", secretAccessKey: "secret" }),
      remoteClusters: [arn],
    });
    await configMap("eks", { provider: "aws", cluster: arn });
    // What one cluster's users may write must not open the others that Sluice works for.
    await expect(open("eks", { ...own, remoteClusters: [] })).rejects.toThrow(
      `the EKS cluster '${arn}' is not among those that Sluice opens as itself`,
    );
    expect(paths()).toEqual([]);
    expect(await looks((await open("eks", own)).client)).toBe(namespace);
    const thief = await startAuthenticatingFront(cluster, () => true);
    try {
      const given = { address: thief.url, "ca.crt": thief.certificateAuthority };
      await configMap("stolen", { provider: "aws", cluster: arn, ...given });
      await expect(open("stolen", own)).rejects.toThrow(
        `the address '${thief.url}' is not that of the EKS cluster '${arn}'`,
      );
      expect(thief.tokens).toEqual([]);
    } finally {
      await thief.close();
    }
  });

  it("KS-214, KS-103: says what is wrong with the ConfigMap, the account and the cluster", async () => {
    await account("bare", {});
    await account("deployer", { "eks.amazonaws.com/role-arn": role });
    const says = async (data: Record<string, string>, args = [gate]) => {
      const name = uniqueName("wrong");
      await configMap(name, data);
      return open(name, contextWith(args)).then(
        () => "it opened",
        (error: Error) => error.message,
      );
    };
    expect(await says({ provider: "digitalocean" })).toBe("provider 'digitalocean' not implemented");
    expect(await says({ provider: "aws", cluster: "prod", serviceAccountName: "deployer" })).toBe(
      String.raw`invalid EKS cluster ARN: 'prod'. must match ^arn:aws[\w-]*:eks:([^:]{1,100}):[0-9]{1,30}:cluster/(.{1,200})$`,
    );
    expect(await says({ provider: "aws", cluster: arn, serviceAccountName: "bare" })).toContain(
      `failed to get access token for cluster: failed to get provider identity from service account '${namespace}/bare' annotations: invalid eks.amazonaws.com/role-arn annotation: ''.`,
    );
    expect(await says({ provider: "aws", cluster: arn, serviceAccountName: "deployer" }, [])).toBe(
      "failed to get access token for cluster: ObjectLevelWorkloadIdentity feature gate is not enabled",
    );
    expect(await says({ provider: "aws", cluster: arn })).toBe(
      `failed to get access token for cluster: failed to get service account '${namespace}/kustomize-controller': serviceaccounts "kustomize-controller" not found`,
    );
  });
});

describe("the provider azure", () => {
  const id =
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/team/providers/Microsoft.ContainerService/managedClusters/prod";
  const kubeconfigOf = (server: string, authority: string) =>
    JSON.stringify({
      "current-context": "aks",
      contexts: [{ name: "aks", context: { cluster: "aks", user: "aks" } }],
      clusters: [{ name: "aks", cluster: { server, "certificate-authority-data": base64(authority) } }],
      users: [{ name: "aks", user: { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "kubelogin" } } }],
    });

  it("KS-215, KS-213, KS-103: one token opens AKS, another finds the cluster among its addresses", async () => {
    isKnown = (token) => token === "token for 6dae42f8-4368-4678-94ff-3960e28e3630/.default";
    cloud.answers.set("POST /tenant/oauth2/v2.0/token", ({ body }) => {
      const form = new URLSearchParams(body);
      expect(claimsOf(form.get("client_assertion") ?? "")).toMatchObject({
        aud: ["api://AzureADTokenExchange"],
        sub: `system:serviceaccount:${namespace}:deployer`,
      });
      return { body: { access_token: `token for ${form.get("scope")}`, expires_in: 3600 } };
    });
    let profile: object = { aadProfile: { managed: true } };
    cloud.answers.set(`GET ${id}`, () => ({ body: { properties: profile } }));
    cloud.answers.set(`POST ${id}/listClusterUserCredential`, () => ({
      body: {
        kubeconfigs: [
          { name: "public", value: base64(kubeconfigOf("https://public.example.invalid:443", "none")) },
          { name: "private", value: base64(kubeconfigOf(front.url, front.certificateAuthority)) },
        ],
      },
    }));
    await account("deployer", {
      "azure.workload.identity/tenant-id": "tenant",
      "azure.workload.identity/client-id": "client",
    });
    const data = { provider: "azure", cluster: id, serviceAccountName: "deployer" };
    await configMap("aks", { ...data, address: front.url.replace("https", "HTTPS").toLowerCase() });
    expect(await looks((await open("aks", contextWith([gate]))).client)).toBe(namespace);
    expect(cloud.calls.map(({ headers }) => headers.authorization)).toContain(
      "Bearer token for https://management.azure.com/.default",
    );
    expect(paths()).toContain(`GET ${id}?api-version=2025-05-01`);

    await configMap("elsewhere", { ...data, address: "https://elsewhere.example.invalid" });
    await expect(open("elsewhere", contextWith([gate]))).rejects.toThrow(
      `no kubeconfig found for AKS cluster ${id} matching the specified address 'https://elsewhere.example.invalid'. cluster addresses: ['https://public.example.invalid:443', '${front.url}']`,
    );
    profile = {};
    await configMap("local", data);
    await expect(open("local", contextWith([gate]))).rejects.toThrow(
      "does not have Microsoft Entra ID integration enabled",
    );
  });
});

describe("the provider gcp", () => {
  it("KS-215, KS-103: the exchanged token finds and opens a GKE cluster", async () => {
    const id = "projects/team/locations/europe-west1/clusters/prod";
    const provider = "projects/1/locations/global/workloadIdentityPools/pool/providers/home";
    isKnown = (token) => token === "google";
    cloud.answers.set("POST /v1/token", ({ body }) => {
      const subject = new URLSearchParams(body).get("subject_token") ?? "";
      expect(claimsOf(subject)).toMatchObject({
        aud: [`//iam.googleapis.com/${provider}`],
        sub: `system:serviceaccount:${namespace}:deployer`,
      });
      return { body: { access_token: "google", expires_in: 3600 } };
    });
    cloud.answers.set(`GET /v1/${id}`, ({ headers }) =>
      headers.authorization === "Bearer google"
        ? {
            body: {
              endpoint: front.url.replace("https://", ""),
              masterAuth: { clusterCaCertificate: base64(front.certificateAuthority) },
            },
          }
        : { status: 401, body: {} },
    );
    await account("deployer", { "gcp.auth.fluxcd.io/workload-identity-provider": provider });
    await configMap("gke", { provider: "gcp", cluster: id, serviceAccountName: "deployer" });
    expect(await looks((await open("gke", contextWith([gate]))).client)).toBe(namespace);
    await configMap("bad", { provider: "gcp", cluster: "prod", serviceAccountName: "deployer" });
    await expect(open("bad", contextWith([gate]))).rejects.toThrow("invalid GKE cluster ID: 'prod'. must match");
  });

  it("SN-19: without an account asks as the controller that Sluice stands in for, unless tenants are locked down", async () => {
    await configMap("own", { provider: "generic", address: front.url, "ca.crt": front.certificateAuthority });
    await account("kustomize-controller", {});
    isKnown = (token) => {
      const { aud, sub } = claimsOf(token);
      return (
        JSON.stringify(aud) === JSON.stringify([front.url]) &&
        sub === `system:serviceaccount:${namespace}:kustomize-controller`
      );
    };
    expect(await looks((await open("own", contextWith([]))).client)).toBe(namespace);
    await expect(open("own", contextWith(["--default-service-account=tenant"]))).rejects.toThrow(
      "the provider 'generic' needs a service account here, since tenants are locked down by --default-service-account",
    );
  });
});
