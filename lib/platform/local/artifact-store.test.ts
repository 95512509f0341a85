import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLocalArtifactStore } from "./artifact-store.ts";
import { createLocalRecordStore } from "./record-store.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-store-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const outside = [
  "../x",
  "a/../../x",
  "/etc/passwd",
  "a//b",
  "",
  "a/",
  ".",
  "a\\b",
  "a\0b",
  "a\nb",
  `a/${"n".repeat(300)}`,
];

describe("the local stores", () => {
  it.each(outside)("refuse a key that could name anything else: %j", async (key) => {
    const artifacts = createLocalArtifactStore(directory);
    const records = createLocalRecordStore(directory);
    await expect(artifacts.put(key, Buffer.of(1))).rejects.toThrow("cannot be stored");
    await expect(artifacts.get(key).then((found) => found ?? "absent")).rejects.toThrow("cannot be stored");
    await expect(artifacts.remove([key])).rejects.toThrow("cannot be stored");
    await expect(records.get(key)).rejects.toThrow("cannot be stored");
    await expect(records.put(key, 1, "any")).rejects.toThrow("cannot be stored");
    expect((await readdir(directory)).filter((name) => name !== "records.journal")).toEqual([]);
    records.close();
  });

  it("leave nothing unfinished behind", async () => {
    const artifacts = createLocalArtifactStore(directory);
    await Promise.all(Array.from({ length: 10 }, (_, index) => artifacts.put(`a/${index % 3}`, Buffer.alloc(1000))));
    expect(await readdir(join(directory, "unfinished"))).toEqual([]);
  });

  it("ART-014: fifty readers see all of what one writer wrote, or all of what another did", async () => {
    const artifacts = createLocalArtifactStore(directory);
    const contents = Array.from({ length: 8 }, (_, index) => Buffer.alloc(100_000 + index, index));
    const digests = new Set(contents.map(digest));
    await artifacts.put("a/b", contents[0] ?? Buffer.alloc(0));
    let isWriting = true;
    const reader = async () => {
      let seen = 0;
      for (; isWriting; seen++) expect(digests).toContain(digest((await artifacts.get("a/b")) ?? Buffer.alloc(0)));
      return seen;
    };
    const readers = Array.from({ length: 50 }, reader);
    for (let round = 0; round < 5; round++) for (const content of contents) await artifacts.put("a/b", content);
    isWriting = false;
    const seen = await Promise.all(readers);
    expect(Math.min(...seen)).toBeGreaterThan(0);
  });
});

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
