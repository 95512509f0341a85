import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bedPart, uniqueNamespace } from "../../../test/bed/bed.ts";
import { claimsOf, type FakeCloud, startFakeCloud } from "../../../test/bed/cloud.ts";
import { type CloudService, startCloudService } from "../../../test/bed/cloud-service.ts";
import type { BedAws } from "../../../test/bed/parts.ts";
import { startVault, type Vault } from "../../../test/bed/vault/vault.ts";
import type { Kustomization } from "../../api/kustomization.ts";
import type { KubernetesObject } from "../../api/object.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { connect } from "../../cluster/connect.ts";
import { createObject } from "../../cluster/objects.ts";
import { parseSettings } from "../../engine/settings.ts";
import { serviceExchange } from "../../platform/exchange.ts";
import { createLocalLogger } from "../../platform/local/log.ts";
import { askAws } from "../../sops/key-services/aws-request.ts";
import type { AwsKmsKey, AzureKeyVaultKey, GcpKmsKey, VaultKey } from "../../sops/keys.ts";
import { openCloudKeys } from "./cloud-keys.ts";

const keyRegion = "eu-west-1";
const own = { accessKeyId: "test", secretAccessKey: "test" };
const dataKey = Buffer.alloc(32, 5);
const gate = "--feature-gates=ObjectLevelWorkloadIdentity=true";
const log = createLocalLogger({ format: "json", write: () => undefined });

let aws: BedAws;
let client: ClusterClient;
let namespace: string;
let cloud: FakeCloud;
let requests: string[];

beforeAll(async () => {
  aws = await bedPart("localstack");
  const { kubeconfig } = await bedPart("cluster");
  const onRequest = (method: string, path: string) => requests.push(`${method} ${path}`);
  requests = [];
  client = connect({ type: "kubeconfig", kubeconfig }, { userAgent: "sluice-test", onRequest });
  cloud = await startFakeCloud();
  namespace = await uniqueNamespace("cloud-keys");
  for (const name of ["reader", "default-reader"]) await createObject(client, accountOf(name));
});
beforeEach(() => {
  requests = [];
  cloud.calls.length = 0;
  cloud.answers.clear();
});
afterAll(() => cloud?.close());

function accountOf(name: string): KubernetesObject {
  const annotations = {
    "eks.amazonaws.com/role-arn": `arn:aws:iam::000000000000:role/${name}`,
    "azure.workload.identity/client-id": "client",
    "azure.workload.identity/tenant-id": "tenant",
    "gcp.auth.fluxcd.io/workload-identity-provider":
      "projects/1/locations/global/workloadIdentityPools/pool/providers/cluster",
  };
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name, annotations } };
}

type Options = { args?: string[]; account?: string; entries?: Record<string, string>; exchange?: CloudService };

function open({ args = [gate], account, entries = {}, exchange }: Options, ownAws = async () => own) {
  const object: Kustomization = {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { namespace, name: "app" },
    spec: {
      interval: "1m",
      prune: true,
      sourceRef: { kind: "GitRepository", name: "app" },
      decryption: { provider: "sops", ...(account === undefined ? {} : { serviceAccountName: account }) },
    },
  };
  const { url, certificateAuthority } = cloud;
  return openCloudKeys(object, new Map(Object.entries(entries).map(([name, text]) => [name, Buffer.from(text)])), {
    cluster: client,
    settings: parseSettings(args, namespace, log),
    signal: AbortSignal.timeout(60_000),
    awsCredentials: ownAws,
    clouds: {
      certificateAuthority,
      endpoints: { kms: aws.endpoint, sts: url, entra: url, googleSts: url },
      ...(exchange === undefined ? {} : { exchange: exchange.exchange }),
    },
  });
}

const tokenRequests = () => requests.filter((line) => line.endsWith("/token"));
const tokenOf = (field: string) => claimsOf(new URLSearchParams(cloud.calls[0]?.body).get(field) ?? "");
const notAsked = () => Promise.reject(new Error("Sluice's own identity was asked"));

describe("with AWS KMS", () => {
  let key: AwsKmsKey;

  beforeAll(async () => {
    const kms = async (action: string, body: unknown) => {
      const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": `TrentService.${action}` };
      const request = {
        service: "kms",
        region: keyRegion,
        endpoint: aws.endpoint,
        headers,
        body: JSON.stringify(body),
      };
      const asked = { ...request, service: "kms" as const };
      return JSON.parse((await askAws(asked, own, serviceExchange(), AbortSignal.timeout(30_000))).body);
    };
    const { KeyMetadata } = await kms("CreateKey", {});
    const { CiphertextBlob } = await kms("Encrypt", { KeyId: KeyMetadata.Arn, Plaintext: dataKey.toString("base64") });
    key = { kind: "kms", arn: KeyMetadata.Arn, role: "", context: new Map(), awsProfile: "", enc: CiphertextBlob };
  });
  beforeEach(() => {
    // LocalStack's STS answers, and the test sees what it was asked.
    cloud.answers.set("POST /", async ({ body, headers }) => {
      const { "content-type": type = "", accept = "" } = headers;
      const asked = { method: "POST", headers: { "content-type": type, accept }, body };
      return { body: await (await fetch(`${aws.endpoint}/`, asked)).json() };
    });
  });
  const decrypt = async (options: Options, ownAws = async () => own) =>
    Buffer.from((await open(options, ownAws).kms?.(key)) ?? []);

  it("KS-101, KS-103: the named service account is asked a token for, and its role decrypts, not Sluice itself", async () => {
    const args = [gate, "--default-decryption-service-account=default-reader"];
    expect(await decrypt({ args, account: "reader" }, notAsked)).toEqual(dataKey);
    expect(tokenRequests()).toEqual([`POST /api/v1/namespaces/${namespace}/serviceaccounts/reader/token`]);
    expect(tokenOf("WebIdentityToken")).toMatchObject({
      sub: `system:serviceaccount:${namespace}:reader`,
      aud: ["sts.amazonaws.com"],
    });
    expect(new URLSearchParams(cloud.calls[0]?.body).get("RoleArn")).toBe("arn:aws:iam::000000000000:role/reader");
    expect(new URLSearchParams(cloud.calls[0]?.body).get("RoleSessionName")).toContain(keyRegion);
  });

  it("KS-101: the default service account is for those that name none", async () => {
    const args = [gate, "--default-decryption-service-account=default-reader"];
    expect(await decrypt({ args }, notAsked)).toEqual(dataKey);
    expect(tokenOf("WebIdentityToken").sub).toBe(`system:serviceaccount:${namespace}:default-reader`);
  });

  it("KS-101, KS-103: for whom there are no credentials is told, with what STS says", async () => {
    const json = {
      Error: { Code: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity" },
    };
    cloud.answers.set("POST /", () => ({ status: 403, body: json }));
    await expect(decrypt({ account: "reader" })).rejects.toThrow(
      new RegExp(
        `^failed to create provider access token for service account '${namespace}/reader': .*AccessDenied: Not authorized`,
      ),
    );
    await expect(decrypt({}, notAsked)).rejects.toThrow(
      "failed to create provider access token for the controller: Sluice's own identity was asked",
    );
    await expect(decrypt({ account: "absent" })).rejects.toThrow(`failed to get service account '${namespace}/absent'`);
  });

  it("KS-101: without a service account Sluice itself decrypts", async () => {
    expect(await decrypt({})).toEqual(dataKey);
    expect([...tokenRequests(), ...cloud.calls]).toEqual([]);
  });

  it("KS-101: credentials of the Secret are used instead of the named service account", async () => {
    const entries = { "sops.aws-kms": "aws_access_key_id: test\naws_secret_access_key: test\n" };
    expect(await decrypt({ account: "reader", entries }, notAsked)).toEqual(dataKey);
    expect([...tokenRequests(), ...cloud.calls]).toEqual([]);
  });
});

describe("with the clouds that cannot run here", () => {
  let services: CloudService;
  afterEach(() => services.stop());

  it("KS-101, KS-103: the named service account gets a token of Entra ID for its annotations, and Key Vault decrypts", async () => {
    cloud.answers.set("POST /tenant/oauth2/v2.0/token", () => ({ body: { access_token: "entra", expires_in: 3599 } }));
    services = await startCloudService(["team.vault.azure.net"], ({ headers }) =>
      headers.authorization === "Bearer entra" ? { json: { value: dataKey.toString("base64url") } } : undefined,
    );
    const vaultUrl = "https://team.vault.azure.net";
    const key: AzureKeyVaultKey = { kind: "azure_kv", vaultUrl, name: "sops", version: "1", enc: "eA" };
    expect(Buffer.from((await open({ account: "reader", exchange: services }).azure_kv?.(key)) ?? [])).toEqual(dataKey);
    const { scope, client_id } = Object.fromEntries(new URLSearchParams(cloud.calls[0]?.body));
    expect({ scope, client_id }).toEqual({ scope: "https://vault.azure.net/.default", client_id: "client" });
    expect(tokenOf("client_assertion")).toMatchObject({
      sub: `system:serviceaccount:${namespace}:reader`,
      aud: ["api://AzureADTokenExchange"],
    });
  });

  it("KS-101, KS-103: the named service account's token is exchanged at Google for its provider, and Cloud KMS decrypts", async () => {
    cloud.answers.set("POST /v1/token", () => ({ body: { access_token: "google", expires_in: 3599 } }));
    services = await startCloudService(["cloudkms.googleapis.com"], ({ headers }) =>
      headers.authorization === "Bearer google" ? { json: { plaintext: dataKey.toString("base64") } } : undefined,
    );
    const resourceId = "projects/team/locations/global/keyRings/sops/cryptoKeys/sops";
    const key: GcpKmsKey = { kind: "gcp_kms", resourceId, enc: "eA==" };
    expect(Buffer.from((await open({ account: "reader", exchange: services }).gcp_kms?.(key)) ?? [])).toEqual(dataKey);
    const provider = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster";
    expect(tokenOf("subject_token")).toMatchObject({
      sub: `system:serviceaccount:${namespace}:reader`,
      aud: [provider],
    });
  });
});

describe("with Vault", () => {
  let vault: Vault;
  let directory: string;
  let key: VaultKey;
  const configured = [gate, "--sops-vault-configmap=vault"];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-vault-"));
    vault = await startVault(directory);
    const { url, certificateAuthority, token } = await bedPart("cluster");
    await vault.request("POST", "sys/mounts/transit", { type: "transit" });
    await vault.request("POST", "transit/keys/sops");
    await vault.request("POST", "sys/policies/acl/decrypt", {
      policy: 'path "transit/decrypt/sops" { capabilities = ["update"] }',
    });
    await vault.request("POST", "sys/auth/cluster", { type: "kubernetes" });
    await vault.request("POST", "auth/cluster/config", {
      kubernetes_host: url,
      kubernetes_ca_cert: certificateAuthority,
      token_reviewer_jwt: token,
      disable_local_ca_jwt: true,
    });
    await vault.request("POST", `auth/cluster/role/${namespace}_reader`, {
      bound_service_account_names: ["reader"],
      bound_service_account_namespaces: [namespace],
      audience: vault.address,
      token_policies: ["decrypt"],
    });
    const { data } = await vault.request("POST", "transit/encrypt/sops", { plaintext: dataKey.toString("base64") });
    const enc = String(Object(data).ciphertext);
    key = { kind: "hc_vault", vaultAddress: vault.address, enginePath: "transit", keyName: "sops", enc };
    const instances = [{ address: vault.address, loginPath: "auth/cluster/login" }];
    const config = { data: { "config.yaml": JSON.stringify({ instances }) } };
    const metadata = { namespace, name: "vault" };
    await createObject(client, { apiVersion: "v1", kind: "ConfigMap", metadata, ...config } as KubernetesObject);
  }, 900_000);
  afterAll(async () => {
    await vault?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  it("KS-104: the named service account logs in where the operator's ConfigMap says", async () => {
    const services = open({ args: configured, account: "reader" });
    expect(Buffer.from((await services.hc_vault?.(key)) ?? [])).toEqual(dataKey);
    expect(tokenRequests()).toEqual([`POST /api/v1/namespaces/${namespace}/serviceaccounts/reader/token`]);
    const elsewhere = services.hc_vault?.({ ...key, vaultAddress: "https://vault.example.com" });
    await expect(elsewhere).rejects.toThrow(
      `no Vault login path configured for address 'https://vault.example.com' in ConfigMap '${namespace}/vault'`,
    );
    expect(tokenRequests()).toHaveLength(1);
  });

  it("KS-104: without the ConfigMap, and with another account, nobody is logged in", async () => {
    await expect(open({ account: "reader" }).hc_vault?.(key)).rejects.toThrow("there is no token for Vault");
    const absent = open({ args: [gate, "--sops-vault-configmap=absent"], account: "reader" }).hc_vault?.(key);
    await expect(absent).rejects.toThrow(`failed to get Vault ConfigMap '${namespace}/absent'`);
    const other = open({ args: configured, account: "default-reader" }).hc_vault?.(key);
    await expect(other).rejects.toThrow(`as role '${namespace}_default-reader': 400: invalid role name`);
  });

  it("KS-101, KS-104: a token of the Secret is used before a login", async () => {
    const entries = { "sops.vault-token": vault.rootToken };
    const services = open({ args: configured, account: "default-reader", entries });
    expect(Buffer.from((await services.hc_vault?.(key)) ?? [])).toEqual(dataKey);
    expect(tokenRequests()).toEqual([]);
  });
});
