import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { openSpool } from "../../platform/spool.ts";
import { emptyTree, walkTree } from "./tree.ts";
import { packedLimits, sourceLimits, unpackInto } from "./unpack.ts";

async function archiveOf(...entries: [header: Partial<Header> & { name: string }, text?: string][]): Promise<Buffer> {
  const archive = pack();
  for (const [header, text] of entries) archive.entry(header, text ?? "");
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) if (part instanceof Uint8Array) parts.push(Buffer.from(part));
  return gzipSync(Buffer.concat(parts));
}

async function unpacked(archive: Buffer, links: "skip" | "refuse", limits = sourceLimits): Promise<string[]> {
  const tree = emptyTree();
  const contents = openSpool();
  try {
    await unpackInto(tree, archive, contents, { limits, links, signal: AbortSignal.timeout(10_000) });
    return [...walkTree(tree)].map(([path]) => path);
  } finally {
    contents.close();
  }
}

describe("a source's archive", () => {
  it("AG-029: gives no links, which copies could follow out of it", async () => {
    const linked = await archiveOf([{ name: "a" }, "1"], [{ name: "out", type: "symlink", linkname: "/etc" }]);
    expect(await unpacked(linked, "skip")).toEqual(["a"]);
    const below = await archiveOf([{ name: "d", type: "symlink", linkname: "/etc" }], [{ name: "d/passwd" }, "own"]);
    expect(await unpacked(below, "skip")).toEqual(["d", "d/passwd"]);
    const hard = await archiveOf([{ name: "h", type: "link", linkname: "../x" }]);
    expect(await unpacked(hard, "skip")).toEqual([]);
    await expect(unpacked(linked, "refuse")).rejects.toThrow(
      "tar file entry out is a symlink, which is not allowed in this context",
    );
  });

  it.each(["../x", "a/../../x", "/x", "C:/x", "a\\..\\x"])("AG-029: is refused for the name %s", async (name) => {
    await expect(unpacked(await archiveOf([{ name }, "1"]), "skip")).rejects.toThrow(/leads out|is not relative/);
  });

  it("AG-029: is refused where a file is in the way of a directory", async () => {
    const both = await archiveOf([{ name: "a" }, "1"], [{ name: "a/b" }, "2"]);
    await expect(unpacked(both, "skip")).rejects.toThrow("not a directory");
  });

  it("AG-013: is unpacked up to its limits, however small it is packed", async () => {
    const limits = { ...packedLimits, total: 1000, file: 1000 };
    const large = await archiveOf([{ name: "a" }, "x".repeat(600)], [{ name: "b" }, "x".repeat(600)]);
    await expect(unpacked(large, "refuse", limits)).rejects.toThrow("the archive holds more than 1000 bytes");
    expect(packedLimits.total).toBe(104_857_600);
  });
});
