import { gunzipSync, gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { archiveTree, type TreeEntry } from "./archive-tree.ts";
import { type ArchiveEntry, readArchive } from "./read-tar.ts";
import { ArchiveError } from "./tar-entries.ts";

const limits = { total: 8 * 1024 * 1024, file: 4 * 1024 * 1024, entries: 1000 };
const signal = AbortSignal.timeout(20_000);

type Made = Parameters<ReturnType<typeof pack>["entry"]>[0] & { content?: string | Buffer };

async function tarOf(...entries: Made[]): Promise<Buffer> {
  const tar = pack();
  for (const { content = "", ...header } of entries) tar.entry(header, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  return gzipSync(Buffer.concat(chunks));
}

async function entriesOf(bytes: Uint8Array, bounds = limits): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  for await (const entry of readArchive(bytes, bounds, signal)) entries.push(entry);
  return entries;
}

describe("reading an archive", () => {
  it("ART-020: gives files, directories and links as they are named", async () => {
    const bytes = await tarOf(
      { name: "./", type: "directory" },
      { name: "./a", type: "directory" },
      { name: "a/run.sh", mode: 0o755, content: "#!/bin/sh" },
      { name: "link", type: "symlink", linkname: "/etc/passwd" },
    );
    expect(await entriesOf(bytes)).toEqual([
      { path: "a", type: "directory" },
      { path: "a/run.sh", type: "file", executable: true, content: Buffer.from("#!/bin/sh") },
      { path: "link", type: "link", target: "/etc/passwd" },
    ]);
  });

  it.each(["/etc/passwd", "a/../../b", "..", "C:/windows", "a\\..\\b"])(
    "ART-020: refuses the name %s",
    async (name) => {
      await expect(entriesOf(await tarOf({ name, content: "x" }))).rejects.toMatchObject({ what: "path" });
    },
  );

  it.each(["fifo", "character-device", "block-device"] as const)(
    "ART-020: refuses an entry that is a %s",
    async (type) => {
      await expect(entriesOf(await tarOf({ name: "x", type }))).rejects.toMatchObject({ what: "type" });
    },
  );

  it("is bounded in bytes of a file, of all files, in entries and in headers", async () => {
    const zeros = Buffer.alloc(3 * 1024 * 1024);
    const bomb = await tarOf(...["a", "b", "c"].map((name) => ({ name, content: zeros })));
    expect(bomb.length).toBeLessThan(50_000);
    await expect(entriesOf(bomb)).rejects.toMatchObject({ what: "too-large" });
    await expect(entriesOf(bomb, { ...limits, file: 1000 })).rejects.toThrow(/the file "a" is larger than 1000 bytes/);
    await expect(entriesOf(bomb, { ...limits, entries: 0 })).rejects.toThrow("more than 0 entries");
    const names = await tarOf({ name: "x", pax: { comment: "y".repeat(6 * 1024 * 1024) } });
    await expect(entriesOf(names)).rejects.toThrow("Header exceeds max size");
  });

  it("ART-020: is bounded in directories in one another, in the bytes of a path, and in the directories that names stand for", async () => {
    const deep = await tarOf({ name: `${"a/".repeat(256)}b`, content: "x" });
    await expect(entriesOf(deep)).rejects.toThrow("the archive has more than 256 directories in each other");
    expect(await entriesOf(await tarOf({ name: `${"a/".repeat(255)}b`, content: "x" }))).toHaveLength(1);
    const long = await tarOf({ name: "n".repeat(5_000), content: "x" });
    await expect(entriesOf(long)).rejects.toThrow("the archive has a path longer than 4096 bytes");
    const below = (number: number) => `${number}/${"a/".repeat(200)}b`;
    const many = await tarOf(...Array.from({ length: 600 }, (_, number) => ({ name: below(number), content: "" })));
    await expect(entriesOf(many)).rejects.toThrow("the archive has more than 102000 files and directories");
    const beside = Array.from({ length: 600 }, (_, number) => ({ name: `${"a/".repeat(200)}${number}`, content: "" }));
    expect(await entriesOf(await tarOf(...beside))).toHaveLength(600);
  });

  it("refuses an entry whose size is no number, for which it would wait for ever", async () => {
    const tar = gunzipSync(await tarOf({ name: "a", content: "x" }));
    tar.fill(0x81, 124, 136);
    const sum = tar.subarray(0, 512).reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
    tar.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
    await expect(entriesOf(gzipSync(tar))).rejects.toThrow("is not a number");
  });

  it("tells what is no gzip and no tar, and what ends too early", async () => {
    await expect(entriesOf(Buffer.from("not an archive"))).rejects.toMatchObject({ what: "gzip" });
    await expect(entriesOf(gzipSync(Buffer.alloc(2048, "x")))).rejects.toBeInstanceOf(ArchiveError);
    const whole = await tarOf({ name: "a", content: Buffer.alloc(100_000, "a") });
    await expect(entriesOf(whole.subarray(0, whole.length - 30))).rejects.toBeInstanceOf(ArchiveError);
    await expect(entriesOf(gzipSync(gunzipSync(whole).subarray(0, 4096)))).rejects.toBeInstanceOf(ArchiveError);
  });
});

describe("writing an archive of a tree", () => {
  const file = (path: string, content: string): TreeEntry => ({
    path,
    type: "file",
    content: () => Buffer.from(content),
  });

  it("ART-006, ART-009: the same bytes whatever the order and the reading ahead, and back again", async () => {
    const tree = [
      file("a/b", "1"),
      file("a-b", "2"),
      file("z/y/x", "3"),
      { path: "empty", type: "directory" } as const,
    ];
    const one = await archiveTree(tree, { signal });
    const other = await archiveTree([...tree].reverse(), { signal, ahead: { files: 10, bytes: 1000 } });
    expect(other.digest).toBe(one.digest);
    const names = (await entriesOf(one.spool.whole() ?? Buffer.alloc(0))).map(({ path }) => path);
    // A directory's name is compared alone, as a walk of the file system does: `a` before `a-b`.
    expect(names).toEqual(["a", "a/b", "a-b", "empty", "z", "z/y", "z/y/x"]);
  });

  it("IGN-007: asks of each entry by itself", async () => {
    const isLeftOut = (path: readonly string[]) => path.join("/") === "a";
    const { spool } = await archiveTree([file("a/b", "1")], { signal, isLeftOut });
    expect((await entriesOf(spool.whole() ?? Buffer.alloc(0))).map(({ path }) => path)).toEqual(["a/b"]);
  });

  it("BKT-008: refuses what is a file and a directory, and what leads out", async () => {
    await expect(archiveTree([file("a", "1"), file("a/b", "2")], { signal })).rejects.toThrow(
      "both a file and a directory",
    );
    await expect(archiveTree([file("a/b", "2"), file("a", "1")], { signal })).rejects.toThrow(
      "both a file and a directory",
    );
    await expect(archiveTree([file("../a", "1")], { signal })).rejects.toThrow("not one below the root");
  });

  it("BKT-008: refuses directories in one another beyond measure, and ends with the time while it holds paths against rules", async () => {
    await expect(archiveTree([file(`${"a/".repeat(5000)}b`, "")], { signal })).rejects.toThrow(
      "more than 1024 directories",
    );
    const many = Array.from({ length: 2_000 }, (_, number) => file(String(number), ""));
    const slow = () => {
      const until = performance.now() + 5;
      while (performance.now() < until);
      return false;
    };
    const begun = performance.now();
    await expect(archiveTree(many, { isLeftOut: slow, signal: AbortSignal.timeout(100) })).rejects.toThrow("timeout");
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it("BKT-006: leaves out what is gone when it is asked for, and the directories that hold nothing else", async () => {
    const gone = (path: string): TreeEntry => ({ path, type: "file", content: async () => undefined });
    const tree = [
      ...[gone("a/b/c"), gone("a/d"), file("e/f/g", "1"), gone("e/h/i"), gone("z")],
      ...[gone("kept/x"), { path: "kept/empty", type: "directory" } as const],
    ];
    const { spool } = await archiveTree(tree, { signal, ahead: { files: 3, bytes: 100 } });
    const names = (await entriesOf(spool.whole() ?? Buffer.alloc(0))).map(({ path }) => path);
    expect(names).toEqual(["e", "e/f", "e/f/g", "kept", "kept/empty"]);
  });

  it("what reading throws ends the writing", async () => {
    const bad: TreeEntry = { path: "b", type: "file", content: async () => Promise.reject(new Error("gone")) };
    const ahead = { files: 5, bytes: 100 };
    await expect(archiveTree([file("a", "1"), bad, bad], { signal, ahead })).rejects.toThrow("gone");
  });
});
