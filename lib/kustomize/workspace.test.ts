import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inWorkspace, sweepLeftovers } from "./workspace.ts";

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "sluice-test-"));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

const content = {
  files: new Map<string, Uint8Array | string>([
    ["a/b/c.yaml", Buffer.from("x")],
    ["d.yaml", "y"],
  ]),
  directories: new Set(["", "empty/dir"]),
};

describe("the private directory of a build", () => {
  it("SN-03: is this user's alone, holds the files, and is gone afterwards", async () => {
    const seen = await inWorkspace(content, scratch, async (root) => {
      expect((await stat(root)).mode & 0o777).toBe(0o700);
      expect((await stat(join(root, "a"))).mode & 0o077).toBe(0);
      expect((await stat(join(root, "d.yaml"))).mode & 0o777).toBe(0o600);
      expect((await stat(join(root, "empty/dir"))).isDirectory()).toBe(true);
      return [await readFile(join(root, "a/b/c.yaml"), "utf8"), await readFile(join(root, "d.yaml"), "utf8")];
    });
    expect(seen).toEqual(["x", "y"]);
    expect(await readdir(scratch)).toEqual([]);
  });

  it("is gone when the work fails", async () => {
    const failing = inWorkspace(content, scratch, () => Promise.reject(new Error("no")));
    await expect(failing).rejects.toThrow("no");
    expect(await readdir(scratch)).toEqual([]);
  });

  it("is gone when it cannot be filled", async () => {
    const bad = {
      files: new Map([
        ["a", "x"],
        ["a/b", "y"],
      ]),
      directories: new Set<string>(),
    };
    await expect(inWorkspace(bad, scratch, async () => undefined)).rejects.toThrow();
    expect(await readdir(scratch)).toEqual([]);
  });

  it("SN-03: what a pass that died has left is removed before the next one starts", async () => {
    const dead = join(scratch, "sluice-build-4194303-1700000000000-abcdef");
    const formerSelf = join(scratch, `sluice-build-${process.pid}-1700000000000-abcdef`);
    const alive = join(scratch, `sluice-build-${process.ppid}-1700000000000-abcdef`);
    const other = join(scratch, "something-else");
    for (const directory of [dead, formerSelf, alive, other]) {
      await mkdir(directory);
      await writeFile(join(directory, "secret.yaml"), "clear text");
    }
    await inWorkspace(content, scratch, async () => {
      const left = (await readdir(scratch)).filter((name) => name.includes("1700000000000"));
      expect(left).toEqual([`sluice-build-${process.ppid}-1700000000000-abcdef`]);
    });
    await utimes(alive, 1_700_000_000, 1_700_000_000);
    await sweepLeftovers(scratch);
    expect(await readdir(scratch)).toEqual(["something-else"]);
  });
});
