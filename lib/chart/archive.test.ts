import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { chartLimits, readChartArchive } from "./archive.ts";

describe("readChartArchive", () => {
  it("HC-015: refuses a size that is no number, a cut archive and a signal that has ended, and never waits for ever", async () => {
    const tar = await tarOf("app/values.yaml", "a: 1\n");
    const [file] = await readChartArchive(gzipSync(tar), chartLimits);
    expect([file?.name, file?.content.toString()]).toEqual(["values.yaml", "a: 1\n"]);

    const broken = Buffer.from(tar);
    broken[124] = 0xb8;
    broken.fill(" ", 148, 156);
    const sum = broken.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    broken.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    await expect(readChartArchive(gzipSync(broken), chartLimits)).rejects.toThrow("invalid tar header");
    await expect(readChartArchive(gzipSync(tar).subarray(0, 40), chartLimits)).rejects.toThrow("gzip: unexpected end");
    await expect(readChartArchive(gzipSync(tar.subarray(0, 515)), chartLimits)).rejects.toThrow(
      "Unexpected end of data",
    );
    const ended = AbortSignal.abort(new Error("too late"));
    await expect(readChartArchive(gzipSync(tar), chartLimits, ended)).rejects.toThrow("too late");
  });
});

async function tarOf(name: string, content: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name }, content);
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) if (Buffer.isBuffer(part)) parts.push(part);
  return Buffer.concat(parts);
}
