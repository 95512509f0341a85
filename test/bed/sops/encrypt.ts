import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { SopsPrograms } from "./sops.ts";

const run = promisify(execFile);

/** A pair of age keys: the identity decrypts what was encrypted for the recipient. */
export type AgePair = { identity: string; recipient: string };

/** Makes a pair of age keys with age-keygen. `-pq` in `args` makes a post-quantum one. */
export async function agePair({ ageKeygen }: SopsPrograms, args: readonly string[] = []): Promise<AgePair> {
  const { stdout } = await run(ageKeygen, [...args], { env: {} });
  const [, recipient = ""] = /# public key: (\S+)/.exec(stdout) ?? [];
  return { identity: stdout, recipient };
}

/** Encrypts a file's text with the sops command line. Its format follows the name; `args` say for whom, and what of it. */
export async function sopsEncrypt(
  { sops }: SopsPrograms,
  fileName: string,
  text: string,
  args: readonly string[],
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-sops-"));
  try {
    const path = join(directory, "plain");
    await writeFile(path, text);
    const all = ["encrypt", ...args, "--filename-override", fileName, path];
    const { stdout } = await run(sops, all, { env: { HOME: directory }, cwd: directory, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
