import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { formatTarHeader, tarEnd, tarPadding } from "../platform/archive/tar.ts";
import { defaultLimits } from "./limits.ts";
import { openArchive } from "./unpacked-archive.ts";

describe("an archive that becomes part of a tree", () => {
  it("ART-020: is refused where the size of an entry is no number, for which it would be waited for ever", async () => {
    const header = formatTarHeader({ name: Buffer.from("a"), type: "file", size: 1 });
    header.fill(0x81, 124, 136);
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
    const bytes = gzipSync(Buffer.concat([header, Buffer.from("x"), tarPadding(1), tarEnd]));
    const unpacking = openArchive(bytes, defaultLimits, { files: 0, content: 0 }, AbortSignal.timeout(3_000));
    await expect(unpacking).rejects.toThrow(/the archive cannot be read: the size of the entry "a" is not a number/);
  });
});
