import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeDataDirectory } from "./data-directory.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-data-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("the data directory", () => {
  it("belongs to one process at a time, until it is given back", async () => {
    const release = await takeDataDirectory(join(directory, "new"));
    await expect(takeDataDirectory(join(directory, "new"))).rejects.toThrow(
      `is in use by process ${process.pid}: stop that one, or give this one a directory of its own by --data DIR`,
    );
    await release();
    await (await takeDataDirectory(join(directory, "new")))();
  });

  it("is taken over from a process that was killed, or that never wrote its name", async () => {
    const child = spawn(process.execPath, ["--eval", ""], { stdio: "ignore" });
    await once(child, "exit");
    await writeFile(join(directory, "lock"), `${child.pid} 12345`);
    await (await takeDataDirectory(directory))();
    await writeFile(join(directory, "lock"), "");
    await (await takeDataDirectory(directory))();
  });

  it("is taken over where the number of the killed process is another one's by now, even this one's", async () => {
    for (const pid of [process.pid, process.ppid]) {
      await writeFile(join(directory, "lock"), `${pid} 1`);
      await (await takeDataDirectory(directory))();
    }
  });
});
