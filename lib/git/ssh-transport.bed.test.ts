import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createRepository } from "../../lib/host/git/repository.ts";
import { isInstalled } from "../../test/bed/git/signers.ts";
import { createSshKey, knownHostsLine, type SshKey, type SshKeyOptions } from "../../test/bed/git/ssh-key.ts";
import { type SshServer, type SshServerOptions, startSshServer } from "../../test/bed/git/ssh-server.ts";
import { startHttpProxy, startSocksProxy } from "../../test/bed/proxy.ts";
import { GitError } from "./git-error.ts";
import { defaultLimits } from "./limits.ts";
import { withSession } from "./session.ts";
import type { SshAccess, SshRemote } from "./ssh-remote.ts";

let directory: string;
let host: SshKey;
let user: SshKey;
let commit: string;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-ssh-"));
  [host, user] = await Promise.all([createSshKey({ type: "ed25519" }), createSshKey({ type: "ed25519" })]);
  const app = await createRepository(directory, "ssh://", "app", {});
  commit = await app.commit({ a: "1" });
  await app.commit({ a: "2" });
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function serve(options: Partial<SshServerOptions> = {}): Promise<SshServer> {
  const own = { directory, hostKeys: [host.privateKey], authorizedKeys: [user.publicKey], ...options };
  const server = await startSshServer(own);
  stops.push(() => server.stop());
  return server;
}

/** How the repository behind a server is reached, by the right keys unless others are given. */
function remoteOf(server: SshServer, ssh: Partial<SshAccess> = {}, more: Partial<SshRemote> = {}): SshRemote {
  const knownHosts = knownHostsLine(host, server.port);
  return { url: server.url("app"), ssh: { identity: user.privateKey, knownHosts, ...ssh }, ...more };
}

const limits = { ...defaultLimits, silence: 5000 };

async function tipOf(remote: SshRemote, signal = AbortSignal.timeout(30_000)): Promise<string | undefined> {
  const listed = await withSession(remote, limits, signal, (session) => session.references(["refs/heads/main"]));
  return listed[0]?.name;
}

async function failure(remote: SshRemote, own = limits): Promise<{ code: string; message: string }> {
  const signal = AbortSignal.timeout(30_000);
  const error: unknown = await withSession(remote, own, signal, (session) => session.references([""])).then(
    () => new Error("listed"),
    (reason: unknown) => reason,
  );
  if (error instanceof GitError) return { code: error.code, message: error.message };
  return { code: "none", message: String(error) };
}

describe.runIf(isInstalled("ssh-keygen"))("SSH keys", () => {
  it.each<SshKeyOptions>([
    { type: "ed25519" },
    { type: "ecdsa", bits: 256 },
    { type: "ecdsa", bits: 384, form: "PEM" },
    { type: "ecdsa", bits: 521, form: "PKCS8" },
    { type: "rsa", bits: 2048 },
    { type: "rsa", bits: 2048, form: "PEM" },
    { type: "rsa", bits: 2048, form: "PKCS8" },
    { type: "ed25519", password: "pass word" },
    { type: "ecdsa", bits: 521, password: "pass word" },
    { type: "rsa", bits: 2048, form: "PEM", password: "pass word" },
  ])("GIT-056, GIT-058: %o", async (options) => {
    const key = await createSshKey(options);
    const server = await serve({ authorizedKeys: [key.publicKey] });
    const { password } = options;
    const access = { identity: key.privateKey, ...(password === undefined ? {} : { password }) };
    expect(await tipOf(remoteOf(server, access))).toBe("refs/heads/main");
    if (password === undefined) return;
    const wrong = await failure(remoteOf(server, { ...access, password: "other" }));
    expect(wrong).toEqual({ code: "invalid-key", message: "x509: decryption password incorrect" });
    for (const none of [{}, { password: "" }])
      expect((await failure(remoteOf(server, { identity: key.privateKey, ...none }))).code).toBe("key-encrypted");
  });

  it("GIT-056: Ed25519 in PKCS #8, texts around a key, and line ends of another system", async () => {
    const pair = generateKeyPairSync("ed25519");
    const x = Buffer.from(pair.publicKey.export({ format: "jwk" }).x ?? "", "base64url");
    const length = (bytes: Buffer) => Buffer.concat([Buffer.of(0, 0, 0, bytes.length), bytes]);
    const line = `ssh-ed25519 ${Buffer.concat([length(Buffer.from("ssh-ed25519")), length(x)]).toString("base64")}`;
    const server = await serve({ authorizedKeys: [line, user.publicKey] });
    const identity = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    expect(await tipOf(remoteOf(server, { identity }))).toBe("refs/heads/main");
    const identities = [`\n\n${user.privateKey}\n\n`, user.privateKey.replaceAll("\n", "\r\n"), user.privateKey.trim()];
    for (const text of identities) expect(await tipOf(remoteOf(server, { identity: text }))).toBe("refs/heads/main");
  });

  it("GIT-056: what is no key is told in a sentence without what it holds", async () => {
    const server = await serve();
    const of = (identity: string) => failure(remoteOf(server, { identity }));
    expect(await of("c4n4ry")).toEqual({ code: "invalid-key", message: "ssh: no key found" });
    expect((await of(user.publicKey)).message).toBe("ssh: no key found");
    const broken = user.privateKey.replace(/\n[^\n]{20}/, "\n");
    expect((await of(broken)).message).toBe("ssh: the private key cannot be read");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const cipher = { cipher: "aes-256-cbc", passphrase: "x" };
    const encrypted = privateKey.export({ type: "pkcs8", format: "pem", ...cipher }).toString();
    expect((await of(encrypted)).message).toBe('ssh: unsupported key type "ENCRYPTED PRIVATE KEY"');
    expect((await of(`${user.privateKey}${" ".repeat(20_000)}`)).message).toMatch(/longer than/);
  });
});

describe.runIf(isInstalled("ssh-keygen"))("known_hosts", () => {
  it("GIT-059: hashed names, several names and several keys, of a port of its own", async () => {
    const server = await serve();
    const other = await createSshKey({ type: "ed25519" });
    const { port } = server;
    const file = join(directory, "known_hosts");
    await writeFile(file, knownHostsLine(host, port));
    execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
    const hashed = execFileSync("cat", [file]).toString();
    expect(hashed).toMatch(/^\|1\|/);
    const several = `# hosts\n\ngit.example.test,[127.0.0.1]:${port} ${host.publicKey}\n`;
    const files = [hashed, several, `${knownHostsLine(other, 22)}${knownHostsLine(other, port)}${hashed}`];
    for (const knownHosts of files) expect(await tipOf(remoteOf(server, { knownHosts }))).toBe("refs/heads/main");
  });

  it("GIT-059: another key, an unknown host, another port, a revoked key and a line that is none", async () => {
    const server = await serve();
    const other = await createSshKey({ type: "ed25519" });
    const of = (knownHosts: string) => failure(remoteOf(server, { knownHosts }));
    const told = (words: string) => ({ code: "unreachable", message: `ssh: handshake failed: ${words}` });
    expect(await of(knownHostsLine(other, server.port))).toEqual(told("knownhosts: key mismatch"));
    expect(await of(knownHostsLine(host, 22))).toEqual(told("knownhosts: key is unknown"));
    expect(await of("")).toEqual(told("knownhosts: key is unknown"));
    const revoked = `${knownHostsLine(host, server.port)}@revoked * ${host.publicKey}\n`;
    expect(await of(revoked)).toEqual(told("knownhosts: key is revoked"));
    expect(await of("example.test ssh-ed25519")).toMatchObject({ code: "invalid-key" });
    expect(server.requests).toEqual([]);
    await expect.poll(() => server.connections.open).toBe(0);
  });

  it("GIT-060: what is known of the server, or configured, decides which of its keys is asked for", async () => {
    const rsa = await createSshKey({ type: "rsa", bits: 2048, form: "PEM" });
    const hostKeys = [host.privateKey, rsa.privateKey];
    const server = await serve({ hostKeys });
    const knownHosts = knownHostsLine(rsa, server.port);
    expect(await tipOf(remoteOf(server, { knownHosts }))).toBe("refs/heads/main");
    expect(server.negotiated()).toBe("rsa-sha2-512");
    const sha256 = await serve({ hostKeys, algorithms: { serverHostKey: ["ssh-ed25519", "rsa-sha2-256"] } });
    await tipOf(remoteOf(sha256, { knownHosts: knownHostsLine(rsa, sha256.port) }));
    expect(sha256.negotiated()).toBe("rsa-sha2-256");
    await tipOf(remoteOf(server, { knownHosts, hostKeyAlgorithms: ["what", "ssh-rsa"] }));
    expect(server.negotiated()).toBe("ssh-rsa");
    const old = await serve({ algorithms: { kex: ["diffie-hellman-group14-sha1"] } });
    expect((await failure(remoteOf(old))).message).toMatch(/handshake failed: ssh: no common algorithm: key exchange/);
    expect(await tipOf(remoteOf(old, { kexAlgorithms: ["diffie-hellman-group14-sha1"] }))).toBe("refs/heads/main");
    expect((await failure(remoteOf(old, { kexAlgorithms: ["what"] }))).message).toMatch(/no supported algorithm/);
  });
});

describe.runIf(isInstalled("ssh-keygen"))("SSH sessions", () => {
  it("GIT-057, GE-002: the user of the URL, one connection a session, closed in the end", async () => {
    const server = await serve();
    await tipOf(remoteOf(server));
    await tipOf(remoteOf(server, {}, { url: server.url("app").replace("git@", "") }));
    await tipOf(remoteOf(server, {}, { url: server.url("app").replace("git@", "j%C3%A4ne@") }));
    expect(server.requests.map((request) => request.user)).toEqual(["git", "git", "jäne"]);
    expect(server.requests[0]?.command).toBe(`git-upload-pack '${directory}/app.git'`);
    expect(server.requests[0]?.environment).toEqual({ GIT_PROTOCOL: "version=2" });
    expect(server.connections.all).toBe(3);
    await expect.poll(() => server.connections.open).toBe(0);
    await withSession(remoteOf(server), limits, AbortSignal.timeout(30_000), async (session) => {
      const [tip] = await session.references(["refs/heads/main"]);
      expect(await session.isEmpty()).toBe(false);
      expect(await session.isReachable(commit, tip?.id ?? "")).toBe(true);
      expect(await session.isReachable("ab".repeat(20), tip?.id ?? "")).toBe(false);
      const pack = await session.fetch({ wants: [commit], depth: 1 });
      expect(pack.stat(commit)?.type).toBe("commit");
      pack.close();
    });
    expect(server.connections.all).toBe(4);
    const given = withSession(remoteOf(server), limits, AbortSignal.timeout(30_000), async (session) => {
      await session.references([""]);
      throw new Error("given up");
    });
    await expect(given).rejects.toThrow("given up");
    await expect.poll(() => server.connections.open).toBe(0);
  });

  it("GE-002: a server that allows one channel is connected to once more", async () => {
    const server = await serve({ singleChannel: true });
    await withSession(remoteOf(server), limits, AbortSignal.timeout(30_000), async (session) => {
      const [tip] = await session.references(["refs/heads/main"]);
      // What is read to its end leaves the channel to the next command; what is broken off does not.
      expect(await session.references(["refs/tags/"])).toEqual([]);
      expect(server.connections.all).toBe(1);
      expect(await session.isReachable(commit, tip?.id ?? "")).toBe(true);
      (await session.fetch({ wants: [commit], depth: 1 })).close();
      expect(server.connections.all).toBe(2);
    });
    await expect.poll(() => server.connections.open).toBe(0);
  });

  it("GE-014: through a proxy by CONNECT and by SOCKS5, and no further where the proxy refuses", async () => {
    const server = await serve();
    for (const start of [startHttpProxy, startSocksProxy]) {
      const proxy = await start({ credentials: { username: "jane", password: "secret" } });
      stops.push(() => proxy.stop());
      const { address } = proxy;
      const right = { proxy: { address, username: "jane", password: "secret" } };
      expect(await tipOf(remoteOf(server, {}, { outbound: right }))).toBe("refs/heads/main");
      expect(proxy.asked[0]).toContain(`127.0.0.1:${server.port}`);
      const wrong = { proxy: { address, username: "jane", password: "c4n4ry" } };
      const told = await failure(remoteOf(server, {}, { outbound: wrong }));
      expect(told.code).toBe("unreachable");
      expect(told.message).not.toContain("c4n4ry");
    }
    expect(server.connections.all).toBe(2);
  });
});
