import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type GitServer, startGitServer } from "../../test/bed/git/git-server.ts";
import { fetchTree, resolveFetch } from "./fetch-tree.ts";

let directory: string;
let server: GitServer;
const signal = AbortSignal.timeout(60_000);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-tree-"));
  server = await startGitServer({ directory });
});

afterAll(async () => {
  await server?.stop();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(() => {
  server.requests.length = 0;
});

describe("what git would fetch", () => {
  it("KS-071: a name is a tag before it is a branch, and HEAD is the branch that the server shows", async () => {
    const repository = await server.repository("names");
    const first = await repository.commit({ a: "1" }, { tag: "same" });
    const second = await repository.commit({ a: "2" }, { branch: "main", tag: "noted", annotated: true });
    await repository.git(["branch", "same", second]);
    await repository.git(["branch", "feature/x", first]);
    for (const [name, commit] of [
      ["same", first],
      ["heads/same", second],
      ["refs/heads/same", second],
      ["feature/x", first],
      ["noted", second],
      ["HEAD", second],
    ] as const)
      expect(await resolveFetch(repository, name, {}, signal), name).toBe(commit);
    for (const name of ["x", "feature", first.slice(0, 10), "refs/heads"])
      await expect(resolveFetch(repository, name, {}, signal), name).rejects.toThrow(
        `couldn't find remote ref ${name}`,
      );
  });

  it("KS-071: an object's id is itself, and nobody is asked", async () => {
    const repository = await server.repository("ids");
    const id = "ABCDEF0123456789ABCDEF0123456789ABCDEF01";
    expect(await resolveFetch(repository, id, {}, signal)).toBe(id.toLowerCase());
    expect(server.requests).toEqual([]);
  });
});

describe("the tree of a commit", () => {
  it("KS-071: holds files, links and submodules, also where the id is of a tag", async () => {
    const repository = await server.repository("trees");
    await repository.commit({ "a/b.txt": "text", "c.txt": "more" });
    const other = "0123456789012345678901234567890123456789";
    await repository.git(
      ["fast-import", "--quiet"],
      `commit refs/heads/main\ncommitter a <a@b.test> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\nM 120000 inline a/link\ndata 8\n../c.txt\nM 100755 inline run.sh\ndata 2\n#!\nM 160000 ${other} mod\n\ntag noted\nfrom refs/heads/main\ntagger a <a@b.test> 1700000000 +0000\ndata 1\nx\n`,
    );
    const tag = (await repository.git(["rev-parse", "noted"])).trim();
    expect((await repository.git(["cat-file", "-t", tag])).trim()).toBe("tag");
    const tree = await fetchTree(repository, tag, {}, signal);
    const files = [...tree.files].map(([path, { content, executable }]) => [
      path,
      Buffer.from(content).toString(),
      executable,
    ]);
    expect(files).toEqual([
      ["a/b.txt", "text", false],
      ["c.txt", "more", false],
      ["run.sh", "#!", true],
    ]);
    expect([...tree.directories]).toEqual(["", "a", "mod"]);
    expect([...tree.links]).toEqual([["a/link", "../c.txt"]]);
    expect([...tree.submodules]).toEqual([["mod", other]]);
    expect(tree.bytes).toBe(10);
    await expect(fetchTree(repository, tag, { content: 9 }, signal)).rejects.toThrow(/more than 9 bytes/);
    await expect(fetchTree(repository, tag, { pack: 50 }, signal)).rejects.toThrow(/larger than/);
  });
});
