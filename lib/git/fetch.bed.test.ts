import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
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
  directory = await mkdtemp(join(tmpdir(), "sluice-fetch-"));
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

async function fetched(source: GitSource): Promise<{ files: Map<string, string>; digest: string; subject: string }> {
  const archive = await fetchArchive(source, await resolveRevision(source, signal), signal);
  const files = new Map<string, string>();
  const entries = extract();
  entries.end(gunzipSync(archive.tarGz));
  for await (const entry of entries) {
    const mode = (entry.header.mode ?? 0).toString(8);
    files.set(entry.header.name, `${entry.header.type} ${mode} ${await textOf(entry)}`);
  }
  return { files, digest: archive.digest, subject: archive.subject };
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
    expect((await fetched(sourceOf({ commit: commits[0] ?? "" }))).files.get("n.txt")).toBe("file 600 0\n");
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

describe("archives", () => {
  it("GE-003, SB-003: a fetch is one listing and one pack after the first advertisement", async () => {
    const repository = await server.repository("counted");
    await repository.commit({ "a.txt": "a" });
    const source = sourceOf({ branch: "main" }, repository);
    await fetched(source);
    expect(server.requests.map(({ method }) => method)).toEqual(["GET", "POST", "POST"]);
    server.requests.length = 0;
    await fetched(source);
    expect(server.requests.map(({ method }) => method)).toEqual(["POST", "POST"]);
    expect(server.requests.every(({ protocol }) => protocol === "version=2")).toBe(true);
  });

  it("ART-006 to ART-009, GIT-024: files and directories, their modes, no links, always the same bytes", async () => {
    const repository = await server.repository("kinds");
    const stream = [
      "commit refs/heads/main\nmark :1\ncommitter A <a@b.test> 1000000000 +0000\ndata 7\nSubject\n",
      "M 100644 inline b/z.txt\ndata 2\nz\n\n",
      "M 100755 inline b/run.sh\ndata 2\nr\n\n",
      "M 120000 inline b/link\ndata 11\n/etc/passwd\n",
      "M 120000 inline only/link\ndata 1\nx\n",
      `M 160000 ${"ab".repeat(20)} module\n`,
      "M 100644 inline b.txt\ndata 4\na\r\nb\n",
      "M 100644 inline b/.gitattributes\ndata 15\n* text eol=crlf\n",
    ];
    await repository.git(["fast-import", "--quiet", "--date-format=raw"], stream.join(""));
    const first = await fetched(sourceOf({ branch: "main" }, repository));
    expect([...first.files]).toEqual([
      [".", "directory 750 "],
      ["b", "directory 750 "],
      ["b/run.sh", "file 700 r\n"],
      ["b/z.txt", "file 600 z\n"],
      ["b.txt", "file 600 a\r\nb"],
      ["module", "directory 750 "],
      ["only", "directory 750 "],
    ]);
    expect(first.subject).toBe("Subject");
    expect((await fetched(sourceOf({ branch: "main" }, repository))).digest).toBe(first.digest);
    // Written down so that another version of zlib, or of the writer, is noticed: every artifact's digest would change.
    expect(first.digest).toBe("sha256:01fd7218fc272d0def41420f372511072ab8cf13bd422ead1b1345f3e63aad46");
  });

  it("IGN-001 to IGN-004, IGN-007, IGN-008: ignore rules of every place", async () => {
    const repository = await server.repository("ignored");
    const base = {
      "a.txt": "",
      "logo.png": "",
      ".github/x": "",
      "sub/.sops.yaml": "",
      ".gitignore": "a.txt",
      "sub/.gitattributes": "",
    };
    await repository.commit(base);
    const named = async (ignore?: string): Promise<string[]> => {
      const source = { ...sourceOf({ branch: "main" }, repository), ...(ignore === undefined ? {} : { ignore }) };
      return [...(await fetched(source)).files.keys()];
    };
    expect(await named()).toEqual([".", "a.txt", "sub"]);
    expect(await named("")).toEqual([".", "a.txt", "sub"]);
    expect(await named("nothing")).toEqual([".", ".github", ".github/x", "a.txt", "logo.png", "sub", "sub/.sops.yaml"]);
    await repository.commit({
      ".sourceignore": "/a.txt\n*.md\n",
      "sub/.sourceignore": "/keep.md\n!x.md\n",
      "sub/x.md": "",
      "sub/keep.md": "",
      "other/x.md": "",
    });
    expect(await named()).toEqual([
      ...[".", ".github", ".github/x", ".sourceignore", "logo.png", "other", "sub"],
      ...["sub/.sops.yaml", "sub/.sourceignore", "sub/x.md"],
    ]);
    expect(await named("!/a.txt\nsub/")).toContain("a.txt");
    expect(await named("/*\n!/sub\n/sub/**/*.md")).toEqual([
      ...[".", "sub", "sub/.gitattributes", "sub/.sops.yaml", "sub/.sourceignore"],
    ]);
  });

  it("GIT-100, GIT-101: a sparse checkout keeps what begins with a text", async () => {
    const repository = await server.repository("sparse");
    await repository.commit({
      "README.md": "",
      "app/a": "",
      "apps/b": "",
      "app.yaml": "",
      "charts/x/c": "",
      "other/d": "",
    });
    const named = async (...sparseCheckout: string[]): Promise<string[]> => [
      ...(await fetched({ ...sourceOf({ branch: "main" }, repository), sparseCheckout })).files.keys(),
    ];
    expect(await named("app")).toEqual([".", "app", "app/a", "app.yaml", "apps", "apps/b"]);
    expect(await named("./charts", "other")).toEqual([".", "charts", "charts/x", "charts/x/c", "other", "other/d"]);
    await expect(named("app", "none")).rejects.toThrow(
      /^failed to sparse checkout directories : sparse checkout dir 'none' does not exist in repository/,
    );
    await expect(named("../app")).rejects.toThrow(/does not exist/);
  });

  it("GE-011: five thousand files take seconds, not minutes", async () => {
    const repository = await server.repository("large");
    const files = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => [
        `dir-${index % 70}/sub-${index % 7}/file-${index}.yaml`,
        `kind: ConfigMap\nmetadata:\n  name: n${index}\ndata:\n  text: ${"lorem ipsum ".repeat(index % 400)}\n`,
      ]),
    );
    await repository.commit(files);
    await repository.git(["repack", "-a", "-d", "-q"]);
    const started = performance.now();
    const archive = await fetched(sourceOf({ branch: "main" }, repository));
    expect([...archive.files.values()].filter((entry) => entry.startsWith("file"))).toHaveLength(5000);
    expect(archive.files.get("dir-1/sub-1/file-71.yaml")).toContain("name: n71");
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("GE-011: bounds of files, depth and paths are told", async () => {
    const repository = await server.repository("bounded");
    await repository.commit({ [`${"d/".repeat(20)}f`]: "x", [`${"n".repeat(200)}`]: "y" });
    const source = sourceOf({ branch: "main" }, repository);
    for (const limits of [
      { treeDepth: 19 },
      { files: 10 },
      { path: 100 },
      { pack: 100 },
      { objects: 3 },
      { references: 0 },
    ]) {
      await expect(fetched({ ...source, limits })).rejects.toMatchObject({ code: "too-large" });
    }
    await expect(fetched({ ...source, limits: { treeDepth: 20 } })).resolves.toBeDefined();
  });
});
