import { createCipheriv, createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyDelta, formatSize } from "./delta.ts";
import { defaultLimits } from "./limits.ts";
import { objectId } from "./object-id.ts";
import { type Pack, type PackLimits, receivePack } from "./pack.ts";
import { formatPackedHeader, parsePackedHeader } from "./packed-object.ts";

/** One object of a pack in the making; deltas name their base by its place in the list, or by an id. */
type Packed = { data: Buffer; size?: number; packed?: Buffer } & (
  | { type: "blob" | "tree" | "commit" | "tag" }
  | { type: "ofs-delta"; on: number }
  | { type: "ref-delta"; base: string }
);

function formatPack(objects: readonly Packed[], count = objects.length): Buffer {
  const head = Buffer.concat([Buffer.from("PACK"), Buffer.alloc(8)]);
  head.writeUInt32BE(2, 4);
  head.writeUInt32BE(count, 8);
  let pack = head;
  const starts: number[] = [];
  for (const object of objects) {
    const size = object.size ?? object.data.length;
    const start = pack.length;
    const header =
      object.type === "ofs-delta"
        ? formatPackedHeader({ type: object.type, size, base: starts[object.on] ?? 0 }, start)
        : object.type === "ref-delta"
          ? formatPackedHeader({ type: object.type, size, base: object.base }, start)
          : formatPackedHeader({ type: object.type, size }, start);
    starts.push(start);
    pack = Buffer.concat([pack, header, object.packed ?? deflateSync(object.data)]);
  }
  return Buffer.concat([pack, createHash("sha1").update(pack).digest()]);
}

/** A delta that keeps the start of its base and adds to it. */
function appending(base: Buffer, kept: number, added: Buffer): Buffer {
  const copy = Buffer.from([0xb0, kept & 0xff, kept >> 8]);
  const insert = added.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.of(added.length), added]);
  return Buffer.concat([
    formatSize(base.length),
    formatSize(kept + added.length),
    ...(kept === 0 ? [] : [copy]),
    insert,
  ]);
}

async function* partsOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 60_000) yield bytes.subarray(at, at + 60_000);
}

const blob = (text: string): Packed => ({ type: "blob", data: Buffer.from(text) });
const parsePack = (bytes: Buffer, limits: PackLimits): Promise<Pack> => receivePack(partsOf(bytes), limits);
const read = (objects: readonly Packed[], limits: Partial<PackLimits> = {}) =>
  parsePack(formatPack(objects), { ...defaultLimits, ...limits });

describe("a pack", () => {
  it("GE-012: headers are read as they are written", () => {
    const header = fc.oneof(
      fc.record({ type: fc.constantFrom("commit", "tree", "blob", "tag"), size: fc.nat(2 ** 40) }),
      fc.record({ type: fc.constant("ref-delta"), size: fc.nat(), base: fc.constant("ab".repeat(20)) }),
      fc.record({ type: fc.constant("ofs-delta"), size: fc.nat(), base: fc.integer({ min: 12, max: 999_999 }) }),
    );
    fc.assert(
      fc.property(header, (written) => {
        const start = 1_000_000;
        const formatted = formatPackedHeader(written as Parameters<typeof formatPackedHeader>[0], start);
        const bytes = Buffer.concat([Buffer.alloc(start), formatted]);
        expect(parsePackedHeader(bytes, start, bytes.length)).toEqual({ ...written, dataStart: bytes.length });
      }),
      { numRuns: 30 },
    );
  });

  it("GE-012: deltas by offset and by id, before and after their base, on other deltas, and duplicates", async () => {
    const base = Buffer.from("the base of it all");
    const first = Buffer.from("the base and more");
    const second = Buffer.from("the base and even more");
    for (const [kept, memory] of [
      [defaultLimits.kept, defaultLimits.memory],
      [0, defaultLimits.memory],
      [0, 0],
    ] as const) {
      const pack = await read(
        [
          { type: "ref-delta", base: objectId("blob", first), data: appending(first, 13, Buffer.from("even more")) },
          { type: "ref-delta", base: objectId("blob", base), data: appending(base, 8, Buffer.from(" and more")) },
          { type: "blob", data: base },
          { type: "ofs-delta", on: 2, data: appending(base, 3, Buffer.alloc(0)) },
          { type: "ofs-delta", on: 0, data: appending(second, 0, Buffer.from("x")) },
          { type: "blob", data: base },
          { type: "tree", data: Buffer.alloc(0) },
        ],
        { kept, memory },
      );
      for (const text of [base, first, second, Buffer.from("the"), Buffer.from("x")]) {
        expect(pack.read(objectId("blob", text))).toEqual({ type: "blob", content: text });
        expect(pack.stat(objectId("blob", text))).toEqual({ type: "blob", size: text.length });
      }
      expect(pack.read(objectId("tree", Buffer.alloc(0)))?.content).toHaveLength(0);
      expect(pack.read("00".repeat(20))).toBeUndefined();
      pack.close();
    }
  });

  it("GE-012: chains of many deltas are read without recursion, up to a bound", async () => {
    const objects: Packed[] = [blob("v0")];
    for (let index = 1; index <= 3000; index++) {
      const before = Buffer.from(index === 1 ? "v0" : `v${index - 1}`);
      objects.push({ type: "ofs-delta", on: index - 1, data: appending(before, 1, Buffer.from(String(index))) });
    }
    const pack = await read(objects, { kept: 100 });
    expect(pack.read(objectId("blob", Buffer.from("v3000")))?.content.toString()).toBe("v3000");
    await expect(read(objects, { deltaChain: 2999, kept: 100 })).rejects.toMatchObject({ code: "too-large" });
  });

  it("GE-011, GE-012: objects of every size, from memory and from a file, whole and in pieces", async () => {
    const random = (size: number, seed: number): Buffer =>
      createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(size));
    const contents = [0, 1, 5_000_000, 200, 17_000_000].map((size, index) => random(size, index));
    // Data in empty blocks is longer than what is made of it: more has to be read than its size says.
    const stuffed = Buffer.concat([
      Buffer.of(0x78, 1),
      ...Array.from({ length: 400 }, () => Buffer.of(0, 0, 0, 255, 255)),
    ]);
    const end = Buffer.concat([Buffer.of(1, 1, 0, 0xfe, 0xff, 0x41), Buffer.of(0, 0x42, 0, 0x42)]);
    const objects: Packed[] = contents.map((data) => ({ type: "blob", data }));
    objects.splice(4, 0, { type: "blob", data: Buffer.from("A"), packed: Buffer.concat([stuffed, end]) });
    const appended = Buffer.concat([contents[4]?.subarray(0, 60_000) ?? Buffer.alloc(0), Buffer.from("!")]);
    objects.push({
      type: "ofs-delta",
      on: 5,
      data: appending(contents[4] ?? Buffer.alloc(0), 60_000, Buffer.from("!")),
    });
    for (const memory of [defaultLimits.memory, 0]) {
      const pack = await read(objects, { memory });
      for (const content of [...contents, Buffer.from("A"), appended]) {
        const id = objectId("blob", content);
        expect(pack.read(id)?.content.equals(content)).toBe(true);
        expect((await buffer(pack.stream(id) ?? Readable.from([]))).equals(content)).toBe(true);
        pack.shrink();
      }
      pack.close();
      expect(pack.stat(objectId("blob", appended))).toBeUndefined();
    }
    const large = objectId("blob", contents[4] ?? Buffer.alloc(0));
    const pack = await read(objects.slice(0, -1), { object: 10_000_000 });
    await expect(read(objects, { object: 10_000_000 })).rejects.toMatchObject({ code: "too-large" });
    expect(() => pack.read(large)).toThrow(/in memory is larger than 10000000 bytes/);
    expect((await buffer(pack.stream(large) ?? Readable.from([]))).length).toBe(17_000_000);
    await expect(read(objects, { unpacked: 20_000_000 })).rejects.toMatchObject({ code: "too-large" });
    await expect(read(objects, { pack: 20_000_000 })).rejects.toThrow(/the pack is larger than 20000000 bytes/);
  });

  it("GE-011: bombs are refused before they are unpacked", async () => {
    const bomb = Buffer.alloc(50_000_000);
    const small = { object: 1_000_000, unpacked: 3_000_000 };
    await expect(read([{ type: "blob", data: bomb }], small)).rejects.toMatchObject({ code: "too-large" });
    await expect(read([{ type: "blob", data: bomb, size: 100 }])).rejects.toThrow(/larger than it says/);
    await expect(read([{ type: "blob", data: Buffer.from("x"), size: 100 }])).rejects.toThrow(/smaller than it says/);
    const many = Array.from({ length: 4 }, (_, index) => blob(String(index).repeat(900_000)));
    await expect(read(many, small)).rejects.toMatchObject({ code: "too-large" });
    const base = Buffer.alloc(60_000, 1);
    const copies = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.of(0xb0, 0x60, 0xea)));
    const delta = Buffer.concat([formatSize(base.length), formatSize(60_000_000), copies]);
    const blown: Packed[] = [
      { type: "blob", data: base },
      { type: "ofs-delta", on: 0, data: delta },
    ];
    await expect(read(blown, small)).rejects.toMatchObject({ code: "too-large" });
    await expect(parsePack(formatPack([blob("x")], 4_000_000_000), defaultLimits)).rejects.toMatchObject({
      code: "too-large",
    });
  });

  it("GE-006: what contradicts itself is refused, and never anything but a GitError", async () => {
    const base = Buffer.from("base");
    const bad: [Packed[], RegExp][] = [
      [[{ type: "ref-delta", base: "ab".repeat(20), data: appending(base, 1, base) }], /does not hold/],
      [[blob("base"), { type: "ofs-delta", on: 0, data: appending(Buffer.from("other"), 1, base) }], /another base/],
      [[blob("base"), { type: "ofs-delta", on: 0, data: Buffer.of(4, 4, 0) }], /reserved/],
      [[blob("base"), { type: "ofs-delta", on: 0, data: Buffer.of(4, 4, 0x91, 3, 9) }], /copies too much/],
      [[blob("base"), { type: "ofs-delta", on: 0, data: Buffer.of(4, 4, 9, 1) }], /inserts too much/],
      [[blob("base"), { type: "ofs-delta", on: 0, data: Buffer.of(4, 4) }], /less than it says/],
      [[blob("base"), { type: "ofs-delta", on: 0, data: Buffer.of(0xff) }], /does not end/],
    ];
    for (const [objects, words] of bad) await expect(read(objects)).rejects.toThrow(words);
    const good = formatPack([blob("base"), { type: "ofs-delta", on: 0, data: appending(base, 2, base) }]);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const broken = Buffer.from(good);
        broken[at] = (broken[at] ?? 0) ^ flip;
        await expect(parsePack(broken, defaultLimits)).rejects.toMatchObject({ name: "GitError" });
        await expect(parsePack(good.subarray(0, at), defaultLimits)).rejects.toMatchObject({ name: "GitError" });
      }),
      { numRuns: 300 },
    );
  });

  it("GE-012: a delta's copies and insertions of every size and place", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 70_000 }), fc.nat(), fc.nat(), (bytes, from, length) => {
        const base = Buffer.from(bytes);
        const offset = from % base.length;
        const size = Math.max(1, length % (base.length - offset + 1));
        if (offset + size > base.length) return;
        const operands = [0, 8, 16, 24].map((shift) => (offset >>> shift) & 0xff);
        const sizes = [0, 8, 16].map((shift) => (size >>> shift) & 0xff);
        const delta = Buffer.concat([
          formatSize(base.length),
          formatSize(size),
          Buffer.from([0xff, ...operands, ...sizes]),
        ]);
        expect(applyDelta(base, delta).equals(base.subarray(offset, offset + size))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
