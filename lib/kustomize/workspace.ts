import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { performance } from "node:perf_hooks";

const prefix = "sluice-build";
/** A process is known by its id and its start: a Lambda environment that died comes back with the same ids. */
const self = `${process.pid}-${Math.round(performance.timeOrigin)}`;
/** No build takes that long: what is older belongs to nobody, whoever has that process id now. */
const forgotten = 60 * 60 * 1000;

const swept = new Map<string, Promise<void>>();

/** Files by path, and directories that must be there though they may be empty. */
export type Content = { files: ReadonlyMap<string, Uint8Array | string>; directories: ReadonlySet<string> };

/**
 * Writes the files of a build into a private directory below `scratch` (default: the system's temporary directory), runs `work`
 * there, and removes it in every outcome. What passes that died have left is removed before the first use in this process (SN-03).
 */
export async function inWorkspace<T>(
  content: Content,
  scratch: string | undefined,
  work: (root: string) => Promise<T>,
): Promise<T> {
  const parent = scratch ?? tmpdir();
  await sweepOnce(parent);
  // mkdtemp makes it readable by this user alone.
  const root = await mkdtemp(join(parent, `${prefix}-${self}-`));
  try {
    writeContent(content, root);
    return await work(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Sweeps before the first build of this process, whether or not that one needs a directory: what it removes may be another tenant's. */
export function sweepOnce(parent: string = tmpdir()): Promise<void> {
  const sweep = swept.get(parent) ?? sweepLeftovers(parent);
  swept.set(parent, sweep);
  return sweep;
}

/** Removes the directories of builds whose process is gone. Exported for the tests, which cannot die halfway. */
export async function sweepLeftovers(parent: string): Promise<void> {
  const names = (await readdir(parent)).filter((name) => name.startsWith(`${prefix}-`));
  for (const name of names) {
    const path = join(parent, name);
    if (await isLeftover(name, path)) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isLeftover(name: string, path: string): Promise<boolean> {
  const [, pid, start] = /^sluice-build-(\d+)-(\d+)-/.exec(name) ?? [];
  if (pid === undefined) return false;
  if (Number(pid) === process.pid) return `${pid}-${start}` !== self;
  const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
  return age > forgotten || !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/** Without a thread for each file: a build has few and small ones, and handing them over costs more than writing them. */
function writeContent(content: Content, root: string): void {
  const directories = new Set(content.directories);
  for (const path of content.files.keys()) directories.add(posix.dirname(path));
  for (const directory of directories) mkdirSync(join(root, directory), { recursive: true, mode: 0o700 });
  for (const [path, text] of content.files) writeFileSync(join(root, path), text, { mode: 0o600, flag: "wx" });
}
