import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { open } from "node:fs/promises";

/** A server that runs as a child process of this one. */
export type ServerProcess = {
  name: string;
  pid: number;
  /** Resolves with a sentence when the process has ended, whoever ended it. */
  ended: Promise<string>;
  running(): boolean;
  /** Ends the process at once and resolves when it is gone. Nothing that it holds is worth a slow farewell. */
  stop(): Promise<void>;
  /** The last lines of what it has written. */
  logTail(): Promise<string>;
};

/** `log` is the file that gets standard output and error; `scratch` is removed when the process must be ended because this one is gone. */
export type ServerCommand = {
  name: string;
  command: string;
  args: string[];
  log: string;
  cwd?: string;
  env?: Record<string, string>;
  scratch?: string;
};

/**
 * Starts a server that never outlives this process, however this process ends. The child is in a process group of its own,
 * so that Ctrl-C reaches only this process, which then stops its children in order; a watchdog waits for the end of a pipe
 * that this process holds, and kills the child then.
 */
export function startServer(command: ServerCommand): Promise<ServerProcess> {
  const output = openSync(command.log, "w", 0o600);
  const child = spawn(command.command, command.args, {
    detached: true,
    stdio: ["ignore", output, output],
    cwd: command.cwd,
    env: command.env ?? inheritedEnvironment(),
  });
  closeSync(output);
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Error(`${command.name} does not start: ${error.message}`)));
    child.once("spawn", () => {
      const pid = child.pid;
      if (pid === undefined) return reject(new Error(`${command.name} does not start`));
      const unwatch = watch(pid, command.scratch);
      const ended = new Promise<string>((resolveEnded) => {
        child.once("exit", (code, signal) => {
          unwatch();
          resolveEnded(`${command.name} ended with ${signal ?? `code ${code}`}`);
        });
      });
      resolve({
        name: command.name,
        pid,
        ended,
        running: () => child.exitCode === null && child.signalCode === null,
        stop: async () => {
          killGroup(pid);
          await ended;
        },
        logTail: () => tail(command.log),
      });
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** What a server needs of the environment, without proxies and credentials that are not meant for it. */
function inheritedEnvironment(): Record<string, string> {
  return { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/" };
}

function watch(pid: number, scratch: string | undefined): () => void {
  const script = 'read -r _; kill -s KILL -- "-$1"; if [ -n "$2" ]; then rm -rf -- "$2"; fi';
  const watchdog = spawn("/bin/sh", ["-c", script, "sh", String(pid), scratch ?? ""], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watchdog.on("error", () => undefined);
  watchdog.unref();
  return () => watchdog.kill("SIGKILL");
}

async function tail(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const length = Math.min(size, 8_192);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString("utf8").trim().split("\n").slice(-20).join("\n");
  } finally {
    await file.close();
  }
}
