import { type ArchiveEntry, type ArchiveLimits, readArchive } from "../platform/archive/read-tar.ts";

/** The objects of an artifact that was made before: their etags by key, and the file that holds them (SB-009). */
export type EarlierArtifact = { etags: ReadonlyMap<string, string>; archive: Uint8Array };

/** Takes files out of an archive. */
export type EarlierFiles = {
  /** The content at a path; undefined where the archive does not have it, or where what is asked for out of turn has been passed by. */
  take(path: string): Promise<Buffer | undefined>;
  close(): Promise<void>;
};

/** All together may be of any size, one is in memory as a whole. Whatever comes after a larger one is fetched from the bucket. */
const limits: ArchiveLimits = {
  total: Number.MAX_SAFE_INTEGER / 2,
  file: 64 * 1024 * 1024,
  entries: 1_000_000,
};

/**
 * Files of an archive in their order, one in memory at a time: whoever makes the next artifact asks for them in the same order, the
 * order of all archives. An archive that cannot be read gives nothing more.
 */
export function earlierFiles(archive: Uint8Array, signal: AbortSignal): EarlierFiles {
  const entries = readArchive(archive, limits, signal);
  let turn: Promise<unknown> = Promise.resolve();
  let held: ArchiveEntry | undefined;
  const find = async (path: string): Promise<Buffer | undefined> => {
    try {
      for (;;) {
        if (held === undefined) {
          const next = await entries.next();
          if (next.done) return undefined;
          held = next.value;
        }
        const order = compare(held.path, path);
        if (order > 0) return undefined;
        const found = held;
        held = undefined;
        if (order === 0 && found.type === "file") return found.content;
      }
    } catch (error) {
      if (signal.aborted) throw error;
      return undefined;
    }
  };
  return {
    take: (path) => {
      const taken = turn.then(() => find(path));
      turn = taken.catch(() => undefined);
      return taken;
    },
    close: async () => {
      await turn;
      await entries.return(undefined);
    },
  };
}

/** The order of archives: each directory's names by their bytes, and what is in a directory after it. */
function compare(a: string, b: string): number {
  const [one, other] = [a.split("/"), b.split("/")];
  for (let index = 0; index < Math.min(one.length, other.length); index++) {
    const order = Buffer.compare(Buffer.from(one[index] ?? ""), Buffer.from(other[index] ?? ""));
    if (order !== 0) return order;
  }
  return one.length - other.length;
}
