import { createHash } from "node:crypto";
import { mkdir, open, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const heartbeat = 5_000;
const abandoned = 30_000;

/**
 * The directory of what is made once on this machine, `$XDG_CACHE_HOME/sluice/<name>/<key>` (`~/.cache` where unset): outside
 * any checkout, so that a second clone finds it. The key is made from everything that decides about the result, and the platform.
 */
export function cacheDirectory(name: string, ...decisive: (string | Uint8Array)[]): string {
  const key = createHash("sha256");
  for (const part of decisive) key.update(part).update("\0");
  key.update(`${process.platform}\0${process.arch}`);
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "sluice", name, key.digest("hex").slice(0, 16));
}

/**
 * Runs `make` while no other process does so for the same directory. `onWait` is called once where another one does. The lock is
 * a file whose time is kept fresh; one that has not been touched for a while belongs to a process that is gone. Two that find it
 * gone at the same moment may both run, which costs time and nothing else where results appear by renaming.
 */
export async function alone<T>(directory: string, onWait: () => void, make: () => Promise<T>): Promise<T> {
  await mkdir(directory, { recursive: true });
  const release = await lock(join(directory, "lock"), onWait);
  try {
    return await make();
  } finally {
    await release();
  }
}

async function lock(path: string, onWait: () => void): Promise<() => Promise<void>> {
  let told = false;
  for (;;) {
    try {
      await (await open(path, "wx")).close();
      break;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? 0);
    if (age > abandoned) {
      await rm(path, { force: true });
      continue;
    }
    if (!told) onWait();
    told = true;
    await wait(500);
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, heartbeat);
  beat.unref();
  return async () => {
    clearInterval(beat);
    await rm(path, { force: true });
  };
}
