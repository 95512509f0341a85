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

/** A repository of the bed. */
type GitRepository = Awaited<ReturnType<GitServer["repository"]>>;

let directory: string;
let server: GitServer;
const signal = AbortSignal.timeout(120_000);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-fetch-"));
  server = await startGitServer({ directory });
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(() => {
  server.intercept = () => false;
  server.requests.length = 0;
});

function sourceOf(reference: GitReference, repository: GitRepository): GitSource {
  return { url: repository.url, reference };
}

async function fetched(source: GitSource): Promise<{ files: Map<string, string>; digest: string; subject: string }> {
  const archive = await fetchArchive(source, await resolveRevision(source, signal), signal);
  const files = new Map<string, string>();
  const entries = extract();
  entries.end(gunzipSync(archive.tarGz.whole() ?? Buffer.alloc(0)));
  archive.tarGz.close();
  for await (const entry of entries) {
    const mode = (entry.header.mode ?? 0).toString(8);
    files.set(entry.header.name, `${entry.header.type} ${mode} ${await textOf(entry)}`);
  }
  return { files, digest: archive.digest, subject: archive.subject };
}

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

  it("ART-006, ART-007, ART-008, ART-009, GIT-024: files and directories, their modes, no links, always the same bytes", async () => {
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

  it("IGN-001, IGN-002, IGN-003, IGN-004, IGN-007, IGN-008: ignore rules of every place", async () => {
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

  it("IGN-003, IGN-012: a linked .sourceignore counts as its file, within the repository only", async () => {
    const repository = await server.repository("linked");
    const link = (path: string, target: string) => `M 120000 inline ${path}\ndata ${target.length}\n${target}\n`;
    const stream = [
      "commit refs/heads/main\ncommitter A <a@b.test> 1 +0000\ndata 1\nx\n",
      "M 100644 inline rules/list\ndata 6\n*.txt\n\n",
      ...["a/x.txt", "b/x.txt", "c/x.txt", "d/x.txt", "e/x.txt"].map((path) => `M 100644 inline ${path}\ndata 1\nx\n`),
      link("a/.sourceignore", "../rules/list"),
      link("b/.sourceignore", "../shared/./list"),
      link("shared", "rules"),
      link("c/.sourceignore", ".sourceignore"),
      link("d/.sourceignore", "../../rules/list"),
      link("e/.sourceignore", "/etc/hostname"),
    ];
    await repository.git(["fast-import", "--quiet", "--date-format=raw"], stream.join(""));
    const { files } = await fetched(sourceOf({ branch: "main" }, repository));
    expect([...files.keys()].filter((name) => name.endsWith(".txt"))).toEqual(["c/x.txt", "d/x.txt", "e/x.txt"]);
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

  it("GE-011: a small pack that is a whole universe of files, or of bytes, is refused", async () => {
    const repository = await server.repository("bomb");
    const hash = async (args: string[], input?: string | Uint8Array) => (await repository.git(args, input)).trim();
    const blob = await hash(["hash-object", "-w", "--stdin"], Buffer.alloc(3_000_000));
    let tree = await hash(["mktree"], Array.from({ length: 10 }, (_, n) => `100644 blob ${blob}\tf${n}\n`).join(""));
    for (let depth = 0; depth < 9; depth++) {
      tree = await hash(["mktree"], Array.from({ length: 10 }, (_, n) => `040000 tree ${tree}\td${n}\n`).join(""));
      const author = ["-c", "user.name=a", "-c", "user.email=a@b.test"];
      const commit = await hash([...author, "commit-tree", tree, "-m", "x"]);
      await repository.git(["update-ref", `refs/heads/depth-${depth}`, commit]);
    }
    const started = performance.now();
    const many = { ...sourceOf({ branch: "depth-8" }, repository), limits: { content: Number.POSITIVE_INFINITY } };
    await expect(fetched(many)).rejects.toThrow(/more than 1000000 files/);
    await expect(fetched(sourceOf({ branch: "depth-3" }, repository))).rejects.toThrow(/more than 4294967296 bytes/);
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  it("GE-011: bounds of files, depth and paths are told", async () => {
    const repository = await server.repository("bounded");
    await repository.commit({ [`${"d/".repeat(20)}f`]: "x", [`${"n".repeat(200)}`]: "y" });
    const source = sourceOf({ branch: "main" }, repository);
    for (const limits of [
      { treeDepth: 19 },
      { files: 10 },
      { content: 1 },
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
