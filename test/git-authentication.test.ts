import { generateKeyPairSync } from "node:crypto";
import { basename, dirname } from "node:path";
import { jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCertificateAuthority, issueCertificate } from "../lib/platform/local/certificate.ts";
import { type FakeCloud, startFakeCloud } from "./bed/cloud.ts";
import { isInstalled } from "./bed/git/signers.ts";
import { createSshKey, knownHostsLine } from "./bed/git/ssh-key.ts";
import { startSshServer } from "./bed/git/ssh-server.ts";
import { startHttpProxy } from "./bed/proxy.ts";
import { conditionOf, openWorkspace, type Workspace } from "./bed/workspace.ts";

const authority = createCertificateAuthority("private Git");
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const token = "ghs_c4n4ry";

let workspace: Workspace;
let api: FakeCloud;
let url: string;
beforeAll(async () => {
  const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
  const basic = { username: "x-access-token", password: token };
  workspace = await openWorkspace("git-authentication", { git: { tls, basic } });
  api = await startFakeCloud();
  ({ url } = await workspace.repository({ "a.txt": "one\n" }));
});
afterAll(async () => {
  await api?.close();
  await workspace?.close();
});

/** Why the object is not Ready, once it says so in these words. */
const untilTold = (name: string, words: RegExp) =>
  workspace.until("GitRepository", name, ({ status }) => words.test(conditionOf(status, "Ready")?.message ?? ""));

const secret = (name: string, stringData: Record<string, string>) =>
  workspace.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });

const failed = (name: string, reason: string) =>
  workspace.until("GitRepository", name, ({ status }) => conditionOf(status, "FetchFailed")?.reason === reason);

describe("a private repository over HTTPS", () => {
  it("GIT-050, GIT-055, GIT-061, SRC-027, SEC-011: waits for its Secret, and takes what that says at each attempt", async () => {
    await workspace.gitRepository("basic", url, { secretRef: { name: "basic" } });
    const told = `failed to get secret '${workspace.namespace}/basic'`;
    const missing = await failed("basic", "AuthenticationFailed");
    expect(conditionOf(missing.status, "Ready")?.message).toBe(`${told}: ${told}: secrets "basic" not found`);

    const user = { username: "x-access-token", password: "wrong" };
    await secret("basic", user);
    await workspace.reconcile("GitRepository", "basic");
    const untrusted = await failed("basic", "GitOperationFailed");
    expect(conditionOf(untrusted.status, "Ready")?.message).toMatch(/x509: certificate signed by unknown authority/);

    await workspace.patch("Secret", "basic", { stringData: { "ca.crt": authority.certificate } });
    await workspace.reconcile("GitRepository", "basic");
    await untilTold("basic", /authentication required/);
    await workspace.patch("Secret", "basic", { stringData: { password: token } });
    await workspace.reconcile("GitRepository", "basic");
    const object = await workspace.untilReady("GitRepository", "basic");
    expect(conditionOf(object.status, "FetchFailed")).toBeUndefined();
  });

  it("GIT-062, GIT-063, GIT-070: by a GitHub App, whose API says what is wrong with it", async () => {
    const path = "/api/v3/app/installations/2/access_tokens";
    api.answers.set(`POST ${path}`, () => ({ status: 403, body: { message: "This installation has been suspended" } }));
    await secret("app", {
      githubAppID: "1",
      githubAppInstallationID: "2",
      githubAppPrivateKey: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
      githubAppBaseURL: api.url,
      "ca.crt": `${authority.certificate}\n${api.certificateAuthority}`,
    });
    await workspace.gitRepository("app", url, { provider: "github", secretRef: { name: "app" } });
    const refused = await failed("app", "AuthenticationFailed");
    expect(conditionOf(refused.status, "Ready")?.message).toBe(
      `failed to configure authentication options: POST ${api.url}${path}: 403 This installation has been suspended []`,
    );
    api.answers.set(`POST ${path}`, async ({ headers }) => {
      const [, jwt = ""] = /^Bearer (.+)$/.exec(headers.authorization ?? "") ?? [];
      const { payload } = await jwtVerify(jwt, publicKey, { issuer: "1", maxTokenAge: 60 });
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(120);
      return { status: 201, body: { token, expires_at: new Date(Date.now() + 3_600_000).toISOString() } };
    });
    await workspace.reconcile("GitRepository", "app");
    await workspace.untilReady("GitRepository", "app");
    api.calls.length = 0;
    const requestedAt = await workspace.reconcile("GitRepository", "app");
    await workspace.until("GitRepository", "app", ({ status }) => status?.lastHandledReconcileAt === requestedAt);
    expect(api.calls).toEqual([]);
  });

  it("SEC-004, SEC-006, SEC-012, GE-014: through a proxy, the API as well as the repository", async () => {
    const proxy = await startHttpProxy({ credentials: { username: "jane", password: token } });
    try {
      const spec = { provider: "github", secretRef: { name: "app" }, proxySecretRef: { name: "proxy" } } as const;
      await workspace.gitRepository("proxied", url, spec);
      const missing = await failed("proxied", "AuthenticationFailed");
      expect(conditionOf(missing.status, "Ready")?.message).toBe(
        `failed to configure proxy options: secret '${workspace.namespace}/proxy' not found`,
      );
      await secret("proxy", { address: proxy.address, username: "jane", password: "wrong" });
      await workspace.reconcile("GitRepository", "proxied");
      await untilTold("proxied", /Proxy Authentication Required/i);
      await workspace.patch("Secret", "proxy", { stringData: { password: token } });
      await workspace.reconcile("GitRepository", "proxied");
      const object = await workspace.untilReady("GitRepository", "proxied");
      const [apiHost, gitHost] = [new URL(api.url).host, new URL(url).host];
      expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT ${apiHost}`, `CONNECT ${gitHost}`]));
      const events = await workspace.events("GitRepository", "proxied");
      expect(JSON.stringify([object.status, events])).not.toContain("c4n4ry");
    } finally {
      await proxy.stop();
    }
  });

  it("GIT-064, GIT-069, SEC-007: providers that are not configured", async () => {
    await workspace.gitRepository("github", url, { provider: "github" });
    const { status } = await failed("github", "InvalidProviderConfiguration");
    const message = "secretRef with github app data must be specified when provider is set to github";
    for (const type of ["Stalled", "FetchFailed"])
      expect(conditionOf(status, type)).toMatchObject({ status: "True", message });
    const codeCommit = "https://git-codecommit.eu-central-1.amazonaws.com/v1/repos/app";
    await workspace.gitRepository("gate", codeCommit, { provider: "aws", serviceAccountName: "default" });
    const gate = await failed("gate", "FeatureGateDisabled");
    expect(conditionOf(gate.status, "Stalled")?.message).toContain(
      "please enable the ObjectLevelWorkloadIdentity feature gate",
    );
    await expect(workspace.gitRepository("generic", url, { serviceAccountName: "default" })).rejects.toThrow(
      "serviceAccountName can only be set when provider is 'azure' or 'aws'",
    );
  });
});

describe.runIf(isInstalled("ssh-keygen"))("a private repository over SSH", () => {
  it("GIT-056, GIT-057, GIT-058, GIT-059: by an encrypted key, its password and the server's own key", async () => {
    const repository = await workspace.repository({ "a.txt": "one\n" });
    const [host, other] = [await createSshKey({ type: "ed25519" }), await createSshKey({ type: "ed25519" })];
    const user = await createSshKey({ type: "rsa", bits: 2048, password: token });
    const ssh = await startSshServer({
      directory: dirname(repository.directory),
      hostKeys: [host.privateKey],
      authorizedKeys: [user.publicKey],
    });
    try {
      const name = basename(repository.directory, ".git");
      await secret("ssh", { identity: user.privateKey });
      await workspace.gitRepository("ssh", ssh.url(name), { secretRef: { name: "ssh" } });
      const again = async (stringData: Record<string, string>) => {
        await workspace.patch("Secret", "ssh", { stringData });
        await workspace.reconcile("GitRepository", "ssh");
      };
      await untilTold(
        "ssh",
        /^failed to configure authentication options: invalid 'ssh' auth option: 'known_hosts' is required$/,
      );
      await again({ known_hosts: knownHostsLine(other, ssh.port) });
      const words = `SSH identity key is encrypted but no 'password' field was provided in the secret '${workspace.namespace}/ssh'`;
      await untilTold("ssh", new RegExp(`^${words}$`));
      await again({ password: token });
      await untilTold("ssh", /knownhosts: key mismatch/);
      await again({ known_hosts: knownHostsLine(host, ssh.port) });
      const object = await workspace.untilReady("GitRepository", "ssh");
      expect(ssh.requests.map(({ user }) => user)).toContain("git");
      const events = await workspace.events("GitRepository", "ssh");
      expect(JSON.stringify([object.status, events])).not.toContain("c4n4ry");
    } finally {
      await ssh.stop();
    }
  });
});
