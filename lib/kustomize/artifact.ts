import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gunzipSync } from "node:zlib";
import { messageOf } from "../text/error-message.ts";
import type { RemoteContent } from "./remote-content.ts";
import { tarEntries } from "./tar-entries.ts";

const inflate = promisify(gunzip);

/**
 * The files of an artifact, in memory. Paths are relative to its root, separated by `/`, without `.`, `..` or a slash at
 * either end; the root itself is the empty string, which `directories` always holds.
 */
export type OpenArtifact = {
  readonly files: ReadonlyMap<string, ArtifactFile>;
  readonly directories: ReadonlySet<string>;
  /** What its kustomizations name beyond it, by `keyOf`, as far as it was fetched (`resolveRemotes`). */
  readonly remotes?: ReadonlyMap<string, RemoteContent>;
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
 * (KS-027). Throws InvalidArtifact for a hostile or broken archive. What was opened last is kept: a source that many
 * Kustomizations use is unpacked once.
 */
export async function openArtifact(tarGz: Uint8Array, limits: Partial<ArtifactLimits> = {}): Promise<OpenArtifact> {
  const allowed = { ...defaults, ...limits };
  const key = `${createHash("sha256").update(tarGz).digest("hex")} ${allowed.bytes} ${allowed.entries}`;
  const known = opened.get(key);
  if (known !== undefined) return known;
  const opening = open(tarGz, allowed);
  opened.set(key, opening);
  try {
    const artifact = await opening;
    forgetOldest(key, sizeOf(artifact));
    return artifact;
  } catch (error) {
    opened.delete(key);
    throw error;
  }
}

const opened = new Map<string, Promise<OpenArtifact>>();
const openedSizes = new Map<string, number>();
/** Bytes of opened artifacts that are kept at most; one that is larger than all of it is not kept at all. */
const openedLimit = 64 * 1024 * 1024;

function forgetOldest(key: string, size: number): void {
  openedSizes.set(key, size);
  let total = [...openedSizes.values()].reduce((sum, each) => sum + each, 0);
  for (const [oldest, bytes] of openedSizes) {
    if (total <= openedLimit) return;
    openedSizes.delete(oldest);
    opened.delete(oldest);
    total -= bytes;
  }
}

function sizeOf(artifact: OpenArtifact): number {
  let size = 0;
  // A file costs more than its bytes: its name, its entry, the header in the archive that its content is a view into.
  for (const { content } of artifact.files.values()) size += content.length + 1024;
  return size;
}

async function open(tarGz: Uint8Array, allowed: ArtifactLimits): Promise<OpenArtifact> {
  try {
    return readArchive(await unpack(tarGz, allowed.bytes), allowed.entries);
  } catch (error) {
    if (error instanceof InvalidArtifact) throw error;
    const reason = messageOf(error);
    throw new InvalidArtifact(`artifact is not a tar.gz archive: ${reason}`, { cause: error });
  }
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

/** Bytes, packed and unpacked, up to which an archive is unpacked at once: handing it to a thread costs more than that. */
const small = { packed: 64 * 1024, unpacked: 1024 * 1024 };

async function unpack(tarGz: Uint8Array, limit: number): Promise<Uint8Array> {
  if (tarGz.length <= small.packed && small.unpacked <= limit) {
    try {
      return gunzipSync(tarGz, { maxOutputLength: small.unpacked });
    } catch (error) {
      if (!isTooLarge(error)) throw error;
    }
  }
  try {
    return await inflate(tarGz, { maxOutputLength: limit });
  } catch (error) {
    if (isTooLarge(error))
      throw new InvalidArtifact(`artifact is larger than the limit of ${limit} bytes once unpacked`, { cause: error });
    throw error;
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}

function readArchive(archive: Uint8Array, limit: number): OpenArtifact {
  const files = new Map<string, ArtifactFile>();
  const directories = new Set<string>([""]);
  let entries = 0;
  for (const { name, type, mode, content } of tarEntries(archive)) {
    entries += 1;
    if (entries > limit)
      throw new InvalidArtifact(`artifact holds more than the limit of ${limit} files and directories`);
    const path = cleanName(name);
    if (type === "5") addDirectory(path, files, directories);
    // 7 is a file that was once to be laid out in one piece.
    if (type !== "0" && type !== "7") continue;
    addDirectory(parent(path), files, directories);
    if (directories.has(path)) throw new InvalidArtifact(`artifact holds "${path}" both as a file and a directory`);
    files.set(path, { content, executable: (mode & 0o111) !== 0 });
  }
  return { files, directories };
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
