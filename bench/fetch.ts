import { execFile } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startGitServer } from "../test/bed/git/git-server.ts";
import { type Figure, percentile } from "./figures.ts";

const rounds = 5;
const MiB = 1024 * 1024;

/**
 * From a URL to a stored artifact, each way in a process of its own and all in one run: a generated tree of argo-cd's shape, argo-cd
 * itself where SLUICE_BENCH_ARGO_CD names a bare clone of it, and packs that are larger than memory. The bars are the issue's:
 * 0.4 of isomorphic-git, 0.3 of the 8.5 s that Flux's source-controller needs for argo-cd, 512 MB of memory.
 */
export async function benchFetch(): Promise<Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-fetch-"));
  const server = await startGitServer({ directory: join(directory, "server") });
  try {
    const figures: Figure[] = [];
    const generated = await server.repository("generated");
    await generated.commit(shapedTree());
    figures.push(...(await compared("generated tree of argo-cd's shape", generated.url, "main")));
    const argo = process.env.SLUICE_BENCH_ARGO_CD;
    if (argo !== undefined && existsSync(argo)) {
      await symlink(argo, join(directory, "server", "argo-cd.git"));
      figures.push(...(await compared("argo-cd", `${server.url}/argo-cd.git`, "master")));
    }
    for (const size of [90, 500, 2000]) {
      const repository = await server.repository(`large-${size}`);
      // The server's own work on what cannot be compressed would take minutes, and is not what is measured.
      for (const setting of ["core.compression 0", "pack.compression 0", "pack.window 0", "core.bigFileThreshold 1m"])
        await repository.git(["config", ...setting.split(" ")]);
      for (let part = 0; part < size; part += 50)
        await repository.commit(Object.fromEntries(incompressible(part, Math.min(50, size - part))));
      const { seconds, peakBytes } = await measured("sluice", repository.url, "main", 0);
      figures.push(
        { name: `pack of ${size} MB`, value: percentile(seconds, 0.5), unit: "s" },
        { name: `pack of ${size} MB, peak memory`, value: peakBytes / 1e6, unit: "MB", atMost: 512 },
      );
      await rm(repository.directory, { recursive: true, force: true });
    }
    return figures;
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function compared(name: string, url: string, branch: string): Promise<Figure[]> {
  const own = await measured("sluice", url, branch, rounds);
  const other = await measured("isomorphic-git", url, branch, Math.min(rounds, 3));
  const check = await measured("unchanged", url, branch, 50);
  const median = percentile(own.seconds, 0.5);
  return [
    { name: `${name}, median`, value: median, unit: "s", atMost: 0.3 * 8.5 },
    { name: `${name}, isomorphic-git, median`, value: percentile(other.seconds, 0.5), unit: "s" },
    { name: `${name}, share of isomorphic-git`, value: median / percentile(other.seconds, 0.5), unit: "", atMost: 0.4 },
    { name: `${name}, peak memory`, value: own.peakBytes / 1e6, unit: "MB", atMost: 512 },
    { name: `${name}, isomorphic-git, peak memory`, value: other.peakBytes / 1e6, unit: "MB" },
    { name: `${name}, unchanged check, median`, value: percentile(check.seconds, 0.5) * 1000, unit: "ms", atMost: 40 },
    { name: `${name}, artifact`, value: own.bytes / 1e6, unit: "MB" },
  ];
}

type Measured = { seconds: number[]; bytes: number; peakBytes: number };

async function measured(way: string, url: string, branch: string, count: number): Promise<Measured> {
  const file = join(import.meta.dirname, "fetch-process.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [file, way, url, branch, String(count)], {
    maxBuffer: MiB,
  });
  return JSON.parse(stdout) as Measured;
}

/** Sizes of argo-cd's files at some shares of them, in bytes. */
const sizes: readonly [share: number, size: number][] = [
  [0, 20],
  [0.1, 100],
  [0.25, 340],
  [0.5, 983],
  [0.75, 3706],
  [0.9, 13_453],
  [0.99, 235_552],
  [0.9995, 2_000_000],
  [1, 3_894_039],
];

/** 5,568 files of about 72 MiB, seven deep at most, that compress as source code does. */
function shapedTree(): Record<string, string> {
  const count = 5568;
  const files: Record<string, string> = {};
  for (let index = 0; index < count; index++) {
    const share = ((index * 2654435761) % count) / count;
    const at = sizes.findIndex(([end]) => end > share);
    const [start, smallest] = sizes[at - 1] ?? [0, 20];
    const [end, largest] = sizes[at] ?? [1, 3_894_039];
    const size = Math.round(smallest * (largest / smallest) ** ((share - start) / (end - start)));
    const folders = [...Array(index % 7).keys()].map((depth) => `d${(index >> depth) % 9}`);
    files[[...folders, `file-${index}.yaml`].join("/")] = text(index, size);
  }
  return files;
}

function text(seed: number, size: number): string {
  const lines: string[] = [];
  for (let length = 0, line = 0; length < size; line++) {
    const digest = createHash("sha256")
      .update(`${seed}/${line % 400}`)
      .digest("hex");
    const words = `  field${line}: ${digest.slice(0, 12)} # the same sentence stands in every line of this file\n`;
    lines.push(words);
    length += words.length;
  }
  return lines.join("").slice(0, size);
}

/** Files of 10 MB that nothing makes smaller. */
function* incompressible(start: number, megabytes: number): Generator<[string, Uint8Array]> {
  for (let at = start; at < start + megabytes; at += 10) {
    const size = Math.min(10, start + megabytes - at) * 1_000_000;
    const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, at), Buffer.alloc(16, at >> 8));
    yield [`data-${at}.bin`, cipher.update(Buffer.alloc(size))];
  }
}
