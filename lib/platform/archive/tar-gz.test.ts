import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gzipWriter } from "./tar-gz.ts";

async function compressed(parts: readonly Buffer[]): Promise<{ bytes: Buffer; digest: string }> {
  const writer = gzipWriter();
  for (const part of parts) await writer.write(part);
  return writer.end();
}

describe("the gzip file of an artifact", () => {
  it("ART-009: holds what was written, and is the same however it was cut", async () => {
    const content = Buffer.from(Array.from({ length: 10_000_000 }, (_, index) => (index * index) >> 7));
    const whole = await compressed([content]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: content.length }), { maxLength: 6 }), async (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), content.length];
        const parts = ends.map((end, index) => content.subarray(ends[index - 1] ?? 0, end));
        expect((await compressed(parts)).digest).toBe(whole.digest);
      }),
      { numRuns: 5 },
    );
    expect(gunzipSync(whole.bytes).equals(content)).toBe(true);
    expect(whole.digest).toBe(`sha256:${createHash("sha256").update(whole.bytes).digest("hex")}`);
  });

  it("ART-009: names neither a time nor a system", async () => {
    const { bytes } = await compressed([Buffer.from("x")]);
    expect(bytes.subarray(0, 10)).toEqual(Buffer.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, bytes[8] ?? 0, 255));
    expect(gunzipSync((await compressed([])).bytes)).toHaveLength(0);
  });

  it("SN-014: has the digest that it had before, whatever runs it", async () => {
    const text = Array.from({ length: 5000 }, (_, index) => `key-${index}: ${(index * 7919) % 1009}\n`).join("");
    const { digest, bytes } = await compressed([Buffer.from(text)]);
    expect([bytes.length, digest]).toEqual([
      21_915,
      "sha256:585489ef5185d0c0aebf0b7be1caf821a239e5e7d64d666c763197c77dde9a7f",
    ]);
  });
});
