import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuthenticatingFront } from "../../test/bed/authenticating-front.ts";
import { uniqueName } from "../../test/bed/bed.ts";
import { claimsOf, type FakeCloud } from "../../test/bed/cloud.ts";
import { gate, type ManagedWorkspace, openManagedWorkspace } from "../../test/bed/managed.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { createObject } from "../cluster/objects.ts";
import { openRemoteCluster } from "./remote-cluster.ts";

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
    on.admit((token) => token === "token for 6dae42f8-4368-4678-94ff-3960e28e3630/.default");
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
    await on.account("deployer", {
      "azure.workload.identity/tenant-id": "tenant",
      "azure.workload.identity/client-id": "client",
    });
    const data = { provider: "azure", cluster: id, serviceAccountName: "deployer" };
    await on.configMap("aks", { ...data, address: front.url.replace("https", "HTTPS").toLowerCase() });
    expect(await on.looks((await on.open("aks", on.contextWith([gate]))).client)).toBe(namespace);
    expect(cloud.calls.map(({ headers }) => headers.authorization)).toContain(
      "Bearer token for https://management.azure.com/.default",
    );
    expect(on.paths()).toContain(`GET ${id}?api-version=2025-05-01`);

    await on.configMap("elsewhere", { ...data, address: "https://elsewhere.example.invalid" });
    await expect(on.open("elsewhere", on.contextWith([gate]))).rejects.toThrow(
      `no kubeconfig found for AKS cluster ${id} matching the specified address 'https://elsewhere.example.invalid'. cluster addresses: ['https://public.example.invalid:443', '${front.url}']`,
    );
    profile = {};
    await on.configMap("local", data);
    await expect(on.open("local", on.contextWith([gate]))).rejects.toThrow(
      "does not have Microsoft Entra ID integration enabled",
    );
  });
});

describe("the provider gcp", () => {
  it("KS-215, KS-103: the exchanged token finds and opens a GKE cluster", async () => {
    const id = "projects/team/locations/europe-west1/clusters/prod";
    const provider = "projects/1/locations/global/workloadIdentityPools/pool/providers/home";
    on.admit((token) => token === "google");
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
    await on.account("deployer", { "gcp.auth.fluxcd.io/workload-identity-provider": provider });
    await on.configMap("gke", { provider: "gcp", cluster: id, serviceAccountName: "deployer" });
    expect(await on.looks((await on.open("gke", on.contextWith([gate]))).client)).toBe(namespace);
    await on.configMap("bad", { provider: "gcp", cluster: "prod", serviceAccountName: "deployer" });
    await expect(on.open("bad", on.contextWith([gate]))).rejects.toThrow("invalid GKE cluster ID: 'prod'. must match");
  });

  it("KS-213, TM-010: names in a tenant's reference lead to nothing of another namespace", async () => {
    const other = uniqueName("victim");
    await createObject(home, { apiVersion: "v1", kind: "Namespace", metadata: { name: other } });
    await createObject(home, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace: other, name: "admin" },
    });
    for (const name of [`../../${other}/serviceaccounts/admin`, `..%2F..%2F${other}%2Fserviceaccounts%2Fadmin`, ".."]) {
      const account = uniqueName("hostile");
      await on.configMap(account, { provider: "generic", address: front.url, serviceAccountName: name });
      await expect(on.open(account, on.contextWith([gate])), name).rejects.toThrow("failed to get service account");
      await expect(
        openRemoteCluster(on.owner("hostile"), { secretRef: { name } }, on.contextWith([gate])),
        name,
      ).rejects.toThrow("unable to read KubeConfig secret");
    }
    expect(front.tokens).toEqual([]);
  });

  it("SN-19: without an account asks as the controller that Sluice stands in for, unless tenants are locked down", async () => {
    await on.configMap("own", { provider: "generic", address: front.url, "ca.crt": front.certificateAuthority });
    await on.account("kustomize-controller", {});
    on.admit((token) => {
      const { aud, sub } = claimsOf(token);
      return (
        JSON.stringify(aud) === JSON.stringify([front.url]) &&
        sub === `system:serviceaccount:${namespace}:kustomize-controller`
      );
    });
    expect(await on.looks((await on.open("own", on.contextWith([]))).client)).toBe(namespace);
    await expect(on.open("own", on.contextWith(["--default-service-account=tenant"]))).rejects.toThrow(
      "the provider 'generic' needs a service account here, since tenants are locked down by --default-service-account",
    );
  });
});
