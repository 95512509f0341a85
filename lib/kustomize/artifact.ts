import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";

/**
 * The files of an artifact, in memory. Paths are relative to its root, separated by `/`, without `.`, `..` or a slash at
 * either end; the root itself is the empty string, which `directories` always holds.
 */
export type OpenArtifact = {
  readonly files: ReadonlyMap<string, ArtifactFile>;
  readonly directories: ReadonlySet<string>;
};

/** A regular file of an artifact. */
export type ArtifactFile = { readonly content: Uint8Array; readonly executable: boolean };

/** What an artifact may cost: bytes once unpacked, archive headers included, and number of entries of any type. */
export type ArtifactLimits = { bytes: number; entries: number };

const defaults: ArtifactLimits = { bytes: 512 * 1024 * 1024, entries: 200_000 };

/** The archive is no artifact: not a tar.gz, beyond a limit, or with a path that leaves its root. The message says which. */
export class InvalidArtifact extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "InvalidArtifact";
  }
}

/** `spec.path` is not in the artifact: Ready=False `ArtifactFailed` with this message (KS-028). */
export class PathNotFound extends Error {
  constructor(path: string) {
    super(`kustomization path not found: stat ${path}: no such file or directory`);
    this.name = "PathNotFound";
  }
}

/**
 * Unpacks an artifact into memory. Symbolic links and everything else that is neither file nor directory are left out
 * (KS-027). Throws InvalidArtifact for a hostile or broken archive.
 */
export async function openArtifact(tarGz: Uint8Array, limits: Partial<ArtifactLimits> = {}): Promise<OpenArtifact> {
  const allowed = { ...defaults, ...limits };
  const files = new Map<string, ArtifactFile>();
  const directories = new Set<string>([""]);
  const archive = extract();
  const unpack = pipeline([tarGz], createGunzip(), bounded(allowed.bytes), archive);
  const read = (async () => {
    let entries = 0;
    for await (const entry of archive) {
      entries += 1;
      if (entries > allowed.entries)
        throw new InvalidArtifact(`artifact holds more than the limit of ${allowed.entries} files and directories`);
      const { name, type, mode } = entry.header;
      const path = cleanName(name);
      if (type === "directory") addDirectory(path, files, directories);
      if (type === "file" || type === "contiguous-file") {
        addDirectory(parent(path), files, directories);
        if (directories.has(path)) throw new InvalidArtifact(`artifact holds "${path}" both as a file and a directory`);
        files.set(path, { content: await buffer(entry), executable: ((mode ?? 0) & 0o111) !== 0 });
      } else entry.resume();
    }
  })();
  try {
    await Promise.all([unpack, read]);
  } catch (error) {
    if (error instanceof InvalidArtifact) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidArtifact(`artifact is not a tar.gz archive: ${reason}`, { cause: error });
  } finally {
    archive.destroy();
    await Promise.allSettled([unpack, read]);
  }
  return { files, directories };
}

/**
 * The directory of the artifact that `spec.path` means, joined so that neither `..` nor a leading slash leaves the root
 * (KS-028). Throws PathNotFound. Called by `inputDigest` and `build` themselves; a caller that must know before the build
 * whether the path is there (KS-225) calls it first.
 */
export function selectPath(artifact: OpenArtifact, path: string | undefined): string {
  const segments: string[] = [];
  for (const segment of (path ?? "").split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  const directory = segments.join("/");
  if (!artifact.directories.has(directory) && !artifact.files.has(directory)) throw new PathNotFound(directory);
  return directory;
}

/** Passes bytes on until there are more than allowed: what stops a small file that unpacks to a huge one. */
function bounded(limit: number): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array> {
  return async function* (source) {
    let total = 0;
    for await (const chunk of source) {
      total += chunk.length;
      if (total > limit) throw new InvalidArtifact(`artifact is larger than the limit of ${limit} bytes once unpacked`);
      yield chunk;
    }
  };
}

function cleanName(name: string): string {
  const segments = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (name === "" || name.startsWith("/") || /[\\\0]/.test(name) || segments.includes(".."))
    throw new InvalidArtifact(`artifact holds an entry with an invalid name: ${JSON.stringify(name.slice(0, 200))}`);
  return segments.join("/");
}

function addDirectory(path: string, files: ReadonlyMap<string, ArtifactFile>, directories: Set<string>): void {
  for (let current = path; !directories.has(current); current = parent(current)) {
    if (files.has(current)) throw new InvalidArtifact(`artifact holds "${current}" both as a file and a directory`);
    directories.add(current);
  }
}

function parent(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}
