import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchArchive, resolveRevision } from "../lib/git/fetch.ts";
import { formatTarHeader, tarEnd, tarPadding } from "../lib/platform/archive/tar.ts";
import { gzipWriter } from "../lib/platform/archive/tar-gz.ts";
import { createLocalArtifactStore } from "../lib/platform/local/artifact-store.ts";
import { ignoreRules, isIgnored } from "../lib/text/source-ignore.ts";

/**
 * Run as a process of its own, so that its peak memory is its own: `node fetch-process.ts <way> <url> <branch> <rounds>`. Fetches
 * the branch and stores its artifact, once to warm up and then so many times; prints the seconds of each as JSON.
 */
const [way = "", url = "", branch = "", rounds = "1"] = process.argv.slice(2);
const directory = await mkdtemp(join(tmpdir(), "sluice-fetch-"));
const store = createLocalArtifactStore(join(directory, "artifacts"));

async function bySluice(): Promise<number> {
  const signal = AbortSignal.timeout(600_000);
  const source = { url, reference: { branch } };
  const { tarGz } = await fetchArchive(source, await resolveRevision(source, signal), signal);
  await store.put("artifact.tar.gz", tarGz.whole() ?? tarGz.stream());
  tarGz.close();
  return tarGz.size;
}

async function byIsomorphicGit(): Promise<number> {
  const [{ default: git }, { default: http }, fs] = await Promise.all([
    import("isomorphic-git"),
    import("isomorphic-git/http/node"),
    import("node:fs"),
  ]);
  const dir = join(directory, "clone");
  await git.clone({ fs, http, dir, url, ref: branch, singleBranch: true, depth: 1, noTags: true });
  const bytes = await archiveOf(dir);
  await store.put("artifact.tar.gz", bytes);
  await rm(dir, { recursive: true, force: true });
  return bytes.length;
}

/** The same archive, of a checkout on the disk. */
async function archiveOf(root: string): Promise<Buffer> {
  const writer = gzipWriter();
  const rules = ignoreRules([]);
  const visit = async (path: readonly string[]): Promise<void> => {
    const entries = await readdir(join(root, ...path), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const own = [...path, entry.name];
      if (entry.name === ".git" || entry.isSymbolicLink()) continue;
      const name = Buffer.from(own.join("/"));
      if (entry.isDirectory()) {
        if (!isIgnored(rules, own, true)) await writer.write(formatTarHeader({ name, type: "directory", size: 0 }));
        await visit(own);
      } else if (!isIgnored(rules, own, false)) {
        const content = await readFile(join(root, ...own));
        const { mode } = await stat(join(root, ...own));
        const type = (mode & 0o100) === 0 ? "file" : "executable";
        await writer.write(formatTarHeader({ name, type, size: content.length }));
        await writer.write(content);
        await writer.write(tarPadding(content.length));
      }
    }
  };
  await visit([]);
  await writer.write(tarEnd);
  return (await writer.end()).bytes;
}

async function unchanged(): Promise<number> {
  const signal = AbortSignal.timeout(60_000);
  await resolveRevision({ url, reference: { branch }, observedRevision: "" }, signal);
  return 0;
}

const ways: Record<string, () => Promise<number>> = {
  sluice: bySluice,
  "isomorphic-git": byIsomorphicGit,
  unchanged,
};
try {
  const work = ways[way];
  if (work === undefined) throw new RangeError(`there is no way '${way}'`);
  const seconds: number[] = [];
  let bytes = 0;
  for (let round = 0; round <= Number(rounds); round++) {
    const start = performance.now();
    bytes = await work();
    if (round > 0 || rounds === "0") seconds.push((performance.now() - start) / 1000);
  }
  console.log(JSON.stringify({ seconds, bytes, peakBytes: process.resourceUsage().maxRSS * 1024 }));
} finally {
  await rm(directory, { recursive: true, force: true });
}
