import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sopsPrograms } from "./bed/sops/sops.ts";
import { openSopsWorkshop, type SopsWorkshop } from "./bed/sops/workshop.ts";
import { startVault, type Vault } from "./bed/vault/vault.ts";
import { conditionOf, openWorkspace, type Workspace } from "./bed/workspace.ts";

let directory: string;
let vault: Vault;
let workshop: SopsWorkshop;
let workspace: Workspace;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-vault-"));
  vault = await startVault(directory);
  await vault.request("POST", "sys/mounts/transit", { type: "transit" });
  await vault.request("POST", "transit/keys/sops");
  await vault.request("POST", "sys/policies/acl/decrypt", {
    policy: 'path "transit/decrypt/sops" { capabilities = ["update"] }',
  });
  workshop = await openSopsWorkshop(await sopsPrograms(() => undefined));
  workspace = await openWorkspace("vault");
  const repository = await workspace.repository({ "app/secret.yaml": await encrypted("app", "clear-1") });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
}, 900_000);
afterAll(async () => {
  await Promise.all([vault?.stop(), workshop?.close(), workspace?.close()]);
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

/** A Secret that the real sops encrypts with a key of Vault, beside an age key that nobody here has. */
async function encrypted(name: string, password: string): Promise<string> {
  const text = JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { password } });
  const { recipient } = await workshop.ageKey();
  const uri = `${vault.address}/v1/transit/keys/sops`;
  const args = ["--age", recipient, "--hc-vault-transit", uri, "--encrypted-regex", "^stringData$"];
  return (await workshop.encrypt(text, "yaml", args, undefined, { VAULT_TOKEN: vault.rootToken })).toString();
}

async function token(policies: string[]): Promise<string> {
  const { auth } = await vault.request("POST", "auth/token/create", { policies, ttl: "10m" });
  return String(Object(auth).client_token);
}

async function decryptsWith(name: string, stringData: Record<string, string>): Promise<void> {
  await workspace.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });
  const decryption = { provider: "sops", secretRef: { name } } as const;
  await workspace.kustomization(name, { path: "./app", decryption });
}

async function failureOf(name: string): Promise<string> {
  const failed = await workspace.until(
    "Kustomization",
    name,
    ({ status }) => conditionOf(status, "Ready")?.status === "False",
  );
  return conditionOf(failed.status, "Ready")?.message ?? "";
}

const entries = {
  "sops.aws-kms": "aws_access_key_id: a\naws_secret_access_key: hush-hush\n",
  "sops.azure-kv": "tenantId: a\nclientId: b\nclientSecret: hush-hush\n",
  "sops.gcp-kms": '{"type": "authorized_user", "client_id": "a", "client_secret": "hush-hush", "refresh_token": "c"}',
};

describe("decryption with keys of clouds", () => {
  it("KS-096, KS-100, KS-104: a Secret with entries of all kinds decrypts with the one that is of use", async () => {
    const { identity } = await workshop.ageKey();
    const more = { "another.agekey": identity, "sops.unknown": "ignored", "notes.txt": "ignored" };
    await decryptsWith("all", { ...entries, ...more, "sops.vault-token": `${await token(["decrypt"])}\n` });
    await workspace.untilReady("Kustomization", "all");
    const live = await workspace.find("Secret", "app");
    expect(Object(live?.data)).toEqual({ password: Buffer.from("clear-1").toString("base64") });
  });

  it("KS-104, KS-105: a token without the right fails the build, with Vault's reason and without the token", async () => {
    const useless = await token(["default"]);
    await decryptsWith("useless", { "sops.vault-token": useless });
    const message = await failureOf("useless");
    expect(message.replace(/\n[\s|-]*/g, " ")).toContain(
      "failed to decrypt sops data key from Vault transit backend 'transit/decrypt/sops': 403:",
    );
    expect(message).not.toContain(useless);
  });

  it.each([
    ["sops.aws-kms", "[hush-hush", "failed to unmarshal AWS credentials file: it is no YAML"],
    ["sops.azure-kv", "clientSecret: hush-hush", "invalid data: requires a 'clientId' field"],
    ["sops.gcp-kms", '{"type": "service_account", "private_key": "hush-hush"}', "it has no 'client_email'"],
  ])("KS-098: an entry %s that cannot be used fails the build, without a word of it", async (entry, text, why) => {
    const name = entry.replace("sops.", "");
    await decryptsWith(name, { ...entries, [entry]: text });
    const message = await failureOf(name);
    const secret = `${workspace.namespace}/${name}`;
    expect(message).toContain(`failed to import '${entry}' data from sops decryption Secret '${secret}': ${why}`);
    expect(message).not.toContain("hush-hush");
  });
});
