import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type GitServer, startGitServer } from "../../test/bed/git/git-server.ts";
import { fetchArchive, type GitSource, resolveRevision } from "./fetch.ts";
import type { GitReference } from "./git-source.ts";
import { formatPacket, textPacket } from "./pkt-line.ts";

/** A repository of the bed. */
type GitRepository = Awaited<ReturnType<GitServer["repository"]>>;

let directory: string;
let server: GitServer;
let app: GitRepository;
const commits: string[] = [];
const signal = AbortSignal.timeout(120_000);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-resolve-"));
  server = await startGitServer({ directory });
  app = await server.repository("team/app");
  const commit = async (n: number, options: Parameters<GitRepository["commit"]>[1]): Promise<void> => {
    commits.push(await app.commit({ "n.txt": `${n}\n` }, { message: `Number ${n}\n\nMore of it`, ...options }));
  };
  await commit(0, { tag: "v0.1.0" });
  await commit(1, { tag: "0.2.0", annotated: true });
  await commit(2, { tag: "v0.2.1", annotated: true });
  await commit(3, { branch: "feat/x@y" });
  await app.git(["update-ref", "refs/pull/420/head", commits[1] ?? ""]);
  await app.git(["tag", "v1", commits[2] ?? ""]);
  await app.git(["tag", "nightly", commits[2] ?? ""]);
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(() => {
  server.intercept = () => false;
  server.requests.length = 0;
});

function sourceOf(reference: GitReference, repository: GitRepository = app): GitSource {
  return { url: repository.url, reference };
}

async function revisionOf(reference: GitReference, repository?: GitRepository): Promise<string> {
  return (await resolveRevision(sourceOf(reference, repository), signal)).revision;
}

describe("references", () => {
  it.each<[row: string, reference: () => GitReference, revision: () => string]>([
    ["GIT-004", () => ({ branch: "main" }), () => `main@sha1:${commits[2]}`],
    ["GIT-004", () => ({ branch: "feat/x@y" }), () => `feat/x@y@sha1:${commits[3]}`],
    ["GIT-005", () => ({ tag: "v0.1.0" }), () => `v0.1.0@sha1:${commits[0]}`],
    ["GIT-005", () => ({ tag: "0.2.0", branch: "main" }), () => `0.2.0@sha1:${commits[1]}`],
    ["GIT-006", () => ({ semver: "<v0.2.1" }), () => `0.2.0@sha1:${commits[1]}`],
    ["GIT-008", () => ({ semver: "*" }), () => `v0.2.1@sha1:${commits[2]}`],
    ["GIT-007", () => ({ semver: "*", tag: "v0.1.0" }), () => `v0.1.0@sha1:${commits[0]}`],
    ["GIT-012", () => ({ name: "refs/heads/main", tag: "v0.1.0" }), () => `refs/heads/main@sha1:${commits[2]}`],
    ["GIT-012", () => ({ name: "refs/tags/0.2.0" }), () => `refs/tags/0.2.0@sha1:${commits[1]}`],
    ["GIT-012", () => ({ name: "refs/tags/0.2.0^{}" }), () => `refs/tags/0.2.0^{}@sha1:${commits[1]}`],
    ["GIT-012", () => ({ name: "refs/pull/420/head" }), () => `refs/pull/420/head@sha1:${commits[1]}`],
    ["GIT-014", () => ({ commit: commits[0] ?? "", name: "x", branch: "main" }), () => `x@sha1:${commits[0]}`],
    ["GIT-014", () => ({ commit: commits[0] ?? "", branch: "main" }), () => `main@sha1:${commits[0]}`],
    ["GIT-014", () => ({ commit: commits[3] ?? "", tag: "v0.1.0" }), () => `sha1:${commits[3]}`],
  ])("%s: a revision is told as Flux tells it", async (_, reference, revision) => {
    expect(await revisionOf(reference())).toBe(revision());
  });

  it("GIT-003, GIT-017: without a reference it is master, and what is missing is named", async () => {
    const words = (ref: string) => `unable to clone '${app.url}': couldn't find remote ref "${ref}"`;
    await expect(revisionOf({})).rejects.toThrow(words("refs/heads/master"));
    await expect(revisionOf({ branch: "mai" })).rejects.toThrow(words("refs/heads/mai"));
    await expect(revisionOf({ tag: "v9" })).rejects.toThrow(words("refs/tags/v9"));
    const observed = { ...sourceOf({ branch: "gone" }), observedRevision: "gone@sha1:0" };
    await expect(resolveRevision(observed, signal)).rejects.toThrow(words("refs/heads/gone"));
  });

  it("GIT-011: a range that matches nothing or cannot be read", async () => {
    await expect(revisionOf({ semver: ">9" })).rejects.toThrow(/no match found for semver: >9$/);
    await expect(revisionOf({ semver: "what" })).rejects.toThrow('semver parse error: improper constraint: "what"');
  });

  it("GIT-013: a name that is missing or cannot be", async () => {
    const unresolved = "unable to resolve ref 'refs/heads/none' to a specific commit";
    await expect(revisionOf({ name: "refs/heads/none" })).rejects.toThrow(unresolved);
    await expect(revisionOf({ name: "refs/tags/v0.1.0^{}" })).rejects.toThrow(/unable to resolve ref/);
    await expect(revisionOf({ name: "/x" })).rejects.toThrow(
      "ref /x is invalid; Git refs cannot begin or end with a slash '/'",
    );
  });

  it("GIT-010: tags that differ by build metadata alone are told apart by their commits' dates", async () => {
    const repository = await server.repository("builds");
    const person = (when: number) =>
      `committer A <a@b.test> ${when} +0000\ndata 1\nx\nM 100644 inline f\ndata 1\n${when % 10}\n`;
    const stream = [5, 9, 7].map((when, index) =>
      [
        `commit refs/heads/b${index}`,
        `mark :${index + 1}`,
        `${person(1_000_000_000 + when)}`,
        `reset refs/tags/v0.1.0+build-${index}`,
        `from :${index + 1}`,
        "",
        "",
      ].join("\n"),
    );
    await repository.git(["fast-import", "--quiet", "--date-format=raw"], stream.join(""));
    expect(await revisionOf({ semver: ">=0.1.0" }, repository)).toMatch(/^v0\.1\.0\+build-1@/);
  });

  it("GIT-015: a commit must be reachable, at any age", async () => {
    const unresolved = (commit: string) => `unable to resolve commit object for '${commit}': object not found`;
    await expect(revisionOf({ commit: commits[3] ?? "", branch: "main" })).rejects.toThrow(
      unresolved(commits[3] ?? ""),
    );
    await expect(revisionOf({ commit: "ab".repeat(20) })).rejects.toThrow(unresolved("ab".repeat(20)));
    await expect(revisionOf({ commit: "abc" })).rejects.toThrow(unresolved("abc"));
    await expect(revisionOf({ commit: commits[0] ?? "", branch: "none" })).rejects.toThrow(/couldn't find remote ref/);
    const source = sourceOf({ commit: commits[0] ?? "" });
    expect((await fetchArchive(source, await resolveRevision(source, signal), signal)).subject).toBe("Number 0");
  });

  it("GIT-015, GE-013: servers that cannot filter are asked for the history with all it holds", async () => {
    const repository = await server.repository("unfiltered");
    await repository.git(["config", "uploadpack.allowFilter", "false"]);
    const first = await repository.commit({ a: "1" });
    await repository.commit({ a: "2" });
    const aside = await repository.commit({ a: "3" }, { branch: "aside" });
    expect(await revisionOf({ commit: first }, repository)).toBe(`sha1:${first}`);
    expect(await revisionOf({ commit: first, branch: "main" }, repository)).toBe(`main@sha1:${first}`);
    await repository.commit({ a: "4" }, { branch: "aside" });
    expect(await revisionOf({ commit: aside }, repository)).toBe(`sha1:${aside}`);
    await expect(revisionOf({ commit: aside, branch: "main" }, repository)).rejects.toThrow(/object not found/);
  });

  it("SB-004: a commit that an artifact exists of is not asked for again", async () => {
    const commit = commits[0] ?? "";
    const source = { ...sourceOf({ commit }), observedRevision: `sha1:${commit}` };
    expect(await resolveRevision(source, signal)).toEqual({ revision: `sha1:${commit}`, commit });
    expect(server.requests).toEqual([]);
  });

  it("GIT-016: a server that refuses a commit by its id gives the branch's history", async () => {
    let refusals = 0;
    const source = sourceOf({ commit: commits[0] ?? "", branch: "main" });
    const resolved = await resolveRevision(source, signal);
    server.intercept = (request, response) => {
      if (request.method !== "POST" || refusals > 0) return false;
      refusals++;
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
      response.end(formatPacket(textPacket("ERR upload-pack: not our ref")));
      return true;
    };
    const archive = await fetchArchive(source, resolved, signal);
    expect(archive.subject).toBe("Number 0");
    expect(refusals).toBe(1);
  });

  it("GIT-018: a repository without commits", async () => {
    const repository = await server.repository("empty");
    await expect(revisionOf({ branch: "main" }, repository)).rejects.toMatchObject({
      code: "empty",
      message: "git repository is empty",
    });
    await expect(revisionOf({ tag: "v1" }, repository)).rejects.toThrow(
      `unable to clone: remote repository is empty: git repository: '${repository.url}'`,
    );
    await expect(revisionOf({ semver: "*" }, repository)).rejects.toThrow(/remote repository is empty/);
    await expect(revisionOf({ commit: "ab".repeat(20) }, repository)).rejects.toThrow(/remote repository is empty/);
    await expect(revisionOf({ name: "refs/heads/main" }, repository)).rejects.toThrow(
      `unable to list remote for '${repository.url}': remote repository is empty`,
    );
  });

  it("GIT-019: a branch that is forced back names the older commit", async () => {
    const repository = await server.repository("forced");
    const first = await repository.commit({ a: "1" });
    await repository.commit({ a: "2" });
    await repository.git(["update-ref", "refs/heads/main", first]);
    expect(await revisionOf({ branch: "main" }, repository)).toBe(`main@sha1:${first}`);
  });

  it("GIT-021: objects named by SHA-256 are refused in a sentence", async () => {
    const repository = await server.repository("sha256");
    await rm(repository.directory, { recursive: true });
    await app.git(["init", "--quiet", "--bare", "--object-format=sha256", repository.directory]);
    await expect(revisionOf({ branch: "main" }, repository)).rejects.toThrow(/named by sha256 are not supported/);
  });
});
