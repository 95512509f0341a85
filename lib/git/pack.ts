import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { openSpool, type Spool } from "../platform/spool.ts";
import { applyDelta, parseDeltaHeader } from "./delta.ts";
import { GitError } from "./git-error.ts";
import { packReader } from "./inflate.ts";
import type { GitLimits } from "./limits.ts";
import { type ObjectType, objectHash, objectId } from "./object-id.ts";
import { contentOf, type Entry, keeperOf, streamedSize, streamOf } from "./pack-entry.ts";
import { packedHeaderLimit, parsePackedHeader } from "./packed-object.ts";

/** An object as it is hashed, without its header. */
export type GitObject = { type: ObjectType; content: Buffer };

/** The objects of a pack by their ids. */
export type Pack = {
  /** Number of objects, of which some may be the same. */
  count: number;
  /** An object, or undefined where the pack does not hold it. Throws GitError `too-large` for one that must not be in memory whole. */
  read(id: string): GitObject | undefined;
  /** An object's content in pieces, whatever its size; undefined where the pack does not hold it. */
  stream(id: string): AsyncIterable<Buffer> | undefined;
  /** Kind and size of an object, without unpacking it. */
  stat(id: string): { type: ObjectType; size: number } | undefined;
  /** Forgets what is kept unpacked; it is unpacked again where it is needed. */
  shrink(): void;
  /** Frees memory and disk. Everything after it throws. */
  close(): void;
};

/** Bounds that hold for a pack. */
export type PackLimits = Pick<GitLimits, "pack" | "memory" | "objects" | "object" | "unpacked" | "kept" | "deltaChain">;

/** A delta whose base is not known yet, or not read. */
type Waiting = { dataStart: number; dataSize: number; at: number };

const headerSize = 12;
const trailerSize = 20;
/** Work in bytes between two turns of the event loop, so that others go on and an abort is seen. */
const workUnit = 4 * 1024 * 1024;

/**
 * How many times its own size a pack may unpack to, and how much a small one may, in bytes. Sources unpack to less than twenty times; what
 * is made to be a bomb unpacks to a thousand, and is refused before it costs its time.
 */
const expansion = 256;
const smallPack = 512 * 1024 * 1024;

/**
 * Receives a pack (gitformat-pack, versions 2 and 3): whole, without objects that only the reader has. Every object is unpacked
 * and named by its SHA-1, so that nothing in it can pass for another object. Whoever gets it closes it. Throws GitError `corrupt`
 * and `too-large`, what the parts throw, and the signal's reason where it is aborted.
 */
export async function receivePack(
  parts: AsyncIterable<Buffer>,
  limits: PackLimits,
  signal?: AbortSignal,
): Promise<Pack> {
  const spool = openSpool({ memory: limits.memory });
  try {
    const sum = createHash("sha1");
    let held: Buffer = Buffer.alloc(0);
    for await (const part of parts) {
      if (spool.size + part.length > limits.pack)
        throw new GitError("too-large", `the pack is larger than ${limits.pack} bytes`);
      store(spool, part);
      // The last bytes are the sum of those before them, and only its end says which are the last.
      const seen = held.length === 0 ? part : Buffer.concat([held, part]);
      const summed = Math.max(0, seen.length - trailerSize);
      sum.update(seen.subarray(0, summed));
      held = Buffer.from(seen.subarray(summed));
    }
    return await parsePack(spool, { sum: sum.digest(), trailer: held }, limits, signal);
  } catch (error) {
    spool.close();
    throw error;
  }
}

function store(spool: Spool, part: Buffer): void {
  try {
    spool.write(part);
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw new GitError("too-large", `the pack does not fit into the temporary directory: ${why}`, { cause: error });
  }
}

async function parsePack(
  spool: Spool,
  { sum, trailer }: { sum: Buffer; trailer: Buffer },
  limits: PackLimits,
  signal: AbortSignal | undefined,
): Promise<Pack> {
  const count = parsePackHeader(spool);
  if (count > limits.objects) throw new GitError("too-large", `the pack holds more than ${limits.objects} objects`);
  const end = spool.size - trailerSize;
  const ahead = packReader(spool, end, { sequential: true });
  const reader = packReader(spool, end);
  const byId = new Map<string, Entry>();
  const byOffset = new Map<number, Entry>();
  const waitingForId = new Map<string, Waiting[]>();
  const waitingForOffset = new Map<number, Waiting[]>();
  const keeper = keeperOf(limits.kept);
  const bound = Math.min(limits.unpacked, Math.max(smallPack, spool.size * expansion));
  let unpacked = 0;
  let work = 0;

  const charge = (size: number, isStreamed: boolean): void => {
    if (size > limits.object && !isStreamed) throw tooLarge(limits);
    unpacked += size;
    if (unpacked > bound) throw new GitError("too-large", `the pack unpacks to more than ${bound} bytes`);
    work += size + 4096;
  };
  /** Deltas whose base is known. A list, not a recursion: chains are long. */
  const ready: { waiting: Waiting; base: Entry; delta?: Buffer }[] = [];
  const register = (entry: Entry, id: string, at: number): void => {
    byOffset.set(at, entry);
    if (!byId.has(id)) byId.set(id, entry);
    for (const waiting of [...take(waitingForId, id), ...take(waitingForOffset, at)])
      ready.push({ waiting, base: entry });
  };
  const keep = async (entry: Entry, content: Buffer, at: number): Promise<void> => {
    const id = content.length > workUnit ? await objectIdInTurns(entry.type, content) : objectId(entry.type, content);
    keeper.keep(entry, content);
    register(entry, id, at);
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
      if (base.size > limits.object) throw tooLarge(limits);
      const delta = next.delta ?? reader.inflate(stored.dataStart, stored.dataSize).content;
      const size = parseDeltaHeader(delta).resultSize;
      charge(size, false);
      if (base.content === undefined) work += base.size + base.chain * 4096;
      const entry: Entry = { type: base.type, size, ...stored, base, chain, content: undefined };
      await keep(entry, applyDelta(contentOf(reader, base), delta), at);
    }
  };

  let offset = headerSize;
  for (let index = 0; index < count; index++) {
    await pause();
    const window = ahead.window(offset, packedHeaderLimit);
    const header = parsePackedHeader(
      window.bytes,
      offset - window.offset,
      Math.min(window.bytes.length, end - window.offset),
      window.offset,
    );
    const stored = { dataStart: header.dataStart, dataSize: header.size };
    const isStreamed = header.type === "blob" && header.size > streamedSize;
    charge(header.size, isStreamed);
    let next: number;
    if (header.type === "ofs-delta" || header.type === "ref-delta") {
      const inflated = ahead.inflate(header.dataStart, header.size);
      next = inflated.next;
      const base = header.type === "ofs-delta" ? byOffset.get(header.base) : byId.get(header.base);
      const waiting: Waiting = { ...stored, at: offset };
      if (base !== undefined) ready.push({ waiting, base, delta: inflated.content });
      else if (header.type === "ref-delta") wait(waitingForId, header.base, waiting);
      else wait(waitingForOffset, header.base, waiting);
    } else {
      const entry = { type: header.type, size: header.size, ...stored, base: undefined, chain: 0, content: undefined };
      if (isStreamed) {
        const hash = objectHash("blob", header.size);
        const pieces = ahead.pieces(header.dataStart, header.size);
        let piece = await pieces.next();
        for (; piece.done !== true; piece = await pieces.next()) {
          hash.update(piece.value);
          signal?.throwIfAborted();
        }
        next = piece.value;
        register(entry, hash.digest("hex"), offset);
      } else {
        const inflated =
          header.size > workUnit
            ? await ahead.inflateBeside(header.dataStart, header.size)
            : ahead.inflate(header.dataStart, header.size);
        next = inflated.next;
        await keep(entry, inflated.content, offset);
      }
    }
    if (next > end) throw new GitError("corrupt", "the pack ends in the middle of an object");
    if (ready.length > 0) await resolveReady();
    offset = next;
  }
  if (offset !== end) throw new GitError("corrupt", "the pack goes on after its last object");
  if (!sum.equals(trailer)) throw new GitError("corrupt", "the pack's checksum is wrong");
  if (waitingForId.size + waitingForOffset.size > 0) {
    throw new GitError("corrupt", "the pack has a delta on an object that it does not hold");
  }
  return {
    count,
    read: (id) => {
      const entry = byId.get(id);
      if (entry !== undefined && entry.size > limits.object) throw tooLarge(limits);
      return entry && { type: entry.type, content: contentOf(reader, entry) };
    },
    stream: (id) => {
      const entry = byId.get(id);
      return entry && streamOf(reader, entry);
    },
    stat: (id) => {
      const entry = byId.get(id);
      return entry && { type: entry.type, size: entry.size };
    },
    shrink: keeper.forget,
    close: () => {
      keeper.forget();
      byId.clear();
      spool.close();
    },
  };
}

function tooLarge({ object }: PackLimits): GitError {
  return new GitError("too-large", `an object of the pack that is needed in memory is larger than ${object} bytes`);
}

function parsePackHeader(spool: Spool): number {
  const pack = spool.read(0, headerSize);
  if (spool.size < headerSize + trailerSize || pack.toString("latin1", 0, 4) !== "PACK") {
    throw new GitError("corrupt", "the server sent something else than a pack");
  }
  const version = pack.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw new GitError("corrupt", `the pack is of the unknown version ${version}`);
  return pack.readUInt32BE(8);
}

/** As `objectId`, with turns of the event loop between the pieces. */
async function objectIdInTurns(type: ObjectType, content: Uint8Array): Promise<string> {
  const hash = objectHash(type, content.length);
  for (let at = 0; at < content.length; at += workUnit) {
    hash.update(content.subarray(at, at + workUnit));
    await turn();
  }
  return hash.digest("hex");
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
