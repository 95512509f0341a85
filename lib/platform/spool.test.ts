import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSpool } from "./spool.ts";

let directory: string;
const usual = process.env.TMPDIR;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-spool-test-"));
  process.env.TMPDIR = directory;
});

afterEach(async () => {
  if (usual === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = usual;
  await rm(directory, { recursive: true, force: true });
});

describe("a spool", () => {
  it("SN-007: what is written is read, from memory and from a file that has no name", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }),
        fc.nat(2000),
        fc.nat(4000),
        fc.nat(4000),
        async (pieces, memory, from, length) => {
          const spool = openSpool({ memory });
          for (const piece of pieces) spool.write(Buffer.from(piece));
          const all = Buffer.concat(pieces);
          expect(spool.size).toBe(all.length);
          expect(await buffer(spool.stream())).toEqual(all);
          expect(spool.read(from, from + length)).toEqual(all.subarray(from, from + length));
          expect(spool.whole()).toEqual(all.length > memory ? undefined : all);
          expect(await readdir(directory)).toEqual([]);
          spool.close();
          spool.close();
          expect(() => spool.read(0, 1)).toThrow(/gone/);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("GE-011: all spools together keep no more than so much in memory, and free it", () => {
    const piece = Buffer.alloc(40 * 1024 * 1024);
    const spools = Array.from({ length: 3 }, () => openSpool());
    for (const spool of spools) spool.write(piece);
    expect(spools.map((spool) => spool.whole() !== undefined)).toEqual([true, true, false]);
    for (const spool of spools) spool.close();
    const another = openSpool();
    another.write(piece);
    expect(another.whole()).toBeDefined();
    another.close();
  });
});
