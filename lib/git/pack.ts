import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { applyDelta, parseDeltaHeader } from "./delta.ts";
import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import { inflateAt, inflateBeside, type PackedHeader, parsePackedHeader } from "./packed-object.ts";

/** The four kinds of Git objects. */
export type ObjectType = "commit" | "tree" | "blob" | "tag";

/** An object as it is hashed, without its header. */
export type GitObject = { type: ObjectType; content: Buffer };

/** The objects of a pack by their ids. */
export type Pack = {
  /** Number of objects, of which some may be the same. */
  count: number;
  /** An object, or undefined where the pack does not hold it. */
  read(id: string): GitObject | undefined;
  /** Kind and size of an object, without unpacking it. */
  stat(id: string): { type: ObjectType; size: number } | undefined;
};

/** Bounds that hold for a pack. */
export type PackLimits = Pick<GitLimits, "objects" | "object" | "unpacked" | "kept" | "deltaChain">;

/** Where an object lies in the pack, and its content while that is kept in memory. */
type Entry = {
  type: ObjectType;
  /** Of the object itself, after all deltas. */
  size: number;
  dataStart: number;
  /** Of what is stored: the object, or the delta on its base. */
  dataSize: number;
  base: Entry | undefined;
  chain: number;
  content: Buffer | undefined;
};
type Waiting = { dataStart: number; dataSize: number; at: number };

const headerSize = 12;
const trailerSize = 20;
/** Work in bytes between two turns of the event loop, so that others go on and an abort is seen. */
const workUnit = 4 * 1024 * 1024;

/**
 * Reads a pack (gitformat-pack, versions 2 and 3): whole, without objects that only the reader has. Every object is unpacked and
 * named by its SHA-1, so that nothing in it can pass for another object. Throws GitError `corrupt` and `too-large`, and the
 * signal's reason where it is aborted.
 */
export async function parsePack(pack: Buffer, limits: PackLimits, signal?: AbortSignal): Promise<Pack> {
  const count = parsePackHeader(pack);
  if (count > limits.objects) throw new GitError("too-large", `the pack holds more than ${limits.objects} objects`);
  const end = pack.length - trailerSize;
  const byId = new Map<string, Entry>();
  const byOffset = new Map<number, Entry>();
  const waitingForId = new Map<string, Waiting[]>();
  const waitingForOffset = new Map<number, Waiting[]>();
  const keep = keeper(limits.kept);
  let unpacked = 0;
  let work = 0;

  const charge = (size: number): void => {
    if (size > limits.object) {
      throw new GitError("too-large", `an object of the pack is larger than ${limits.object} bytes`);
    }
    unpacked += size;
    if (unpacked > limits.unpacked) {
      throw new GitError("too-large", `the pack unpacks to more than ${limits.unpacked} bytes`);
    }
    work += size + 4096;
  };
  /** Deltas whose base is known. A list, not a recursion: chains are long. */
  const ready: { waiting: Waiting; base: Entry }[] = [];
  const register = async (entry: Entry, content: Buffer, at: number): Promise<void> => {
    const id = content.length > workUnit ? await objectIdInTurns(entry.type, content) : objectId(entry.type, content);
    keep(entry, content);
    byOffset.set(at, entry);
    if (!byId.has(id)) byId.set(id, entry);
    for (const waiting of [...take(waitingForId, id), ...take(waitingForOffset, at)])
      ready.push({ waiting, base: entry });
  };
  const pause = async (): Promise<void> => {
    if (work <= workUnit) return;
    work = 0;
    await turn();
    signal?.throwIfAborted();
  };
  const resolveReady = async (): Promise<void> => {
    for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
      await pause();
      const { waiting, base } = next;
      const { at, ...stored } = waiting;
      const chain = base.chain + 1;
      if (chain > limits.deltaChain) {
        throw new GitError("too-large", `deltas of the pack build on more than ${limits.deltaChain} others`);
      }
      const delta = inflateAt(pack, stored.dataStart, end, stored.dataSize).content;
      const size = parseDeltaHeader(delta).resultSize;
      charge(size);
      if (base.content === undefined) work += base.size + base.chain * 4096;
      const entry: Entry = { type: base.type, size, ...stored, base, chain, content: undefined };
      await register(entry, applyDelta(contentOf(pack, base, end), delta), at);
    }
  };

  let offset = headerSize;
  for (let index = 0; index < count; index++) {
    await pause();
    const header: PackedHeader = parsePackedHeader(pack, offset, end);
    charge(header.size);
    const { content, next } =
      header.size > workUnit
        ? await inflateBeside(pack, header.dataStart, end, header.size)
        : inflateAt(pack, header.dataStart, end, header.size);
    const stored = { dataStart: header.dataStart, dataSize: header.size };
    if (header.type === "ofs-delta" || header.type === "ref-delta") {
      const base = header.type === "ofs-delta" ? byOffset.get(header.base) : byId.get(header.base);
      const waiting: Waiting = { ...stored, at: offset };
      if (base !== undefined) ready.push({ waiting, base });
      else if (header.type === "ref-delta") wait(waitingForId, header.base, waiting);
      else wait(waitingForOffset, header.base, waiting);
    } else {
      await register(
        { type: header.type, size: header.size, ...stored, base: undefined, chain: 0, content: undefined },
        content,
        offset,
      );
    }
    if (ready.length > 0) await resolveReady();
    offset = next;
  }
  if (offset !== end) throw new GitError("corrupt", "the pack goes on after its last object");
  verifyTrailer(pack, end);
  if (waitingForId.size + waitingForOffset.size > 0) {
    throw new GitError("corrupt", "the pack has a delta on an object that it does not hold");
  }
  return {
    count,
    read: (id) => {
      const entry = byId.get(id);
      return entry && { type: entry.type, content: contentOf(pack, entry, end) };
    },
    stat: (id) => {
      const entry = byId.get(id);
      return entry && { type: entry.type, size: entry.size };
    },
  };
}

function parsePackHeader(pack: Buffer): number {
  if (pack.length < headerSize + trailerSize || pack.toString("latin1", 0, 4) !== "PACK") {
    throw new GitError("corrupt", "the server sent something else than a pack");
  }
  const version = pack.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw new GitError("corrupt", `the pack is of the unknown version ${version}`);
  return pack.readUInt32BE(8);
}

function verifyTrailer(pack: Buffer, end: number): void {
  const sum = createHash("sha1").update(pack.subarray(0, end)).digest();
  if (!sum.equals(pack.subarray(end))) throw new GitError("corrupt", "the pack's checksum is wrong");
}

/** Keeps the contents that were unpacked last, up to a size in bytes: the next delta is mostly on one of them. */
function keeper(limit: number): (entry: Entry, content: Buffer) => void {
  const kept: Entry[] = [];
  let first = 0;
  let size = 0;
  return (entry, content) => {
    if (content.length > limit) return;
    entry.content = content;
    kept.push(entry);
    for (size += content.length; size > limit; first++) {
      const oldest = kept[first];
      size -= oldest?.size ?? 0;
      if (oldest !== undefined) oldest.content = undefined;
    }
  };
}

/** The id of an object: the SHA-1 of its kind, its size and its content. */
export function objectId(type: ObjectType, content: Uint8Array): string {
  return createHash("sha1").update(`${type} ${content.length}\0`).update(content).digest("hex");
}

/** As `objectId`, with turns of the event loop between the pieces. */
async function objectIdInTurns(type: ObjectType, content: Uint8Array): Promise<string> {
  const hash = createHash("sha1").update(`${type} ${content.length}\0`);
  for (let at = 0; at < content.length; at += workUnit) {
    hash.update(content.subarray(at, at + workUnit));
    await turn();
  }
  return hash.digest("hex");
}

/** Unpacks an entry that is not kept, from the nearest base that is; deltas are applied one after the other, never nested. */
function contentOf(pack: Buffer, entry: Entry, end: number): Buffer {
  const deltas: Entry[] = [];
  let current = entry;
  while (current.content === undefined && current.base !== undefined) {
    deltas.push(current);
    current = current.base;
  }
  let content = current.content ?? inflateAt(pack, current.dataStart, end, current.dataSize).content;
  for (let delta = deltas.pop(); delta !== undefined; delta = deltas.pop()) {
    content = applyDelta(content, inflateAt(pack, delta.dataStart, end, delta.dataSize).content);
  }
  return content;
}

function wait<Key>(waiting: Map<Key, Waiting[]>, key: Key, entry: Waiting): void {
  const others = waiting.get(key);
  if (others === undefined) waiting.set(key, [entry]);
  else others.push(entry);
}

function take<Key>(waiting: Map<Key, Waiting[]>, key: Key): Waiting[] {
  const entries = waiting.get(key) ?? [];
  waiting.delete(key);
  return entries;
}
