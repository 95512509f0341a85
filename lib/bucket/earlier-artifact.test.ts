import { expect, it } from "vitest";
import { archiveTree, type TreeEntry } from "../platform/archive/archive-tree.ts";
import { earlierFiles } from "./earlier-artifact.ts";

const signal = AbortSignal.timeout(20_000);

async function archiveOf(files: Record<string, string>): Promise<Buffer> {
  const entries = Object.entries(files).map(
    ([path, text]): TreeEntry => ({ path, type: "file", content: () => Buffer.from(text) }),
  );
  const { spool } = await archiveTree(entries, { signal });
  const bytes = Buffer.from(spool.read(0, spool.size));
  spool.close();
  return bytes;
}

const files = { "a/b": "1", "a/c/d": "2", "a-b": "3", é: "4", z: "5" };

it("SB-009: gives files in the order of archives, however many are asked for at once", async () => {
  const earlier = earlierFiles(await archiveOf(files), signal);
  const taken = ["a/0", "a/b", "a/c/d", "a-b", "b", "z", "z/x"].map((path) => earlier.take(path));
  expect((await Promise.all(taken)).map((bytes) => bytes?.toString())).toEqual([
    ...[undefined, "1", "2", "3", undefined, "5", undefined],
  ]);
  await earlier.close();
});

it("SB-009: an archive that is broken gives what comes before the break, and a directory is no file", async () => {
  const whole = await archiveOf(files);
  for (const bytes of [Buffer.alloc(0), Buffer.from("no archive"), whole.subarray(0, 20)]) {
    const earlier = earlierFiles(bytes, signal);
    expect(await earlier.take("a/b")).toBeUndefined();
    expect(await earlier.take("z")).toBeUndefined();
    await earlier.close();
  }
  const earlier = earlierFiles(whole, signal);
  expect(await earlier.take("a")).toBeUndefined();
  expect((await earlier.take("a/b"))?.toString()).toBe("1");
  await earlier.close();
});
