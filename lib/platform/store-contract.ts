import { createHash, randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { PlatformUnderTest } from "./contract.ts";
import { RecordConflict } from "./ports.ts";

/** The contract of artifacts and records (ports.ts). */
export function describeStores(platformUnderTest: () => Pick<PlatformUnderTest, "platform">): void {
  describe("artifacts", () => {
    const prefix = `contract/${randomUUID()}`;
    const bytes = (text: string) => new TextEncoder().encode(text);
    const textOf = (content: Uint8Array | undefined) => content && new TextDecoder().decode(content);

    it("what was put is there as a whole, with size and time, and a second put replaces it", async () => {
      const { artifacts } = platformUnderTest().platform;
      const key = `${prefix}/round/a.tar.gz`;
      await artifacts.put(key, bytes("first"));
      await artifacts.put(key, bytes("second one"));
      expect(textOf(await artifacts.get(key))).toBe("second one");
      const found = await artifacts.head(key);
      expect(found).toMatchObject({ key, size: 10 });
      expect(Math.abs((found?.modified.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
      const { sha256 } = (await artifacts.head(key, { checksum: true })) ?? {};
      expect(sha256).toBe(createHash("sha256").update("second one").digest("hex"));
    });

    it("a copy is as what it was made of, which may go, and nothing is made of nothing", async () => {
      const { artifacts } = platformUnderTest().platform;
      const [from, to] = [`${prefix}/copies/sha256:a.tar.gz`, `${prefix}/copies/other/b+1.tgz`];
      await artifacts.put(from, bytes("content"));
      expect(await artifacts.copy(from, to)).toBe(true);
      await artifacts.remove([from]);
      expect(textOf(await artifacts.get(to))).toBe("content");
      expect((await artifacts.head(to, { checksum: true }))?.sha256).toBe(
        createHash("sha256").update("content").digest("hex"),
      );
      expect(await artifacts.copy(from, `${prefix}/copies/none`)).toBe(false);
      expect(await artifacts.head(`${prefix}/copies/none`)).toBeUndefined();
    });

    it("every byte survives, of nothing and of megabytes", async () => {
      const { artifacts } = platformUnderTest().platform;
      const large = new Uint8Array(3 * 1024 * 1024).map((_, index) => (index * 31 + (index >> 8)) & 0xff);
      await artifacts.put(`${prefix}/bytes/large`, large);
      await artifacts.put(`${prefix}/bytes/empty`, new Uint8Array());
      expect(Buffer.compare((await artifacts.get(`${prefix}/bytes/large`)) ?? new Uint8Array(), large)).toBe(0);
      expect((await artifacts.get(`${prefix}/bytes/empty`))?.length).toBe(0);
    });

    it("GE-011, ART-014: what comes in pieces is written whole, or not at all where they end in an error", async () => {
      const { artifacts } = platformUnderTest().platform;
      const piece = Buffer.from(new Uint8Array(3 * 1024 * 1024 + 1).map((_, index) => (index * 31) >> 3));
      const pieces = async function* (count: number, failure?: Error): AsyncGenerator<Buffer> {
        for (let index = 0; index < count; index++) yield piece;
        if (failure !== undefined) throw failure;
      };
      for (const count of [0, 1, 12]) {
        const key = `${prefix}/pieces/${count}`;
        await artifacts.put(key, pieces(count));
        const stored = Buffer.from((await artifacts.get(key)) ?? []);
        expect(stored.equals(Buffer.concat(Array.from({ length: count }, () => piece)))).toBe(true);
      }
      for (const count of [1, 12]) {
        const key = `${prefix}/pieces/broken`;
        await expect(artifacts.put(key, pieces(count, new Error("broken off")))).rejects.toThrow("broken off");
        expect(await artifacts.head(key)).toBeUndefined();
      }
    });

    it("an absent key is undefined, and removing it is not an error", async () => {
      const { artifacts } = platformUnderTest().platform;
      expect(await artifacts.get(`${prefix}/none`)).toBeUndefined();
      expect(await artifacts.head(`${prefix}/none`)).toBeUndefined();
      await artifacts.remove([`${prefix}/none`, `${prefix}/none/either`]);
      await artifacts.remove([]);
      expect(await artifacts.list(`${prefix}/none/`)).toEqual([]);
    });

    it("a list has every key with the prefix, in key order, and ends where names only begin alike", async () => {
      const { artifacts } = platformUnderTest().platform;
      const keys = ["b/2", "a/10", "a/9", "a-b/1", "ab", "c"].map((key) => `${prefix}/list/${key}`);
      await Promise.all(keys.map((key) => artifacts.put(key, bytes(key))));
      const listed = async (part: string) =>
        (await artifacts.list(`${prefix}/list/${part}`)).map(({ key }) => key.slice(prefix.length + 6));
      expect(await listed("")).toEqual(["a-b/1", "a/10", "a/9", "ab", "b/2", "c"]);
      expect(await listed("a/")).toEqual(["a/10", "a/9"]);
      expect(await listed("a")).toEqual(["a-b/1", "a/10", "a/9", "ab"]);
      await artifacts.remove(keys.slice(0, 3));
      expect(await listed("")).toEqual(["a-b/1", "ab", "c"]);
    });

    it("a reader sees all of one writer or all of another", async () => {
      const { artifacts } = platformUnderTest().platform;
      const key = `${prefix}/race`;
      const of = (letter: string) => bytes(letter.repeat(200_000));
      await artifacts.put(key, of("a"));
      const writes = Promise.all(["b", "c", "d"].map((letter) => artifacts.put(key, of(letter))));
      const reads = await Promise.all(Array.from({ length: 8 }, () => artifacts.get(key)));
      await writes;
      for (const read of reads) {
        const text = textOf(read) ?? "";
        expect([text.length, new Set(text).size]).toEqual([200_000, 1]);
      }
    });

    it("a link, where there is one, gives the bytes to anybody", async () => {
      const key = `${prefix}/linked`;
      await platformUnderTest().platform.artifacts.put(key, bytes("for everybody"));
      const link = await platformUnderTest().platform.artifacts.link(key, 60);
      if (link === undefined) return;
      expect(await (await fetch(link)).text()).toBe("for everybody");
    });
  });

  describe("records", () => {
    const key = (name: string) => `contract/${randomUUID()}/${name}`;

    it("a record is read with the version that the next writer must know", async () => {
      const { records } = platformUnderTest().platform;
      const name = key("document");
      expect(await records.get(name)).toBeUndefined();
      const first = await records.put(name, { list: [1, "two", null], nested: { yes: true } }, "absent");
      expect(await records.get(name)).toEqual({
        value: { list: [1, "two", null], nested: { yes: true } },
        version: first,
      });
      const second = await records.put(name, "other", { version: first });
      expect(second).not.toBe(first);
      await expect(records.put(name, "late", { version: first })).rejects.toThrow(RecordConflict);
      await expect(records.put(name, "new", "absent")).rejects.toThrow(RecordConflict);
      await records.put(name, "forced", "any");
      expect((await records.get(name))?.value).toBe("forced");
    });

    it("a version that is gone is a conflict", async () => {
      const { records } = platformUnderTest().platform;
      const name = key("gone");
      const version = await records.put(name, 1, "absent");
      await records.remove(name, { version });
      expect(await records.get(name)).toBeUndefined();
      await expect(records.put(name, 2, { version })).rejects.toThrow(RecordConflict);
    });

    it("a removal minds its expectation, and absence is none", async () => {
      const { records } = platformUnderTest().platform;
      const name = key("removal");
      const first = await records.put(name, 1, "absent");
      const second = await records.put(name, 2, { version: first });
      await expect(records.remove(name, { version: first })).rejects.toThrow(RecordConflict);
      await records.remove(name, { version: second });
      await records.remove(name, { version: second });
      await records.remove(name, "any");
      expect(await records.get(name)).toBeUndefined();
    });

    it("of many that create at once, one does", async () => {
      const { records } = platformUnderTest().platform;
      const name = key("created");
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) => records.put(name, index, "absent")),
      );
      const winners = results.flatMap((result, index) => (result.status === "fulfilled" ? [index] : []));
      expect(winners).toHaveLength(1);
      expect((await records.get(name))?.value).toBe(winners[0]);
    });

    it("no update of many that compare and set at once is lost", async () => {
      const { records } = platformUnderTest().platform;
      const name = key("counter");
      await records.put(name, 0, "absent");
      const increment = async () => {
        for (;;) {
          const record = await records.get(name);
          if (record === undefined) throw new Error("the record vanished");
          try {
            return await records.put(name, Number(record.value) + 1, { version: record.version });
          } catch (error) {
            if (!(error instanceof RecordConflict)) throw error;
          }
        }
      };
      await Promise.all(
        Array.from({ length: 5 }, async () => {
          for (let n = 0; n < 4; n++) await increment();
        }),
      );
      expect((await records.get(name))?.value).toBe(20);
    });
  });
}
