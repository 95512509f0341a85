import { setImmediate as turn } from "node:timers/promises";
import type { CopyOperation } from "../../api/artifact-generator.ts";
import { ArchiveError } from "../../platform/archive/tar-entries.ts";
import type { Spool } from "../../platform/spool.ts";
import { messageOf } from "../../text/error-message.ts";
import { type Excludes, parseExcludes } from "./exclude.ts";
import { globTree, globTreeRecursively, isPattern, literalPrefix } from "./glob.ts";
import { mergeFiles } from "./merge-files.ts";
import {
  baseName,
  childrenOf,
  cleanPath,
  joinPath,
  makeDirectory,
  nodeAt,
  putFile,
  type Tree,
  TreeError,
  type TreeFile,
} from "./tree.ts";
import { packedLimits, unpackInto } from "./unpack.ts";

/** What copies work with: the sources by alias, the tree that is made, and where what is unpacked on the way goes. */
export type Stage = { sources: ReadonlyMap<string, Tree>; artifact: Tree; contents: Spool; signal: AbortSignal };

/** Files that one artifact may be copied together from, each copy counted. */
const fileLimit = 200_000;

/** One copy under way. */
type Copy = Stage & {
  operation: CopyOperation;
  source: Tree;
  isExcluded: Excludes;
  to: string;
  /** How many files were copied for the artifact. */
  spent: { files: number };
};

/** Carries out the copies of one artifact in their order, later ones over earlier ones (AG-009). Throws a sentence in Flux's words. */
export async function applyCopies(operations: readonly CopyOperation[], stage: Stage): Promise<void> {
  const spent = { files: 0 };
  for (const operation of operations) {
    // Other work of the process goes on in between.
    await turn();
    stage.signal.throwIfAborted();
    try {
      await applyCopy(operation, stage, spent);
    } catch (error) {
      if (stage.signal.aborted) throw error;
      const { from, to } = operation;
      throw new Error(`failed to apply copy operation from '${from}' to '${to}': ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

async function applyCopy(operation: CopyOperation, stage: Stage, spent: { files: number }): Promise<void> {
  const { alias, pattern } = parseFrom(operation.from);
  const prefix = "@artifact/";
  if (!operation.to.startsWith(prefix))
    throw new Error(`invalid copy destination '${operation.to}': destination must start with '${prefix}'`);
  const source = stage.sources.get(alias);
  if (source === undefined) throw new Error(`source alias '${alias}' not found`);
  const isExcluded = parseExcludes(operation.exclude ?? []);
  const copy: Copy = { ...stage, operation, source, isExcluded, to: operation.to.slice(prefix.length), spent };
  return isPattern(pattern) ? copyMatches(copy, alias, pattern) : copySingle(copy, cleanPath(pattern));
}

function parseFrom(from: string): { alias: string; pattern: string } {
  const invalid = (words: string) => new Error(`invalid copy source '${from}': ${words}`);
  if (!from.startsWith("@")) throw invalid("source must start with '@'");
  const cut = from.indexOf("/");
  if (cut === -1) throw invalid("source format must be '@alias/pattern'");
  return { alias: from.slice(1, cut), pattern: from.slice(cut + 1) };
}

async function copyMatches(copy: Copy, alias: string, pattern: string): Promise<void> {
  const { operation, source, isExcluded, to, signal } = copy;
  const extracts = operation.strategy === "Extract";
  let found: string[];
  try {
    found = extracts ? globTreeRecursively(source, pattern) : globTree(source, pattern);
  } catch (error) {
    throw new Error(`invalid glob pattern '${pattern}': ${messageOf(error)}`, { cause: error });
  }
  if (found.length === 0) throw new Error(`no files match pattern '${pattern}' in source '${alias}'`);
  const base = literalPrefix(pattern);
  const kept = found.filter((path) => path !== "." && path !== ".." && !isExcluded(path, base));
  if (kept.length === 0) throw new Error(`all files matching pattern '${pattern}' in source '${alias}' were excluded`);
  for (const path of kept) {
    signal.throwIfAborted();
    try {
      if (!extracts) copyNode(copy, path, placeOf(pattern, path, to), base);
      else if (isTarball(path)) await extract(copy, path);
    } catch (error) {
      if (signal.aborted) throw error;
      const words = extracts
        ? `failed to extract tarball '${path}' to '${to}'`
        : `failed to copy file '${path}' to '${placeOf(pattern, path, to)}'`;
      throw new Error(`${words}: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** Contents of `dir/**` lose the directory; every other match keeps its whole path. */
function placeOf(pattern: string, path: string, to: string): string {
  const directory = pattern.endsWith("/**") ? pattern.slice(0, -2) : undefined;
  return joinPath(to, directory !== undefined && path.startsWith(directory) ? path.slice(directory.length) : path);
}

async function copySingle(copy: Copy, path: string): Promise<void> {
  const { operation, source, isExcluded, artifact, to } = copy;
  let node: TreeFile | Tree | undefined;
  try {
    node = nodeAt(source, path);
  } catch (error) {
    throw new Error(`failed to stat source '${path}': ${messageOf(error)}`, { cause: error });
  }
  if (node === undefined) throw new Error(`source '${path}' does not exist`);
  const extracts = operation.strategy === "Extract";
  if (node.type === "directory") {
    if (extracts) throw new Error(`extract strategy is not supported for directories, got '${path}'`);
    copyNode(copy, path, joinPath(to, baseName(path)), path);
    return;
  }
  if (isExcluded(path, ".")) return;
  if (extracts) {
    if (!isTarball(path)) throw new Error(`extract strategy requires tarball file (.tar.gz or .tgz), got '${path}'`);
    return extract(copy, path);
  }
  const isDirectory = operation.to.endsWith("/") || isDirectoryAt(artifact, to);
  copyNode(copy, path, isDirectory ? joinPath(to, baseName(path)) : to, ".");
}

function isDirectoryAt(tree: Tree, path: string): boolean {
  try {
    return nodeAt(tree, path)?.type === "directory";
  } catch (error) {
    if (error instanceof TreeError) return false;
    throw error;
  }
}

function copyNode(copy: Copy, path: string, place: string, base: string): void {
  const { artifact, operation, source } = copy;
  const node = nodeAt(source, path);
  if (node === undefined) throw new TreeError("missing", `statat ${path}: no such file or directory`);
  if (node.type === "directory") {
    copyDirectory(copy, node, path, place, base);
    return;
  }
  const known = operation.strategy === "Merge" ? fileAt(artifact, place) : undefined;
  putCopy(copy, place, known === undefined ? node : mergeFiles(known, node));
}

function fileAt(tree: Tree, path: string): TreeFile | undefined {
  const node = isDirectoryAt(tree, path) ? undefined : nodeAt(tree, path);
  return node?.type === "file" ? node : undefined;
}

/** A whole directory is copied as it is, whatever the strategy (AG-012). */
function copyDirectory(copy: Copy, directory: Tree, path: string, place: string, base: string): void {
  const { artifact, isExcluded, signal } = copy;
  makeDirectory(artifact, place);
  for (const [name, node] of childrenOf(directory)) {
    signal.throwIfAborted();
    const below = path === "." ? name : `${path}/${name}`;
    if (isExcluded(below, base)) continue;
    const to = joinPath(place, name);
    if (node.type === "directory") copyDirectory(copy, node, below, to, base);
    else putCopy(copy, to, node);
  }
}

function putCopy({ artifact, spent }: Copy, place: string, file: TreeFile): void {
  if (++spent.files > fileLimit) throw new Error(`more than ${fileLimit} files are copied`);
  const parent = cleanPath(place.slice(0, place.lastIndexOf("/") + 1));
  if (parent !== ".") {
    try {
      makeDirectory(artifact, parent);
    } catch (error) {
      throw new Error(`failed to create destination directory: ${messageOf(error)}`, { cause: error });
    }
  }
  putFile(artifact, place, file);
}

/** AG-013. Flux would write what leads out of the artifact beside it: it is refused here (AG-029). */
async function extract({ artifact, contents, signal, source, to }: Copy, path: string): Promise<void> {
  const archive = nodeAt(source, path, "openat");
  if (archive?.type !== "file")
    throw new Error(`failed to open tarball ${JSON.stringify(path)}: openat ${path}: is a directory`);
  try {
    makeDirectory(artifact, to);
    const directory = nodeAt(artifact, to);
    if (directory?.type !== "directory") throw new TreeError("no-directory", `mkdir ${to}: not a directory`);
    if (archive.size > packedLimits.total) throw new Error(`the archive is larger than ${packedLimits.total} bytes`);
    await unpackInto(directory, archive.read(), contents, { limits: packedLimits, links: "refuse", signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Error(
      `failed to extract tarball ${JSON.stringify(path)} to ${JSON.stringify(to)}: ${unpackWords(error)}`,
      {
        cause: error,
      },
    );
  }
}

function unpackWords(error: unknown): string {
  if (!(error instanceof ArchiveError) || error.what !== "gzip") return messageOf(error);
  const isHeader = error.message === "incorrect header check";
  return `requires gzip-compressed body: ${isHeader ? "gzip: invalid header" : error.message}`;
}

function isTarball(path: string): boolean {
  return /\.(tar\.gz|tgz)$/i.test(path);
}
