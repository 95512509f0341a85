import { buffer } from "node:stream/consumers";
import { type Header, pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { tarEntries } from "./tar-entries.ts";

async function tar(...entries: [Partial<Header> & { name: string }, string][]): Promise<Buffer> {
  const archive = pack();
  const all = buffer(archive);
  for (const [header, content] of entries) archive.entry(header, content);
  archive.finalize();
  return all;
}

/** Writes into a header and makes its checksum right again. */
function patched(archive: Buffer, at: number, bytes: string | Buffer): Buffer {
  const copy = Buffer.from(archive);
  Buffer.from(bytes).copy(copy, at);
  copy.write("        ", 148);
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return copy;
}

const read = (archive: Uint8Array) =>
  [...tarEntries(archive)].map(({ name, type, mode, content }) => [name, type, mode, Buffer.from(content).toString()]);

describe("a tar archive", () => {
  it("gives names, types, modes and contents", async () => {
    const archive = await tar(
      [{ name: "a.yaml", mode: 0o644 }, "one"],
      [{ name: "d/", type: "directory", mode: 0o755 }, ""],
      [{ name: "l", type: "symlink", linkname: "/etc/passwd", mode: 0o777 }, ""],
      [{ name: "b", mode: 0o755 }, "x".repeat(1024)],
    );
    expect(read(archive)).toEqual([
      ["a.yaml", "0", 0o644, "one"],
      ["d/", "5", 0o755, ""],
      ["l", "2", 0o777, ""],
      ["b", "0", 0o755, "x".repeat(1024)],
    ]);
  });

  it("has long names, in each of three ways", async () => {
    const split = `${"a".repeat(90)}/${"b".repeat(90)}`;
    const extended = `${"ü".repeat(80)}/${"c".repeat(120)}.yaml`;
    const gnu = "g/".repeat(150);
    const link = patched(await tar([{ name: "././@LongLink" }, `${gnu}\0`]), 156, "L").subarray(0, 1024);
    const archive = Buffer.concat([
      link,
      await tar([{ name: "short" }, "1"], [{ name: split }, "2"], [{ name: extended }, "3"]),
    ]);
    expect(read(archive).map(([name, , , content]) => [name, content])).toEqual([
      [gnu, "1"],
      [split, "2"],
      [extended, "3"],
    ]);
  });

  it("has sizes in base 256 and in an extended header", async () => {
    const archive = await tar([{ name: "a" }, "abc"]);
    expect(read(patched(archive, 124, Buffer.from("800000000000000000000003", "hex")))[0]?.[3]).toBe("abc");
    const extended = await tar([{ name: "a", pax: { size: "2" } }, "abc"]);
    expect(read(extended)[0]?.[3]).toBe("ab");
  });

  it.each([
    ["a checksum", (archive: Buffer) => Buffer.concat([Buffer.from("z"), archive.subarray(1)]), /checksum/],
    ["the end of a file", (archive: Buffer) => archive.subarray(0, 514), /ends within a file/],
    ["the end of a header", (archive: Buffer) => archive.subarray(0, 100), /ends within a header/],
    ["an octal number", (archive: Buffer) => patched(archive, 124, "9z"), /not octal/],
    ["a negative size", (archive: Buffer) => patched(archive, 124, Buffer.alloc(12, 255)), /too large/],
    ["an endless extended header", (archive: Buffer) => patched(archive, 156, "x"), /extended header is broken/],
  ])("is refused without %s", async (_, change, message) => {
    expect(() => read(change(Buffer.from(archive)))).toThrow(message);
  });
});

const archive = await tar([{ name: "a" }, "abc"]);
