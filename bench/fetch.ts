import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fetchArchive, resolveRevision } from "../lib/git/fetch.ts";
import { startGitServer } from "../test/bed/git/git-server.ts";
import { type Figure, percentile } from "./figures.ts";

const files = 5500;
const rounds = 5;

/**
 * A repository of the size of argo-cd (5,500 files, about 70 MiB) from Git's own server to an artifact, beside what git itself
 * needs to clone the same commit on the same machine.
 */
export async function benchFetch(): Promise<Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-fetch-"));
  const server = await startGitServer({ directory: join(directory, "server") });
  try {
    const repository = await server.repository("large");
    const content = Object.fromEntries(
      [...Array(files).keys()].map((index) => [`folder-${index % 97}/file-${index}.txt`, text(index)]),
    );
    await repository.commit(content);
    const own: number[] = [];
    const git: number[] = [];
    let bytes = 0;
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      const source = { url: repository.url, reference: { branch: "main" } };
      const signal = AbortSignal.timeout(60_000);
      const resolved = await resolveRevision(source, signal);
      const { tarGz } = await fetchArchive(source, resolved, signal);
      bytes = tarGz.size;
      tarGz.close();
      own.push((performance.now() - start) / 1000);
      const clone = join(directory, `clone-${round}`);
      const started = performance.now();
      await promisify(execFile)("git", ["clone", "--quiet", "--depth=1", repository.url, clone]);
      git.push((performance.now() - started) / 1000);
      await rm(clone, { recursive: true, force: true });
    }
    return [
      { name: `fetch of ${files} files to an artifact, median`, value: percentile(own, 0.5), unit: "s", atMost: 8.5 },
      { name: "git clone --depth=1 of the same, median", value: percentile(git, 0.5), unit: "s" },
      { name: "artifact", value: bytes / 1e6, unit: "MB" },
      { name: "peak memory of this process", value: process.resourceUsage().maxRSS / 1000, unit: "MB" },
    ];
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** About 13 KB that compress as source code does: to about an eighth. */
function text(seed: number): string {
  const words: string[] = [];
  for (let index = 0; index < 200; index++) {
    const digest = createHash("sha256")
      .update(`${seed}/${index % 40}`)
      .digest("hex");
    words.push(`  field${index}: ${digest.slice(0, 12)} # the same sentence stands in every line of this file`);
  }
  return `${words.join("\n")}\n`;
}
