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
});
