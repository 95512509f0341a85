import { setImmediate as turn } from "node:timers/promises";
import { openSpool, type Spool } from "../spool.ts";
import { formatTarHeader, tarEnd, tarPadding } from "./tar.ts";
import { gzipTo } from "./tar-gz.ts";

/** A file of a tree by its path, relative and with slashes, or a directory that is there even if it is empty. */
export type TreeEntry =
  | { path: string; type: "directory" }
  | {
      path: string;
      type: "file" | "executable";
      /** Bytes, as far as they are known before: bounds what is read ahead. */
      size?: number;
      /**
       * A spool is closed when it is written, or will not be. Undefined where the file is gone: it is left out, and with it the
       * directories that hold nothing else.
       */
      content: () => Buffer | Spool | undefined | Promise<Buffer | Spool | undefined>;
    }
  | {
      path: string;
      type: "file" | "executable";
      size: number;
      /** The bytes from one position up to another: a file of any size goes into the archive in pieces. */
      read: (from: number, to: number) => Buffer;
    };

/** Says of a path, in components, whether it is left out; each entry is asked for by itself (IGN-007). */
export type LeftOut = (path: readonly string[], isDirectory: boolean) => boolean;

/** How many contents are asked for at the same time, and how many bytes of them wait to be written. */
export type ReadAhead = { files: number; bytes: number };

/** A path that cannot be: above the root, empty, a file and a directory at once, or one too many. The message names it. */
export class TreeConflict extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TreeConflict";
  }
}

/** Files and directories of one archive, and directories in one another. */
const limits = { nodes: 2_000_000, depth: 1024 };

/** Entries between two turns of the event loop, and bytes of one that are written at once. */
const workUnit = 500;
const pieceSize = 4 * 1024 * 1024;

/**
 * A tar.gz of a tree as Flux writes it (ART-006 to ART-009): the root as `.`, directories as entries, depth first, each directory's
 * names in the order of their bytes. Contents are asked for in that order, `ahead` of the writing. Of two files with one path the
 * later counts. The spool is the caller's to close. Throws TreeConflict, and what `content` throws.
 */
export async function archiveTree(
  entries: Iterable<TreeEntry>,
  options: { isLeftOut?: LeftOut; ahead?: ReadAhead; signal: AbortSignal },
): Promise<{ spool: Spool; digest: string }> {
  const { isLeftOut = () => false, ahead = { files: 1, bytes: 0 }, signal } = options;
  const tree = treeOf(entries);
  const leftOut = await nodesLeftOut(tree, isLeftOut, signal);
  const wanted = wantedOf(tree, leftOut);
  const spool = openSpool();
  try {
    const writer = gzipTo((part) => spool.write(part));
    let done = 0;
    let held: string[] = [];
    const begin = (name: string, type: TreeEntry["type"], size: number) =>
      writer.write(formatTarHeader({ name: Buffer.from(name), type, size }));
    for await (const { name, type, content, waits } of readAhead(wanted, ahead)) {
      if (++done % workUnit === 0) await turn();
      signal.throwIfAborted();
      if (content === undefined) continue;
      const { length } = content;
      held = held.filter((directory) => name.startsWith(`${directory}/`));
      if (waits) {
        held.push(name);
        continue;
      }
      for (const directory of held.splice(0)) await begin(directory, "directory", 0);
      await begin(name, type, length);
      for (let at = 0; at < length; at += pieceSize) {
        await writer.write(content.read(at, Math.min(at + pieceSize, length)));
        signal.throwIfAborted();
      }
      content.close?.();
      await writer.write(tarPadding(length));
    }
    await writer.write(tarEnd);
    const { digest } = await writer.end();
    return { spool, digest };
  } catch (error) {
    spool.close();
    throw error;
  }
}

type File = Exclude<TreeEntry, { type: "directory" }>;
type Directory = Map<string, File | Directory>;
type Node = File | Directory;

function treeOf(entries: Iterable<TreeEntry>): Directory {
  const root: Directory = new Map();
  let nodes = 0;
  const count = (): void => {
    if (++nodes > limits.nodes) throw new TreeConflict(`there are more than ${limits.nodes} files and directories`);
  };
  for (const entry of entries) {
    const names = entry.path.split("/").filter((name) => name !== "" && name !== ".");
    if (names.length > limits.depth)
      throw new TreeConflict(
        `the path ${JSON.stringify(entry.path.slice(0, 300))} has more than ${limits.depth} directories in each other`,
      );
    const last = entry.type === "directory" ? undefined : names.pop();
    if (names.includes("..") || last === ".." || (entry.type !== "directory" && last === undefined))
      throw new TreeConflict(`the path ${JSON.stringify(entry.path.slice(0, 300))} is not one below the root`);
    let directory = root;
    for (const name of names) {
      const known = directory.get(name);
      if (known !== undefined && !(known instanceof Map)) throw both(entry.path);
      const next: Directory = known ?? new Map();
      if (known === undefined) count();
      directory.set(name, next);
      directory = next;
    }
    if (entry.type === "directory" || last === undefined) continue;
    if (directory.get(last) instanceof Map) throw both(entry.path);
    if (!directory.has(last)) count();
    directory.set(last, entry);
  }
  return root;
}

function both(path: string): TreeConflict {
  return new TreeConflict(`a part of the path ${JSON.stringify(path.slice(0, 300))} is both a file and a directory`);
}

/** Milliseconds between two turns of the event loop while paths are held against the rules, of which there may be many. */
const turnMilliseconds = 20;

/** What is left out, below a directory that is left out as well. The root never is. Throws the signal's reason. */
async function nodesLeftOut(root: Directory, isLeftOut: LeftOut, signal: AbortSignal): Promise<ReadonlySet<Node>> {
  const found = new Set<Node>();
  const waiting: { directory: Directory; path: readonly string[] }[] = [{ directory: root, path: [] }];
  let begun = performance.now();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const [child, node] of next.directory) {
      const path = [...next.path, child];
      if (isLeftOut(path, node instanceof Map)) found.add(node);
      if (node instanceof Map) waiting.push({ directory: node, path });
      if (performance.now() - begun < turnMilliseconds) continue;
      await turn();
      signal.throwIfAborted();
      begun = performance.now();
    }
  }
  return found;
}

/** A directory `waits` for the first of its files: it may turn out that all are gone. */
type Wanted = { name: string; waits: boolean; entry?: File };

function wantedOf(root: Directory, leftOut: ReadonlySet<Node>): Wanted[] {
  const ofFiles = directoriesOfFiles(root, leftOut);
  const wanted: Wanted[] = [];
  const visit = (directory: Directory, name: string): void => {
    if (!leftOut.has(directory)) wanted.push({ name, waits: name !== "." && ofFiles.has(directory) });
    const children = [...directory].map(([child, node]) => ({ child, node, bytes: Buffer.from(child) }));
    children.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    for (const { child, node } of children) {
      const below = name === "." ? child : `${name}/${child}`;
      if (node instanceof Map) visit(node, below);
      else if (!leftOut.has(node)) wanted.push({ name: below, waits: false, entry: node });
    }
  };
  visit(root, ".");
  return wanted;
}

/** The directories of which nothing but files is archived: one that is there however its files end need not wait. */
function directoriesOfFiles(root: Directory, leftOut: ReadonlySet<Node>): ReadonlySet<Directory> {
  const found = new Set<Directory>();
  const look = (directory: Directory): boolean => {
    let files = 0;
    let isOfFiles = true;
    for (const node of directory.values()) {
      if (!(node instanceof Map)) files += leftOut.has(node) ? 0 : 1;
      else if (look(node)) files++;
      else if (!leftOut.has(node)) isOfFiles = false;
    }
    if (files > 0 && isOfFiles) found.add(directory);
    return found.has(directory);
  };
  look(root);
  return found;
}

type Ready = { name: string; type: TreeEntry["type"]; content: Content | undefined; waits: boolean };
type Content = { length: number; read: (from: number, to: number) => Buffer; close?: () => void };

const nothing = Buffer.alloc(0);

async function contentOf(entry: File | undefined): Promise<Content | undefined> {
  if (entry !== undefined && "read" in entry) return { length: entry.size, read: entry.read };
  const bytes = entry === undefined ? nothing : await entry.content();
  if (bytes === undefined) return undefined;
  if (!Buffer.isBuffer(bytes)) return { length: bytes.size, read: bytes.read, close: bytes.close };
  return { length: bytes.length, read: (from, to) => bytes.subarray(from, to) };
}

/** In order, with so many contents on their way that neither bound is passed; one may always be. */
async function* readAhead(wanted: readonly Wanted[], ahead: ReadAhead): AsyncGenerator<Ready, void, undefined> {
  const pending: { wanted: Wanted; size: number; content: Promise<Content | undefined> }[] = [];
  let next = 0;
  let bytes = 0;
  try {
    while (next < wanted.length || pending.length > 0) {
      for (let one = wanted[next]; one !== undefined; one = wanted[next]) {
        const size = one.entry?.size ?? 0;
        if (pending.length > 0 && (pending.length >= ahead.files || bytes + size > ahead.bytes)) break;
        const content = contentOf(one.entry);
        content.catch(() => undefined);
        pending.push({ wanted: one, size, content });
        bytes += size;
        next++;
      }
      const first = pending.shift();
      if (first === undefined) return;
      bytes -= first.size;
      const { name, entry, waits } = first.wanted;
      yield { name, type: entry?.type ?? "directory", content: await first.content, waits };
    }
  } finally {
    // What is still on its way is nobody's any more.
    for (const { content } of pending)
      content.then(
        (unused) => unused?.close?.(),
        () => undefined,
      );
  }
}
