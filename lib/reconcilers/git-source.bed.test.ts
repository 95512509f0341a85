import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bedCluster, uniqueNamespace } from "../../test/bed/bed.ts";
import { openTestPlatform, type TestPlatform } from "../../test/bed/local-platform.ts";
import type { GitRepository, GitRepositorySpec } from "../api/git-repository.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { connect } from "../cluster/connect.ts";
import { parseSettings } from "../engine/settings.ts";
import { GitError } from "../git/git-error.ts";
import type { GitSource } from "../git/git-source.ts";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";
import { gitFailure, readGitSource } from "./git-source.ts";
import { SourceFailure } from "./source/source-failure.ts";

let cluster: ClusterClient;
let namespace: string;
let bed: TestPlatform;
const signal = AbortSignal.timeout(300_000);
const canary = "c4n4ry";

beforeAll(async () => {
  const { kubeconfig } = await bedCluster();
  cluster = connect({ type: "kubeconfig", kubeconfig }, { userAgent: "test", trusted: true });
  namespace = await uniqueNamespace("git-source");
  bed = await openTestPlatform("test", { kubeconfig });
});

afterAll(() => bed?.close());

let secrets = 0;
async function secretOf(stringData: Record<string, string>): Promise<{ secretRef: { name: string } }> {
  const name = `secret-${secrets++}`;
  const body = { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData };
  await cluster.request({ method: "POST", path: `/api/v1/namespaces/${namespace}/secrets`, body });
  return { secretRef: { name } };
}

const now = new Date("2026-01-02T03:04:05Z");
/** Flags of source-controller. */
let args: string[] = [];
beforeEach(() => {
  args = [];
});

function read(spec: Partial<GitRepositorySpec>, status?: GitRepository["status"]): Promise<GitSource> {
  const object: GitRepository = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "app", namespace },
    spec: { url: "https://git.test/app.git", interval: "1m", ...spec },
    ...(status === undefined ? {} : { status }),
  };
  const { records, secrets, log } = bed.platform;
  const settings = parseSettings(args, "flux-system", log);
  const clock = { now: () => now };
  const context = { cluster, signal, clusterId: "test", settings, clock, records, secrets, log };
  return readGitSource(object, context).then(({ asker: _asker, ...source }) => source);
}

async function failureOf(spec: Partial<GitRepositorySpec>): Promise<SourceFailure> {
  const error: unknown = await read(spec).catch((reason: unknown) => reason);
  expect(String(error)).not.toContain(canary);
  if (error instanceof SourceFailure) return error;
  throw new Error(`no SourceFailure: ${String(error)}`);
}

describe("what a GitRepository asks for", () => {
  it("GIT-003, GIT-053, IGN-009: without anything but a URL, nothing is made up", async () => {
    expect(await read({})).toEqual({ url: "https://git.test/app.git", reference: {} });
    const asked = await read({ ref: { tag: "v1" }, ignore: "", sparseCheckout: ["app"] });
    expect(asked).toMatchObject({ reference: { tag: "v1" }, ignore: "", sparseCheckout: ["app"] });
  });

  it("GIT-050, GIT-051, GIT-052: user and password, a bearer token, and what the URL says", async () => {
    const basic = await secretOf({ username: "jane", password: canary });
    expect((await read(basic)).credentials).toEqual({ username: "jane", password: canary });
    const bearer = await secretOf({ bearerToken: canary, username: "jane", password: "x" });
    expect((await read(bearer)).credentials).toEqual({ bearerToken: canary });
    const url = `https://joe:${encodeURIComponent("p@:/")}@git.test/app.git`;
    expect((await read({ url })).credentials).toEqual({ username: "joe", password: "p@:/" });
    const password = await secretOf({ password: canary });
    expect((await read({ url, ...password })).credentials).toEqual({ username: "joe", password: canary });
    expect(await failureOf({ url, ...bearer })).toMatchObject({
      reason: "GitOperationFailed",
      message: expect.stringContaining("basic auth and bearer token cannot be set at the same time"),
    });
    expect(await failureOf(password)).toMatchObject({
      ...{ condition: "FetchFailed", reason: "AuthenticationFailed", terminal: false },
      message:
        "failed to configure authentication options: invalid 'https' auth option: 'password' requires 'username' to be set",
    });
  });

  it("GIT-055, SEC-001, SEC-002: certificates under the standard and the old key", async () => {
    const authority = createCertificateAuthority("one");
    const { certificate, key } = issueCertificate(authority, { names: ["jane"] });
    const both = await secretOf({
      "ca.crt": authority.certificate,
      caFile: "wrong",
      "tls.crt": certificate,
      "tls.key": key,
    });
    expect((await read(both)).tls).toEqual({ certificateAuthority: authority.certificate, certificate, key });
    const old = await secretOf({ caFile: authority.certificate });
    expect((await read(old)).tls).toEqual({ certificateAuthority: authority.certificate });
    const half = await secretOf({ "tls.crt": certificate });
    expect(await failureOf(half)).toMatchObject({ reason: "AuthenticationFailed", terminal: false });
  });

  it("SEC-004: a proxy by its Secret, and what is wrong with one, before all else", async () => {
    const proxy = (data: Record<string, string>) =>
      secretOf(data).then(({ secretRef }) => ({ proxySecretRef: secretRef }));
    const url = "https://git.test/app.git";
    const address = "http://proxy.test:3128";
    const given = { url, ...(await proxy({ address, username: "jane", password: canary })) };
    expect(await read(given)).toMatchObject({ url, proxy: { address, username: "jane", password: canary } });
    const ssh = { url: "ssh://git@git.test/app.git", ...(await secretOf({ identity: "x", known_hosts: "x" })) };
    expect(await read({ ...ssh, ...(await proxy({ address })) })).toMatchObject({ outbound: { proxy: { address } } });
    for (const data of [
      {},
      { address: "" },
      { address: "ftp://proxy.test" },
      { address: `http://${"x".repeat(3000)}` },
    ]) {
      expect(await failureOf({ url: "https://[::1", ...(await proxy(data)) })).toMatchObject({
        ...{ condition: "FetchFailed", reason: "AuthenticationFailed", terminal: false },
        message: expect.stringMatching(new RegExp(`^failed to configure proxy options: secret '${namespace}/`)),
      });
    }
    const missing = await failureOf({ proxySecretRef: { name: "none" } });
    expect(missing.message).toBe(`failed to configure proxy options: secret '${namespace}/none' not found`);
  });

  it("GIT-061, SRC-033: a missing Secret is named, and waited for", async () => {
    const told = `'${namespace}/none'`;
    expect(await failureOf({ secretRef: { name: "none" } })).toMatchObject({
      ...{ condition: "FetchFailed", reason: "AuthenticationFailed", terminal: false },
      message: `failed to get secret ${told}: failed to get secret ${told}: secrets "none" not found`,
    });
  });

  it("GIT-064, GIT-065: a GitHub App's data and its provider belong together", async () => {
    const app = await secretOf({ githubAppID: "1", githubAppPrivateKey: canary });
    expect(await failureOf(app)).toMatchObject({
      ...{ reason: "InvalidProviderConfiguration", terminal: false },
      message: `secretRef '${namespace}/${app.secretRef.name}' has github app data but provider is not set to github`,
    });
    expect(await failureOf({ provider: "github" })).toMatchObject({
      ...{ reason: "InvalidProviderConfiguration", terminal: true },
      message: "secretRef with github app data must be specified when provider is set to github",
    });
  });

  it.each([
    [`https://jane:${canary}@[::1`, "https://[::1", "missing ']' in host"],
    [`https://jane:%zz${canary}@git.test/x`, "https://git.test/x", "invalid URL"],
    [`https://jane:${canary}/${canary}@git.test/x`, "https://git.test/x", "invalid URL"],
    ["https://git.test:port/x", "https://git.test:port/x", 'invalid port ":port" after host'],
  ])("GIT-002, SEC-012: the URL of %#. is none", async (url, told, words) => {
    expect(await failureOf({ url })).toMatchObject({
      ...{ condition: "FetchFailed", reason: "URLInvalid", terminal: true },
      message: `failed to parse url '${told}': parse "${told}": ${words}`,
    });
  });

  it("GIT-056, GIT-058, GIT-060: SSH by a key and known hosts, and by the operator's algorithms", async () => {
    const url = "ssh://git@git.test/app.git";
    const { privateKey: identity } = generateKeyPairSync("ed25519", {
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    const secret = await secretOf({ identity, known_hosts: "git.test ssh-ed25519 AAAA", username: "x" });
    const ssh = { identity, knownHosts: "git.test ssh-ed25519 AAAA" };
    expect(await read({ url, ...secret })).toEqual({ url, reference: {}, ssh });
    args = ["--ssh-kex-algos=curve25519-sha256,ecdh-sha2-nistp256", "--ssh-hostkey-algos=ssh-ed25519"];
    expect(await read({ url, ...secret })).toMatchObject({
      ssh: { kexAlgorithms: ["curve25519-sha256", "ecdh-sha2-nistp256"], hostKeyAlgorithms: ["ssh-ed25519"] },
    });
    const invalid = "failed to configure authentication options: invalid 'ssh' auth option:";
    for (const [data, key] of [
      [{ known_hosts: "x" }, "identity"],
      [{ identity }, "known_hosts"],
      [{ username: "jane", password: canary }, "identity"],
    ] as const) {
      expect(await failureOf({ url, ...(await secretOf(data)) })).toMatchObject({
        ...{ condition: "FetchFailed", reason: "AuthenticationFailed", terminal: false },
        message: `${invalid} '${key}' is required`,
      });
    }
    expect((await failureOf({ url })).message).toBe(`${invalid} 'identity' is required`);
  });

  it("GIT-058: an encrypted key without its password, in both forms of a key", async () => {
    const url = "ssh://git@git.test/app.git";
    const pem = `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n`;
    const field = (text: string) => Buffer.concat([Buffer.of(0, 0, 0, text.length), Buffer.from(text, "latin1")]);
    const head = ["aes256-ctr", "bcrypt", `${"\0\0\0\x10"}${"s".repeat(16)}\0\0\0\x10`].map(field);
    const openSsh = Buffer.concat([Buffer.from("openssh-key-v1\0"), ...head]).toString("base64");
    const forms = [pem, `-----BEGIN OPENSSH PRIVATE KEY-----\n${openSsh}\n-----END OPENSSH PRIVATE KEY-----\n`];
    for (const identity of forms) {
      const secret = await secretOf({ identity, known_hosts: "x" });
      expect(await failureOf({ url, ...secret })).toMatchObject({
        ...{ condition: "FetchFailed", reason: "AuthenticationFailed", terminal: false },
        message: `SSH identity key is encrypted but no 'password' field was provided in the secret '${namespace}/${secret.secretRef.name}'`,
      });
      const withPassword = await secretOf({ identity, known_hosts: "x", password: canary });
      expect(await read({ url, ...withPassword })).toMatchObject({ ssh: { identity, password: canary } });
    }
  });

  it.each<[string, Partial<GitRepositorySpec>]>([])("SRC-016: %s is refused, never left out", async (field, spec) => {
    const failure = await failureOf(spec);
    expect(failure).toMatchObject({ condition: "FetchFailed", terminal: true });
    expect(failure.message).toContain(field);
  });

  it("GIT-040: an artifact that exists is told of", async () => {
    const artifact = { digest: "sha256:0", lastUpdateTime: "", path: "", url: "", revision: "main@sha1:0", size: 1 };
    expect((await read({}, { artifact })).observedRevision).toBe("main@sha1:0");
  });
});

describe("what is told of a failure", () => {
  const aborted = AbortSignal.abort();

  it("GIT-017, GIT-018, GIT-101: conditions, reasons and messages", () => {
    const of = (code: ConstructorParameters<typeof GitError>[0], message: string) =>
      gitFailure(new GitError(code, message), signal);
    const prefix = "failed to checkout and determine revision:";
    expect(of("no-reference", "x")).toMatchObject({
      reason: "GitOperationFailed",
      message: `${prefix} x`,
      terminal: false,
    });
    expect(of("empty", "git repository is empty")).toMatchObject({
      ...{ condition: "FetchFailed", reason: "EmptyGitRepository", message: "git repository is empty" },
    });
    expect(of("no-path", "x")).toMatchObject({ reason: "GitOperationFailed", message: "x" });
    expect(gitFailure(new Error("x"), signal).message).toBe(`${prefix} x`);
    expect(gitFailure(new Error("x"), aborted).message).toBe(`${prefix} context canceled`);
    const own = new SourceFailure("StorageOperationFailed", "ArchiveOperationFailed", "x");
    expect(gitFailure(own, aborted)).toBe(own);
  });
});
