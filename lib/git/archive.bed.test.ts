import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GitServer, startGitServer } from "../../test/bed/git/git-server.ts";
import { formatTarHeader, tarEnd, tarPadding } from "../platform/archive/tar.ts";
import { gzipWriter } from "../platform/archive/tar-gz.ts";
import { fetchArchive, resolveRevision } from "./fetch.ts";

let directory: string;
let server: GitServer;
const signal = AbortSignal.timeout(120_000);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-archive-"));
  server = await startGitServer({ directory: join(directory, "server") });
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Archives what git has checked out, by reading the disk. */
async function archiveOfDisk(root: string): Promise<string> {
  const writer = gzipWriter();
  const visit = async (path: string): Promise<void> => {
    const own = join(root, path);
    const found = await stat(own);
    const name = Buffer.from(path === "" ? "." : path);
    if (found.isDirectory()) {
      await writer.write(formatTarHeader({ name, type: "directory", size: 0 }));
      const entries = await readdir(own, { withFileTypes: true });
      const names = entries.flatMap((entry) => (entry.isSymbolicLink() || entry.name === ".git" ? [] : [entry.name]));
      for (const child of names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
        await visit(path === "" ? child : `${path}/${child}`);
      return;
    }
    const content = await readFile(own);
    const type = (found.mode & 0o100) === 0 ? "file" : "executable";
    await writer.write(formatTarHeader({ name, type, size: content.length }));
    await writer.write(content);
    await writer.write(tarPadding(content.length));
  };
  await visit("");
  await writer.write(tarEnd);
  return (await writer.end()).digest;
}

const component = fc.constantFrom("a", "a-b", "a.b", "B", "b", "\u00fc", "x".repeat(90), "sp ace", "deep");
const file = fc.record({
  path: fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
  mode: fc.constantFrom("100644", "100755", "120000"),
  content: fc.string({ maxLength: 600 }).map((text) => text.replace(/\0/g, "")),
});

describe("an archive made of Git's objects", () => {
  it("GE-019, GIT-023, ART-008: equals the checkout by git and its archive", async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 25 }), async (files) => {
        const name = `tree-${count++}`;
        const repository = await server.repository(name);
        const lines = ["commit refs/heads/main\ncommitter A <a@b.test> 1 +0000\ndata 1\nx\n"];
        for (const { path, mode, content } of files) {
          const text = mode === "120000" ? "nowhere" : content;
          lines.push(`M ${mode} inline ${JSON.stringify(path)}\ndata ${Buffer.byteLength(text)}\n${text}\n`);
        }
        await repository.git(["fast-import", "--quiet", "--date-format=raw"], lines.join(""));
        const checkout = join(directory, name);
        await mkdir(checkout);
        await promisify(execFile)("git", ["clone", "--quiet", "--branch=main", repository.directory, checkout]);
        const source = { url: repository.url, reference: { branch: "main" }, ignore: "# nothing\n!/none\n" };
        const { tarGz, digest } = await fetchArchive(source, await resolveRevision(source, signal), signal);
        tarGz.close();
        expect(digest).toBe(await archiveOfDisk(checkout));
      }),
      { numRuns: 15 },
    );
  });
});
