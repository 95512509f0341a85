import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCertificateAuthority, issueCertificate } from "../../../lib/platform/local/certificate.ts";
import { type GitServer, type GitServerOptions, startGitServer } from "./git-server.ts";

let directory: string;
const servers: GitServer[] = [];

async function serve(options: Omit<GitServerOptions, "directory"> = {}): Promise<GitServer> {
  const server = await startGitServer({ directory: join(directory, String(servers.length)), ...options });
  servers.push(server);
  return server;
}

function git(args: string[], env: Record<string, string> = {}): Promise<string> {
  const clean = { PATH: process.env.PATH ?? "", GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0" };
  const child = spawn("git", args, { cwd: directory, env: { ...clean, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let [printed, complaint] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("close", (code) => (code === 0 ? resolve(printed.trim()) : reject(new Error(complaint))));
  });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-git-"));
});

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(directory, { recursive: true, force: true });
});

describe("the Git server of the test bed", () => {
  it("test bed: commits build on each other, remove files, and carry tags", async () => {
    const server = await serve();
    const repository = await server.repository("team/app");
    const first = await repository.commit({ "a.txt": "one\n", "dir/b.txt": "two", "dir/ü c.txt": "" });
    const second = await repository.commit(
      { dir: null, "d.bin": Buffer.of(0, 255, 10) },
      { tag: "v1", message: "Second" },
    );
    await repository.commit({ "e.txt": "" }, { branch: "side", tag: "v2", annotated: true });
    await git(["clone", "--quiet", repository.url, "first"]);
    expect(await git(["-C", "first", "log", "--format=%H %s"])).toBe(`${second} Second\n${first} Change`);
    expect(await git(["-C", "first", "ls-files"])).toBe("a.txt\nd.bin");
    expect(await readFile(join(directory, "first", "d.bin"))).toEqual(Buffer.of(0, 255, 10));
    expect(await git(["-C", "first", "rev-parse", "v1"])).toBe(second);
    expect(await git(["-C", "first", "cat-file", "-t", "v2"])).toBe("tag");
    expect(server.requests.every((request) => request.protocol === "version=2")).toBe(true);
  });

  it("test bed: a push is taken", async () => {
    const server = await serve();
    const repository = await server.repository("pushed");
    await repository.commit({ "a.txt": "one" });
    await git(["clone", "--quiet", repository.url, "pusher"]);
    await writeFile(join(directory, "pusher", "big.txt"), "x".repeat(3_000_000));
    await git(["-C", "pusher", "add", "."]);
    await git(["-C", "pusher", "-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "--quiet", "-m", "Push"]);
    await git(["-C", "pusher", "push", "--quiet", "origin", "HEAD"]);
    expect(await repository.git(["rev-parse", "main"])).toContain(await git(["-C", "pusher", "rev-parse", "HEAD"]));
  });

  it("test bed: any commit can be fetched by its id unless the repository forbids it", async () => {
    const server = await serve();
    const open = await server.repository("open");
    const old = await open.commit({ "a.txt": "one" });
    await open.commit({ "a.txt": "two" });
    const closed = await server.repository("closed", { anySha: false });
    const hidden = await closed.commit({ "a.txt": "one" });
    await closed.commit({ "a.txt": "two" });
    await git(["init", "--quiet", "by-id"]);
    const fetchOver = (protocol: string, url: string, id: string) =>
      git(["-C", "by-id", "-c", `protocol.version=${protocol}`, "fetch", "--quiet", "--depth=1", url, id]);
    await expect(fetchOver("0", closed.url, hidden)).rejects.toThrow(/unadvertised object|not our ref/);
    await expect(fetchOver("2", open.url, old)).resolves.toBe("");
  });

  it("test bed: a compressed request is understood", async () => {
    const server = await serve();
    const repository = await server.repository("zipped");
    const id = await repository.commit({ "a.txt": "one" });
    const body = gzipSync("0014command=ls-refs\n0001001bref-prefix refs/heads/\n0000");
    const response = await fetch(`${repository.url}/git-upload-pack`, {
      method: "POST",
      body,
      headers: {
        "content-encoding": "gzip",
        "content-type": "application/x-git-upload-pack-request",
        "git-protocol": "version=2",
      },
    });
    expect(await response.text()).toContain(`${id} refs/heads/main`);
  });

  it("test bed: basic and bearer credentials are asked for over TLS of a private authority", async () => {
    const authority = createCertificateAuthority("git");
    const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
    await writeFile(join(directory, "ca.crt"), authority.certificate);
    const trust = { GIT_SSL_CAINFO: join(directory, "ca.crt") };
    const server = await serve({ tls, basic: { username: "jane", password: "p@ss" }, bearer: "token" });
    const repository = await server.repository("private");
    const id = await repository.commit({ "a.txt": "one" });
    await expect(git(["ls-remote", repository.url], trust)).rejects.toThrow(/could not read Username|terminal prompts/);
    await expect(git(["ls-remote", repository.url])).rejects.toThrow(/certificate/i);
    const withUser = repository.url.replace("https://", "https://jane:p%40ss@");
    expect(await git(["ls-remote", withUser, "refs/heads/main"], trust)).toContain(id);
    const bearer = ["-c", "http.extraHeader=Authorization: Bearer token"];
    expect(await git([...bearer, "ls-remote", repository.url, "refs/heads/main"], trust)).toContain(id);
  });

  it("test bed: an unknown repository is 404 and a test may misbehave in the server's place", async () => {
    const server = await serve();
    const path = `${server.url}/none.git/info/refs?service=git-upload-pack`;
    expect((await fetch(path)).status).toBe(404);
    server.intercept = (_request, response) => {
      response.writeHead(503).end();
      return true;
    };
    expect((await fetch(path)).status).toBe(503);
    expect(server.requests.map((request) => request.method)).toEqual(["GET", "GET"]);
  });
});
