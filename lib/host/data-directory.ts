import { spawnSync } from "node:child_process";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Takes a data directory for this process, and resolves with what gives it back: records and queues of a directory belong to
 * one process at a time. Throws a sentence where another process that is alive has it; what a killed one left is taken over.
 */
export async function takeDataDirectory(directory: string): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, "lock");
  for (;;) {
    try {
      const file = await open(path, "wx", 0o600);
      await file.writeFile(`${process.pid} ${await birthOf(process.pid)}`);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const [, pid, birth] = /^(\d+) (.+)$/s.exec(await readFile(path, "utf8").catch(() => "")) ?? [];
    if (pid !== undefined && (await birthOf(Number(pid))) === birth) {
      throw new Error(
        `${directory} is in use by process ${pid}: stop that one, or give this one a directory of its own by --data DIR`,
      );
    }
    await rm(path, { force: true });
  }
}

/**
 * When a process began, as the system tells it: the number alone may by now be another process's, and in a container that starts
 * again it is always the same. "gone" where there is no such process, "alive" where the system does not tell.
 */
async function birthOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // proc(5): the 22nd field, counted from behind the name, which may hold anything.
  const ticks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  if (ticks !== undefined) return ticks;
  if (!isAlive(pid)) return "gone";
  const { stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
  return stdout?.trim() || "alive";
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
