import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { alone, cacheDirectory } from "../../../lib/host/cache.ts";

const run = promisify(execFile);
const requirements = join(import.meta.dirname, "requirements.txt");

/**
 * The Python that has LocalStack and everything it needs, at the versions of requirements.txt. It is installed from PyPI into the
 * cache where this machine has not done so yet: 250 MB, about 40 s. `log` tells of that. The environment appears there whole or
 * not at all. Throws with a sentence where Python is missing or too old, or the installation fails.
 */
export async function pythonWithLocalStack(log: (line: string) => void): Promise<string> {
  const version = await pythonVersion();
  const directory = cacheDirectory("localstack", await readFile(requirements), version);
  const environment = join(directory, "venv");
  const python = join(environment, "bin", "python");
  if (existsSync(python)) return python;
  await alone(
    directory,
    () => log("another process is installing LocalStack: waiting for it"),
    async () => {
      if (!existsSync(python)) await install(directory, environment, log);
    },
  );
  return python;
}

/** 3.10 is the oldest that LocalStack runs on. */
async function pythonVersion(): Promise<string> {
  const needed = "LocalStack needs Python 3.10 or newer as `python3`: get it from https://www.python.org/downloads.";
  const { stdout } = await run("python3", ["--version"]).catch(() => {
    throw new Error(`Python is missing. ${needed}`);
  });
  const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(stdout) ?? []).map(Number);
  if (major !== 3 || minor < 10) throw new Error(`${stdout.trim()} is too old. ${needed}`);
  return `${major}.${minor}`;
}

async function install(directory: string, environment: string, log: (line: string) => void): Promise<void> {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const temporary = await mkdtemp(join(directory, "build-"));
  const progress = setInterval(() => log(`installing LocalStack: ${seconds()} s so far`), 10_000);
  log("installing LocalStack from PyPI; this is done once on this machine and takes about 40 s");
  try {
    await step("python3", ["-m", "venv", temporary]);
    const python = join(temporary, "bin", "python");
    // requirements.txt is a lock: what LocalStack asks for in general does not start with the newest of everything.
    const options = ["--no-deps", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--quiet"];
    await step(python, ["-m", "pip", "install", ...options, "--requirement", requirements]);
    await rename(temporary, environment);
    log(`installed LocalStack in ${seconds()} s`);
  } finally {
    clearInterval(progress);
    await rm(temporary, { recursive: true, force: true });
  }
}

async function step(command: string, args: string[]): Promise<void> {
  try {
    await run(command, args, { maxBuffer: 16 * 1024 * 1024 });
  } catch (error) {
    const output =
      error instanceof Error && "stderr" in error && "stdout" in error ? [error.stdout, error.stderr] : [error];
    throw new Error(`installing LocalStack failed at \`${args.slice(0, 3).join(" ")}\`:\n${output.join("\n").trim()}`);
  }
}
