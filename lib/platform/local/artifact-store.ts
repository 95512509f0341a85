import { createHash, randomUUID } from "node:crypto";
import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ArtifactStore, StoredObject } from "../ports.ts";
import { isAbsent, storagePath } from "./storage-path.ts";

/**
 * Artifacts as files: a key is a path below `directory`. What is being written lies in a directory of its own on the same
 * file system and appears by rename. A key must not also be the directory of another key.
 */
export function createLocalArtifactStore(directory: string): ArtifactStore {
  const files = join(directory, "files");
  const unfinished = join(directory, "unfinished");

  async function put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const path = storagePath(files, key);
    const temporary = join(unfinished, randomUUID());
    // Pieces can be read once only: their file is there before the first is asked for.
    const isWhole = body instanceof Uint8Array;
    await inDirectory(unfinished, () => writeFile(temporary, isWhole ? body : "", { mode: 0o600 }));
    try {
      if (!isWhole) await writeFile(temporary, body, { flag: "r+" });
      await inDirectory(dirname(path), () => rename(temporary, path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async function copy(from: string, to: string): Promise<boolean> {
    const path = storagePath(files, to);
    const temporary = join(unfinished, randomUUID());
    // The files are never written again: another name for the same content does.
    const found = await unlessAbsent(
      inDirectory(unfinished, () => link(storagePath(files, from), temporary)).then(() => true),
    );
    if (found !== true) return false;
    try {
      await inDirectory(dirname(path), () => rename(temporary, path));
    } finally {
      await rm(temporary, { force: true });
    }
    return true;
  }

  async function list(prefix: string): Promise<StoredObject[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const root = folder === "" ? files : storagePath(files, folder.slice(0, -1));
    const keys = (await filesBelow(root)).map((path) => folder + path).filter((key) => key.startsWith(prefix));
    const found = await Promise.all(keys.map((key) => head(key)));
    return found
      .filter((object) => object !== undefined)
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  async function head(key: string, options?: { checksum?: boolean }): Promise<StoredObject | undefined> {
    const path = storagePath(files, key);
    const found = await unlessAbsent(stat(path));
    if (found?.isFile() !== true) return undefined;
    const content = options?.checksum === true ? await unlessAbsent(readFile(path)) : undefined;
    const sha256 = content === undefined ? {} : { sha256: createHash("sha256").update(content).digest("hex") };
    return { key, size: found.size, modified: found.mtime, ...sha256 };
  }

  return {
    put,
    copy,
    list,
    head,
    get: async (key) => unlessAbsent(readFile(storagePath(files, key))),
    remove: async (keys) => {
      await Promise.all(keys.map((key) => rm(storagePath(files, key), { force: true })));
    },
    link: async () => undefined,
  };
}

/** Directories are made only when they turn out to be missing: nearly every write finds its own. */
async function inDirectory(directory: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isAbsent(error)) throw error;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await write();
  }
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = (await unlessAbsent(readdir(directory, { withFileTypes: true }))) ?? [];
  const paths = await Promise.all(
    entries.map(async (entry) =>
      entry.isDirectory()
        ? (await filesBelow(join(directory, entry.name))).map((path) => `${entry.name}/${path}`)
        : [entry.name],
    ),
  );
  return paths.flat();
}

async function unlessAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
