import { createHash } from "node:crypto";
import { deflateSync, inflateSync } from "node:zlib";
import { objectId } from "../../lib/git/object-id.ts";
import { formatPackedHeader, type PackedHeader, parsePackedHeader } from "../../lib/git/packed-object.ts";
import { mutate } from "./mutate.ts";
import type { Random } from "./random.ts";

/** One object of a pack in the making. The base of a delta by offset is told by its distance. */
type Part = { header: PackedHeader; at: number; data: Buffer; packed: Buffer };

const taken = new WeakMap<Buffer, Part[]>();
const deltaWords = ["\x00", "\x80", "\x90\x10", "\xb0\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x7f"];
const sizes = [0, 1, 15, 16, 127, 128, 1024 * 1024, 1024 * 1024 + 1, 2 ** 31, 2 ** 40];

/**
 * An input for the reader of packs. Mostly its parts are changed and put together again, deflated and summed, so that what is
 * read behind the checksum and behind zlib sees them; else bytes are, with the sum mended or not.
 */
export function mutatePack(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  const how = random.below(8);
  if (how === 0) return mutate(corpus, words, random);
  if (how === 1) return summed(mutate(corpus, words, random).subarray(0, -20));
  const parts = partsOf(random.pick(corpus)).map((part) => ({ ...part }));
  if (parts.length === 0) return mutate(corpus, words, random);
  for (let rounds = 1 + random.below(3); rounds > 0; rounds--) change(parts, partsOf(random.pick(corpus)), random);
  return assembled(parts, random.below(16) === 0 ? random.below(300) : parts.length);
}

/** Ids of the objects that a pack holds whole. */
export function idsIn(pack: Buffer): string[] {
  return partsOf(pack).flatMap(({ header: { type }, data }) =>
    type === "ofs-delta" || type === "ref-delta" ? [] : [objectId(type, data)],
  );
}

function change(parts: Part[], others: readonly Part[], random: Random): void {
  const index = random.below(parts.length);
  const part = parts[index];
  if (part === undefined) return;
  const { header } = part;
  switch (random.below(9)) {
    case 0:
    case 1:
    case 2: {
      // The delta's or the object's own bytes, and the size told as it is.
      part.data = mutate([part.data], deltaWords, random);
      part.packed = deflateSync(part.data, { level: 1 });
      part.header = { ...header, size: part.data.length };
      return;
    }
    case 3:
      part.header = { ...header, size: random.below(2) === 0 ? random.pick(sizes) : header.size + random.below(5) - 2 };
      return;
    case 4: {
      const type = random.pick(["commit", "tree", "blob", "tag"] as const);
      part.header = { type, size: header.size, dataStart: 0 };
      return;
    }
    case 5: {
      const base = random.pick(parts);
      const distance = random.pick([part.at - base.at, random.below(part.at + 50), 1]);
      part.header = { type: "ofs-delta", base: part.at - distance, size: header.size, dataStart: 0 };
      return;
    }
    case 6: {
      const base = objectId("blob", random.pick(parts).data);
      part.header = { type: "ref-delta", base, size: header.size, dataStart: 0 };
      return;
    }
    case 7: {
      const other = others.length === 0 ? part : random.pick(others);
      parts.splice(random.below(parts.length + 1), random.below(2), { ...other });
      if (parts.length === 0) parts.push(part);
      return;
    }
    default:
      part.packed = mutate([part.packed], [], random);
  }
}

function assembled(parts: readonly Part[], count: number): Buffer {
  const head = Buffer.from("PACK\0\0\0\x02\0\0\0\0", "latin1");
  head.writeUInt32BE(count, 8);
  const pieces: Buffer[] = [head];
  let at = head.length;
  for (const { header, at: before, packed } of parts) {
    // A base keeps its distance.
    const moved = header.type === "ofs-delta" ? { ...header, base: at - (before - header.base) } : header;
    const wrong = moved.type === "ofs-delta" && (moved.base >= at || moved.base < 0);
    const written = formatPackedHeader(wrong ? { type: "blob", size: header.size } : moved, at);
    pieces.push(written, packed);
    at += written.length + packed.length;
  }
  return summed(Buffer.concat(pieces));
}

function summed(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, createHash("sha1").update(bytes).digest()]);
}

/** The parts of a pack as far as it can be read. */
function partsOf(pack: Buffer): Part[] {
  const known = taken.get(pack);
  if (known !== undefined) return known;
  const parts: Part[] = [];
  const end = pack.length - 20;
  try {
    for (let at = 12; at < end; ) {
      const header = parsePackedHeader(pack, at, end);
      const result: unknown = inflateSync(pack.subarray(header.dataStart, end), { info: true });
      const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
      const next = header.dataStart + engine.bytesWritten;
      parts.push({ header, at, data: buffer, packed: pack.subarray(header.dataStart, next) });
      at = next;
    }
  } catch {
    // What comes after is not looked at.
  }
  taken.set(pack, parts);
  return parts;
}
