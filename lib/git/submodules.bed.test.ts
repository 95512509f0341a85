import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { archivedFiles } from "../../test/bed/archived-files.ts";
import { type GitServer, startGitServer } from "../../test/bed/git/git-server.ts";
import { fetchArchive, type GitSource, resolveRevision } from "./fetch.ts";

type GitRepository = Awaited<ReturnType<GitServer["repository"]>>;

let directory: string;
let server: GitServer;
let other: GitServer;
const signal = AbortSignal.timeout(120_000);
const credentials = { username: "bot", password: "s3cret" };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-submodules-"));
  server = await startGitServer({ directory: join(directory, "one"), basic: credentials });
  other = await startGitServer({ directory: join(directory, "two"), basic: credentials });
});

afterAll(async () => {
  await server.stop();
  await other.stop();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(() => {
  server.requests.length = 0;
});

/** Commits files, and submodules at commits, as `git submodule add` does. */
async function commit(
  repository: GitRepository,
  files: Record<string, string>,
  modules: Record<string, { url: string; commit: string }> = {},
): Promise<string> {
  const sections = Object.entries(modules).map(
    ([path, { url }]) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`,
  );
  const all = sections.length === 0 ? files : { ".gitmodules": sections.join(""), ...files };
  const lines = ["commit refs/heads/main\ncommitter A <a@b.test> 1 +0000\ndata 1\nx\n"];
  for (const [path, text] of Object.entries(all))
    lines.push(`M 100644 inline ${path}\ndata ${Buffer.byteLength(text)}\n${text}\n`);
  for (const [path, module] of Object.entries(modules)) lines.push(`M 160000 ${module.commit} ${path}\n`);
  await repository.git(["fast-import", "--quiet", "--force", "--date-format=raw"], lines.join(""));
  return (await repository.git(["rev-parse", "main"])).trim();
}

async function fetched(url: string, more: Partial<GitSource> = {}): Promise<Record<string, string>> {
  const source: GitSource = {
    url,
    credentials,
    reference: { branch: "main" },
    recurseSubmodules: true,
    ...more,
  } as GitSource;
  const { tarGz } = await fetchArchive(source, await resolveRevision(source, signal), signal);
  try {
    return await archivedFiles(tarGz.read(0, tarGz.size));
  } finally {
    tarGz.close();
  }
}

describe("submodules", () => {
  it("GIT-105, GIT-071, GE-010: by relative and absolute address, nested, on another server, with the same credentials", async () => {
    const [app, lib, deep, far] = await Promise.all([
      server.repository("group/app"),
      server.repository("group/lib"),
      server.repository("deep"),
      other.repository("far"),
    ]);
    const atDeep = await commit(deep, { "deep.txt": "deep", ".sourceignore": "*.no" });
    const atFar = await commit(far, { "far.txt": "far" });
    await commit(deep, { "deep.txt": "newer" });
    const atLib = await commit(
      lib,
      { "lib.txt": "lib", "x.no": "" },
      { "inner/deep": { url: "../../deep.git", commit: atDeep } },
    );
    await commit(
      app,
      { "app.txt": "app" },
      {
        "modules/lib": { url: "../lib.git", commit: atLib },
        far: { url: far.url, commit: atFar },
        gone: { url: "./gone", commit: "ab".repeat(20) },
      },
    );
    const text = await app.git(["show", "main:.gitmodules"]);
    await commit(app, { "app.txt": "app", ".gitmodules": text.replace(/\[submodule "gone"\][^[]*/, "") }, {});
    // A gitlink that no .gitmodules names stays an empty directory.
    const lines = ["commit refs/heads/main\ncommitter A <a@b.test> 1 +0000\ndata 1\nx\n", "from refs/heads/main^0\n"];
    lines.push(`M 160000 ${atLib} modules/lib\n`, `M 160000 ${atFar} far\n`, `M 160000 ${"ab".repeat(20)} gone\n`);
    await app.git(["fast-import", "--quiet", "--force", "--date-format=raw"], lines.join(""));
    expect(await fetched(app.url)).toEqual({
      "app.txt": "app",
      far: "/",
      "far/far.txt": "far",
      gone: "/",
      modules: "/",
      "modules/lib": "/",
      "modules/lib/inner": "/",
      "modules/lib/inner/deep": "/",
      "modules/lib/inner/deep/.sourceignore": "*.no",
      "modules/lib/inner/deep/deep.txt": "deep",
      "modules/lib/lib.txt": "lib",
      "modules/lib/x.no": "",
    });
    expect(await fetched(app.url, { recurseSubmodules: false })).toEqual({
      "app.txt": "app",
      far: "/",
      gone: "/",
      modules: "/",
      "modules/lib": "/",
    });
  });

  it("GIT-067, GIT-071: one on the same server is asked for with a signature of its own, and another server is shown none", async () => {
    const [app, lib, far] = await Promise.all([
      server.repository("signed"),
      server.repository("signed-lib"),
      other.repository("signed-far"),
    ]);
    const signed: string[] = [];
    const sign = ({ href }: URL) => {
      signed.push(href);
      return credentials;
    };
    await commit(app, {}, { m: { url: "../signed-lib.git", commit: await commit(lib, { "lib.txt": "lib" }) } });
    expect(await fetched(app.url, { sign })).toMatchObject({ "m/lib.txt": "lib" });
    expect(signed).toEqual([lib.url]);
    await commit(app, {}, { m: { url: far.url, commit: await commit(far, { "far.txt": "far" }) } });
    await expect(fetched(app.url, { sign })).rejects.toThrow(
      /submodule 'm' at '.*signed-far.git': authentication required/,
    );
    expect(signed).toEqual([lib.url]);
  });

  it("GIT-106, GIT-071: one that cannot be fetched, or leads elsewhere, fails the whole", async () => {
    const app = await server.repository("broken");
    const lib = await server.repository("broken-lib");
    const at = await commit(lib, { x: "" });
    const failing: [string, string, RegExp][] = [
      ["../none.git", at, /^unable to clone '.*broken.git': submodule 'm' at '.*none.git': .*not found/],
      ["../broken-lib.git", "cd".repeat(20), /submodule 'm' at '.*': .*(not our ref|object not found)/],
      ["file:///etc", at, /the address of submodule 'm' is neither relative nor of http, https or ssh/],
      ["/etc/passwd", at, /the address of submodule 'm' is neither relative nor a URL/],
      ["git@host.test:a/b.git", at, /reached by ssh cannot be fetched with credentials for https/],
      ["http://169.254.169.254/latest.git", at, /submodule 'm' at 'http:\/\/169\.254\.169\.254/],
    ];
    for (const [url, commitId, words] of failing) {
      await commit(app, {}, { m: { url, commit: commitId } });
      const error: unknown = await fetched(app.url).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: "GitError", message: expect.stringMatching(words) });
      expect(String(error)).not.toContain(credentials.password);
    }
  });

  it("GIT-106: ten in one another are fetched, one more is not", async () => {
    let at = await commit(await server.repository("level-0"), { end: "" });
    const levels: string[] = [];
    for (let level = 1; level <= 11; level++) {
      const repository = await server.repository(`level-${level}`);
      at = await commit(repository, {}, { m: { url: `../level-${level - 1}.git`, commit: at } });
      levels.push(repository.url);
    }
    const files = await fetched(levels[9] ?? "");
    expect(Object.keys(files)).toContain(`${"m/".repeat(10)}end`);
    await expect(fetched(levels[10] ?? "")).rejects.toThrow(/more than 10 in one another/);
  });
});

describe("sparse paths", () => {
  it("GE-013, GIT-100: transfer what is kept alone, with the same result as a whole fetch", async () => {
    const repository = await server.repository("monorepo");
    const noise = (seed: number): string =>
      [...Array(20_000).keys()].map((index) => (index * seed * 2_654_435_761) % 97).join("");
    const files: Record<string, string> = {
      "app/a.txt": "a",
      "apps/b.txt": "b",
      "app.yaml": "c",
      "lib/.sourceignore": "no",
    };
    for (let index = 0; index < 100; index++) files[`other/${index}`] = noise(index + 3);
    await repository.commit(files);
    const sparseCheckout = ["./app", "lib"];
    const only = { sparseCheckout, recurseSubmodules: false };
    const kept = await fetched(repository.url, { ...only, limits: { pack: 20_000 } });
    expect(kept).toEqual({
      app: "/",
      "app/a.txt": "a",
      "app.yaml": "c",
      apps: "/",
      "apps/b.txt": "b",
      lib: "/",
      "lib/.sourceignore": "no",
    });
    const packs = server.requests.filter(({ method }) => method === "POST").length;
    expect(packs).toBe(3);
    await repository.git(["config", "uploadpack.allowFilter", "false"]);
    await expect(fetched(repository.url, { ...only })).resolves.toEqual(kept);
    await expect(fetched(repository.url, { ...only, limits: { pack: 20_000 } })).rejects.toMatchObject({
      code: "too-large",
    });
    await expect(fetched(repository.url, { sparseCheckout: ["none"] })).rejects.toMatchObject({ code: "no-path" });
  });
});
