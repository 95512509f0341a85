import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type GitServer, startGitServer } from "../../test/bed/git/git-server.ts";
import { isInstalled } from "../../test/bed/git/signers.ts";
import { createSshKey, knownHostsLine } from "../../test/bed/git/ssh-key.ts";
import { type SshServer, startSshServer } from "../../test/bed/git/ssh-server.ts";
import { fetchArchive, type GitSource, resolveRevision } from "./fetch.ts";
import type { GitRemote } from "./git-remote.ts";
import type { GitReference } from "./git-source.ts";

type GitRepository = Awaited<ReturnType<GitServer["repository"]>>;

/** A way to reach the same repositories. */
type Way = "HTTP, version 0" | "HTTP, version 1" | "SSH, version 2" | "SSH, version 0" | "SSH, one channel";

let directory: string;
let server: GitServer;
let ssh: Record<"new" | "old" | "single", SshServer>;
let remoteOf: (way: Way, repository: GitRepository) => GitRemote;
const repositories = new Map<string, GitRepository>();
const commits: string[] = [];
const signal = AbortSignal.timeout(240_000);

async function repository(name: string): Promise<GitRepository> {
  const known = repositories.get(name) ?? (await server.repository(name));
  repositories.set(name, known);
  return known;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-forms-"));
  server = await startGitServer({ directory });
  if (!isInstalled("ssh-keygen")) return;
  const [host, user] = await Promise.all([createSshKey({ type: "ed25519" }), createSshKey({ type: "ed25519" })]);
  const options = { directory, hostKeys: [host.privateKey], authorizedKeys: [user.publicKey] };
  ssh = {
    new: await startSshServer(options),
    old: await startSshServer({ ...options, oldProtocol: true }),
    single: await startSshServer({ ...options, singleChannel: true }),
  };
  remoteOf = (way, { url }) => {
    if (way.startsWith("HTTP")) {
      server.intercept = (request) => {
        if (way === "HTTP, version 1") request.headers["git-protocol"] = "version=1";
        else delete request.headers["git-protocol"];
        return false;
      };
      return { url };
    }
    const reached = way === "SSH, version 0" ? ssh.old : way === "SSH, version 2" ? ssh.new : ssh.single;
    const name = url.replace(/^.*?:\/\/[^/]*\/|\.git$/g, "");
    const knownHosts = knownHostsLine(host, reached.port);
    return { url: reached.url(name), ssh: { identity: user.privateKey, knownHosts } };
  };
  const app = await repository("team/app's");
  const commit = async (n: number, more: Parameters<GitRepository["commit"]>[1]): Promise<void> => {
    commits.push(await app.commit({ "n.txt": `${n}\n`, [`only-${n}`]: "" }, { message: `Number ${n}`, ...more }));
  };
  await commit(0, { tag: "v0.1.0" });
  await commit(1, { tag: "0.2.0", annotated: true });
  await commit(2, { tag: "v0.2.1", annotated: true });
  await commit(3, { branch: "feat/x@y" });
  await app.git(["update-ref", "refs/pull/420/head", commits[1] ?? ""]);
  const tag = (await app.git(["rev-parse", "refs/tags/0.2.0"])).trim();
  const person = ["-c", "user.name=a", "-c", "user.email=a@b.test"];
  await app.git([...person, "tag", "-a", "-m", "nested", "nested", tag]);
});

afterAll(async () => {
  await server.stop();
  await Promise.all(Object.values(ssh ?? {}).map((one) => one.stop()));
  await rm(directory, { recursive: true, force: true });
});

beforeEach(() => {
  server.requests.length = 0;
});

const ways: Way[] = ["HTTP, version 0", "HTTP, version 1", "SSH, version 2", "SSH, version 0", "SSH, one channel"];

describe.runIf(isInstalled("ssh-keygen")).each(ways)("%s", (way) => {
  const sourceOf = async (reference: GitReference, name = "team/app's"): Promise<GitSource> => ({
    ...remoteOf(way, await repository(name)),
    reference,
  });
  const revisionOf = async (reference: GitReference, name?: string) =>
    (await resolveRevision(await sourceOf(reference, name), signal)).revision;
  const subjectOf = async (reference: GitReference, name?: string, more: Partial<GitSource> = {}): Promise<string> => {
    const source = { ...(await sourceOf(reference, name)), ...more };
    return (await fetchArchive(source, await resolveRevision(source, signal), signal)).subject;
  };

  it("GE-001, GE-002, GE-004, GIT-004, GIT-005, GIT-006, GIT-012, GIT-014: every form of reference", async () => {
    const forms: [GitReference, revision: string, subject: string][] = [
      [{ branch: "main" }, `main@sha1:${commits[2]}`, "Number 2"],
      [{ branch: "feat/x@y" }, `feat/x@y@sha1:${commits[3]}`, "Number 3"],
      [{ tag: "v0.1.0" }, `v0.1.0@sha1:${commits[0]}`, "Number 0"],
      [{ tag: "0.2.0" }, `0.2.0@sha1:${commits[1]}`, "Number 1"],
      [{ tag: "nested" }, `nested@sha1:${commits[1]}`, "Number 1"],
      [{ semver: "<v0.2.1" }, `0.2.0@sha1:${commits[1]}`, "Number 1"],
      [{ name: "refs/heads/main" }, `refs/heads/main@sha1:${commits[2]}`, "Number 2"],
      [{ name: "refs/tags/0.2.0^{}" }, `refs/tags/0.2.0^{}@sha1:${commits[1]}`, "Number 1"],
      [{ name: "refs/pull/420/head" }, `refs/pull/420/head@sha1:${commits[1]}`, "Number 1"],
      [{ commit: commits[0] ?? "" }, `sha1:${commits[0]}`, "Number 0"],
      [{ commit: commits[0] ?? "", branch: "main" }, `main@sha1:${commits[0]}`, "Number 0"],
    ];
    for (const [reference, revision, subject] of forms) {
      expect(await revisionOf(reference)).toBe(revision);
      expect(await subjectOf(reference)).toBe(subject);
    }
  });

  it("GIT-013, GIT-015, GIT-017, GIT-018: what is missing is told", async () => {
    await expect(revisionOf({})).rejects.toThrow('couldn\'t find remote ref "refs/heads/master"');
    await expect(revisionOf({ name: "refs/none" })).rejects.toThrow(/unable to resolve ref 'refs\/none'/);
    await expect(revisionOf({ semver: ">9" })).rejects.toThrow(/no match found for semver: >9/);
    await expect(revisionOf({ commit: commits[3] ?? "", branch: "main" })).rejects.toThrow(/object not found/);
    await expect(revisionOf({ commit: "ab".repeat(20) })).rejects.toThrow(/object not found/);
    await expect(revisionOf({ branch: "main" }, "empty")).rejects.toMatchObject({ code: "empty" });
    const { url, ...access } = await sourceOf({ branch: "main" });
    const missing = { ...access, url: url.replace(/\/team\/.*/, "/none.git") };
    await expect(resolveRevision(missing, signal)).rejects.toMatchObject({ code: "not-found" });
  });

  it("GE-003, GIT-100: one commit and not its history, of which a sparse checkout takes a part", async () => {
    // A commit, its tree, the content of its number, and the empty one.
    const source = { ...(await sourceOf({ branch: "main" })), limits: { objects: 4 } };
    const resolved = await resolveRevision(source, signal);
    const whole = await fetchArchive(source, resolved, signal);
    expect(whole.subject).toBe("Number 2");
    const sparse = await fetchArchive({ ...source, sparseCheckout: ["only-1"] }, resolved, signal);
    expect(sparse.digest).not.toBe(whole.digest);
  });

  it("GE-006, GIT-016: an object that the server does not give by its id is found in the history", async () => {
    const strict = await repository(`strict-${ways.indexOf(way)}`);
    await strict.git(["config", "uploadpack.allowAnySHA1InWant", "false"]);
    await strict.git(["config", "uploadpack.allowFilter", "false"]);
    const first = await strict.commit({ a: "1" }, { message: "First" });
    await strict.commit({ a: "2" });
    expect(await subjectOf({ commit: first, branch: "main" }, `strict-${ways.indexOf(way)}`)).toBe("First");
  });

  it("GIT-021, GE-017: objects named by SHA-256 are refused in a sentence", async () => {
    const other = await repository(`sha256-${ways.indexOf(way)}`);
    await rm(other.directory, { recursive: true });
    await (await repository("team/app's")).git(["init", "-q", "--bare", "--object-format=sha256", other.directory]);
    await other.commit({ a: "1" });
    await expect(revisionOf({ branch: "main" }, `sha256-${ways.indexOf(way)}`)).rejects.toThrow(
      /named by sha256 are not/,
    );
  });
});

describe("a revision", () => {
  it("ART-005: names its branch as it is, and behind the last @ the whole id in lower case", async () => {
    const odd = await repository("odd");
    const id = await odd.commit({ a: "1" });
    const names = ["feat/x@y", "a@b@c", "@at", "x@sha1", "UPPER/Case@V1", "é/ü@ö", "a.b@1.2.3+x", "sha256@f00"];
    await odd.git(["update-ref", "--stdin"], names.map((name) => `create refs/heads/${name} ${id}\n`).join(""));
    for (const branch of names) {
      const { revision, commit } = await resolveRevision({ url: odd.url, reference: { branch } }, signal);
      expect([revision, commit]).toEqual([`${branch}@sha1:${id}`, id]);
      expect(revision.slice(revision.lastIndexOf("@") + 1)).toMatch(/^sha1:[0-9a-f]{40}$/);
      // What was stored of a branch of such a name is known again.
      const again = await resolveRevision({ url: odd.url, reference: { branch }, observedRevision: revision }, signal);
      expect(again.revision).toBe(revision);
    }
    expect((await resolveRevision({ url: odd.url, reference: { commit: id } }, signal)).revision).toBe(`sha1:${id}`);
  });
});

describe("fifty thousand references", () => {
  it("GE-001: a check of one branch transfers less than 10 KB where the server has version 2", async () => {
    const many = await repository("many");
    const commit = await many.commit({ a: "1" });
    const lines = Array.from({ length: 50_000 }, (_, index) => `create refs/tags/build/${index} ${commit}\n`);
    await many.git(["update-ref", "--stdin"], lines.join(""));
    const sockets = new Set<Socket>();
    const transferred = () =>
      [...sockets].reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0);
    server.intercept = (request) => {
      sockets.add(request.socket);
      return false;
    };
    const source = { url: many.url, reference: { branch: "main" } };
    const observedRevision = (await resolveRevision(source, signal)).revision;
    expect(observedRevision).toBe(`main@sha1:${commit}`);
    const before = transferred();
    await resolveRevision({ ...source, observedRevision }, signal);
    expect(transferred() - before).toBeGreaterThan(0);
    expect(transferred() - before).toBeLessThan(10_000);
    server.intercept = (request) => {
      delete request.headers["git-protocol"];
      return false;
    };
    // A server of version 0 lists them all.
    const other = { ...source, url: `${many.url}/` };
    expect((await resolveRevision({ ...other, observedRevision: "main@sha1:0" }, signal)).revision).toBe(
      observedRevision,
    );
  });
});
