import { readFile } from "node:fs/promises";

/** Clock ticks a second, which Linux fixes for what it tells of processes. */
const ticks = 100;

/** CPU seconds, user and system, that a process and the children it has waited for have used (proc(5), fields 14 to 17). */
export async function processorSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0) / ticks;
}
