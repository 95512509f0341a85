import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AuthenticatingFront, startAuthenticatingFront } from "../../test/bed/authenticating-front.ts";
import { bedPart, uniqueName } from "../../test/bed/bed.ts";
import type { FakeCloud } from "../../test/bed/cloud.ts";
import { gate, type ManagedWorkspace, openManagedWorkspace } from "../../test/bed/managed.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { forgetRemoteCluster, openRemoteCluster, type RemoteContext } from "./remote-cluster.ts";

let on: ManagedWorkspace;
let home: ClusterClient;
let namespace: string;
let cloud: FakeCloud;
let front: AuthenticatingFront;

beforeEach(async () => {
  on = await openManagedWorkspace();
  ({ cloud, front, home, namespace } = on);
});
afterEach(() => on?.close());

const base64 = (text: string) => Buffer.from(text).toString("base64");

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
    on.admit(async (token) => (await callerOf(token, endpoint)).includes("assumed-role/tenant/deployer."));
    describeEks();
    await on.account("deployer", { "eks.amazonaws.com/role-arn": role });
    await on.configMap("eks", { provider: "aws", cluster: arn, serviceAccountName: "deployer" });
    const context = on.contextWith([gate, "--token-cache-max-duration=1s"]);
    const clouds = { ...context.clouds, endpoints: { ...context.clouds?.endpoints, sts: endpoint } };
    const { client, server } = await on.open("eks", { ...context, clouds });
    expect(server).toBe(front.url);
    expect(await on.looks(client)).toBe(namespace);
    expect(on.paths()).toEqual(["GET /clusters/prod"]);
    expect(cloud.calls[0]?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=[A-Z0-9]+\/\d{8}\/us-east-1\/eks\/aws4_request, SignedHeaders=host;/,
    );
    expect(cloud.calls[0]?.headers["x-amz-security-token"]).toBeDefined();

    await on.looks(client);
    expect(new Set(front.tokens).size).toBe(1);
    await sleep(2000);
    expect(await on.looks(client)).toBe(namespace);
    expect(new Set(front.tokens).size).toBe(2);
  });

  it("KS-214, KS-217: asks EKS for nothing that the ConfigMap says, and STS once for two passes", async () => {
    const { endpoint } = await bedPart("localstack");
    on.admit(async (token) => (await callerOf(token, endpoint)).includes("assumed-role/tenant/"));
    await on.account("deployer", { "eks.amazonaws.com/role-arn": role });
    const given = { address: front.url, "ca.crt": front.certificateAuthority };
    await on.configMap("eks", { provider: "aws", cluster: arn, serviceAccountName: "deployer", ...given });
    const asked: string[] = [];
    const context = on.contextWith([gate]);
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
    const first = await on.open("eks", counted);
    expect(await on.looks(first.client)).toBe(namespace);
    const token = `POST /api/v1/namespaces/${namespace}/serviceaccounts/deployer/token`;
    expect(asked.filter((line) => line === token)).toHaveLength(1);
    const second = await on.open("eks", counted);
    expect(second.client).toBe(first.client);
    await on.looks(second.client);
    expect(asked.filter((line) => line === token)).toHaveLength(1);
    expect(new Set(front.tokens).size).toBe(1);
    expect(on.paths()).toEqual([]);
    // Another object has tokens of its own, and a deleted one leaves none.
    await openRemoteCluster(on.owner("other"), { configMapRef: { name: "eks" } }, counted);
    forgetRemoteCluster(on.owner("eks"), counted);
    await on.open("eks", counted);
    expect(asked.filter((line) => line === token)).toHaveLength(3);
  });

  it("KS-214, SN-19: Sluice's own role is for the address that EKS itself gives, and for no other", async () => {
    on.admit((token) => Buffer.from(token.slice(11), "base64url").toString().includes("AKIAOWN"));
    describeEks();
    const own = on.contextWith([], {
      awsCredentials: async () => ({ accessKeyId: "AKIAOWN", secretAccessKey: "secret" }),
      remoteClusters: [arn],
    });
    await on.configMap("eks", { provider: "aws", cluster: arn });
    // What one cluster's users may write must not open the others that Sluice works for.
    await expect(on.open("eks", { ...own, remoteClusters: [] })).rejects.toThrow(
      `the EKS cluster '${arn}' is not among those that Sluice opens as itself`,
    );
    expect(on.paths()).toEqual([]);
    expect(await on.looks((await on.open("eks", own)).client)).toBe(namespace);
    const thief = await startAuthenticatingFront(on.cluster, () => true);
    try {
      const given = { address: thief.url, "ca.crt": thief.certificateAuthority };
      await on.configMap("stolen", { provider: "aws", cluster: arn, ...given });
      await expect(on.open("stolen", own)).rejects.toThrow(
        `the address '${thief.url}' is not that of the EKS cluster '${arn}'`,
      );
      expect(thief.tokens).toEqual([]);
    } finally {
      await thief.close();
    }
  });

  it("KS-214, KS-103: says what is wrong with the ConfigMap, the account and the cluster", async () => {
    await on.account("bare", {});
    await on.account("deployer", { "eks.amazonaws.com/role-arn": role });
    const says = async (data: Record<string, string>, args = [gate]) => {
      const name = uniqueName("wrong");
      await on.configMap(name, data);
      return on.open(name, on.contextWith(args)).then(
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
