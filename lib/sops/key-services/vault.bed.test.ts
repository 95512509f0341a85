import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedCluster, uniqueName, uniqueNamespace } from "../../../test/bed/bed.ts";
import type { BedCluster } from "../../../test/bed/parts.ts";
import { sopsPrograms } from "../../../test/bed/sops/sops.ts";
import { startVault, type Vault } from "../../../test/bed/vault/vault.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { connect } from "../../cluster/connect.ts";
import { createObject } from "../../cluster/objects.ts";
import { decryptText } from "../decrypt.ts";
import { type CloudKeyOptions, cloudKeyServices } from "./cloud-keys.ts";
import { parseVaultConfig, type VaultLogin } from "./vault.ts";

let vault: Vault;
let cluster: BedCluster;
let client: ClusterClient;
let sops: string;
let directory: string;
let namespace: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-vault-"));
  sops = (await sopsPrograms(() => undefined)).sops;
  cluster = await bedCluster();
  client = connect({ type: "kubeconfig", kubeconfig: cluster.kubeconfig }, { userAgent: "sluice-test" });
  namespace = await uniqueNamespace("vault");
  vault = await startVault(join(directory, "vault"));
  await vault.request("POST", "sys/mounts/transit", { type: "transit" });
  await vault.request("POST", "sys/mounts/teams/a", { type: "transit" });
  await vault.request("POST", "transit/keys/sops");
  await vault.request("POST", "teams/a/keys/sops");
  const rules = 'path "transit/decrypt/sops" { capabilities = ["update"] }';
  await vault.request("POST", "sys/policies/acl/decrypt", { policy: rules });
  await vault.request("POST", "sys/auth/kubernetes", { type: "kubernetes" });
  await vault.request("POST", "auth/kubernetes/config", {
    kubernetes_host: cluster.url,
    kubernetes_ca_cert: cluster.certificateAuthority,
    token_reviewer_jwt: cluster.token,
    disable_local_ca_jwt: true,
  });
  for (const name of ["reader", "stranger"])
    await createObject(client, { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name } });
  await vault.request("POST", `auth/kubernetes/role/${namespace}_reader`, {
    bound_service_account_names: ["reader"],
    bound_service_account_namespaces: [namespace],
    audience: vault.address,
    token_policies: ["decrypt"],
    token_ttl: "10m",
  });
}, 900_000);
afterAll(async () => {
  await vault?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

/** A file that the real sops encrypts with a key of Vault. */
async function encrypted(engine = "transit"): Promise<Uint8Array> {
  const file = join(directory, `${uniqueName("secret")}.json`);
  await writeFile(file, JSON.stringify({ token: "open sesame" }));
  const args = ["encrypt", "--hc-vault-transit", `${vault.address}/v1/${engine}/keys/sops`, file];
  const env = { VAULT_TOKEN: vault.rootToken, HOME: directory, PATH: process.env.PATH ?? "" };
  return Buffer.from((await promisify(execFile)(sops, args, { env })).stdout);
}

async function token(name: string, audience: string): Promise<string> {
  const answer = await client.request<{ status: { token: string } }>({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { audiences: [audience] } },
  });
  return answer.status.token;
}

async function staticToken(policies: string[]): Promise<string> {
  const { auth } = await vault.request("POST", "auth/token/create", { policies, ttl: "10m" });
  return String(Object(auth).client_token);
}

const asked: string[][] = [];
const loginAs = (
  name: string,
  paths: Record<string, string> = { [vault.address]: "auth/kubernetes/login" },
): VaultLogin => {
  const instances = Object.entries(paths).map(([address, loginPath]) => ({ address, loginPath }));
  const configMap = "flux-system/vault";
  return {
    configMap,
    instances: async () => parseVaultConfig({ "config.yaml": JSON.stringify({ instances }) }, configMap),
    requestToken: (audience) => {
      asked.push([name, audience]);
      return token(name, audience);
    },
  };
};

const open = async (file: Uint8Array, options: Partial<CloudKeyOptions>, secret?: string) => {
  const entries = new Map(secret === undefined ? [] : [["sops.vault-token", Buffer.from(secret)] as const]);
  const services = cloudKeyServices(entries, { identity: { type: "own" }, session: "apps.podinfo", ...options });
  return JSON.parse(Buffer.from(await decryptText(file, "json", "json", services)).toString());
};
const wordsOf = async (opening: Promise<unknown>) =>
  opening.then(
    () => "it was decrypted",
    // SOPS wraps its lines.
    (error: unknown) => String(error).replace(/\n[\s|-]*/g, " "),
  );

describe("Vault", () => {
  it("KS-104: the Secret's token decrypts, whatever blanks are around it, also with an engine at a longer path", async () => {
    expect(await open(await encrypted(), {}, `${await staticToken(["decrypt"])}\n`)).toEqual({ token: "open sesame" });
    expect(await open(await encrypted("teams/a"), {}, vault.rootToken)).toEqual({ token: "open sesame" });
  });

  it("KS-104: a service account logs in with a token for the address, as the role of its name", async () => {
    asked.length = 0;
    expect(await open(await encrypted(), { vaultLogin: loginAs("reader") })).toEqual({ token: "open sesame" });
    expect(asked).toEqual([["reader", vault.address]]);
    // Another key is not in the role's policy.
    const other = await wordsOf(open(await encrypted("teams/a"), { vaultLogin: loginAs("reader") }));
    expect(other).toContain("failed to decrypt sops data key from Vault transit backend 'teams/a/decrypt/sops': 403:");
  });

  it("KS-104: whom Vault does not know is told so, with the role that was tried", async () => {
    const words = await wordsOf(open(await encrypted(), { vaultLogin: loginAs("stranger") }));
    expect(words).toContain(`as role '${namespace}_stranger': 400: invalid role name`);
  });

  it("KS-104: an address that is not listed gets no token", async () => {
    asked.length = 0;
    const login = loginAs("reader", { "https://vault.example.com": "auth/kubernetes/login" });
    const words = await wordsOf(open(await encrypted(), { vaultLogin: login }));
    expect(words).toContain(
      `no Vault login path configured for address '${vault.address}' in ConfigMap 'flux-system/vault'`,
    );
    expect(asked).toEqual([]);
  });

  it("KS-104: the Secret's token is used before a login, and a login before the deployment's own token", async () => {
    const file = await encrypted();
    const ownVaultToken = { token: vault.rootToken, addresses: [`${vault.address}/`] };
    expect(await open(file, { ownVaultToken })).toEqual({ token: "open sesame" });
    expect(await wordsOf(open(file, { ownVaultToken, vaultLogin: loginAs("stranger") }))).toContain(
      "invalid role name",
    );
    const useless = await staticToken(["default"]);
    expect(await wordsOf(open(file, { ownVaultToken, vaultLogin: loginAs("reader") }, useless))).toContain("403:");
  });

  it("KS-104: the deployment's own token goes to no address that a file chooses", async () => {
    const ownVaultToken = { token: vault.rootToken, addresses: ["https://vault.example.com"] };
    const words = await wordsOf(open(await encrypted(), { ownVaultToken }));
    expect(words).toContain(`Sluice's own Vault token is not for '${vault.address}'`);
    expect(words).not.toContain(vault.rootToken);
  });
});
