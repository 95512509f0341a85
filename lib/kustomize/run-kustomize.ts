import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { BuildFailed } from "./build-failed.ts";

/** What one run of kustomize may cost. */
export type RunLimits = { milliseconds: number; bytes: number };

const defaults: RunLimits = { milliseconds: 60_000, bytes: 64 * 1024 * 1024 };

/** What kustomize said: the rendered YAML, or the text after `error:`. */
export type RunResult = { output: string } | { error: string };

/**
 * The collector of the Go runtime costs a fifth of a build's time at its default; it is bounded by memory instead. Nothing of this
 * process's environment is passed on (SN-02), so no `PATH`, no credentials and no proxy.
 */
const environment = { GOGC: "400", GOMEMLIMIT: "768MiB" };

const places = Math.max(availableParallelism(), 2);
let running = 0;
const waiting: (() => void)[] = [];

/** What is built, and how freely it may read: without `unrestricted`, kustomize's own load restriction is on. */
export type RunOptions = { unrestricted: boolean; signal?: AbortSignal | undefined; limits?: Partial<RunLimits> };

/**
 * Runs `kubectl kustomize` on a directory below `root`, whose name is left out of what is said of paths. As many run at a time as
 * there are processors: each takes 50 MB. Throws BuildFailed where a limit is hit, and the signal's reason.
 */
export async function runKustomize(
  binary: string,
  root: string,
  directory: string,
  options: RunOptions,
): Promise<RunResult> {
  await takePlace(options.signal);
  try {
    return await run(binary, root, directory, options);
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}

/** Waits for a place, which whoever leaves hands over, no longer than the signal allows. */
async function takePlace(signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (running < places) {
    running += 1;
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const abort = () => {
      waiting.splice(waiting.indexOf(enter), 1);
      reject(signal?.reason);
    };
    const enter = () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    waiting.push(enter);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

function run(binary: string, root: string, directory: string, options: RunOptions): Promise<RunResult> {
  const limits = { ...defaults, ...options.limits };
  const restrictor = options.unrestricted ? "LoadRestrictionsNone" : "LoadRestrictionsRootOnly";
  // Flux does not sort; kubectl would.
  const args = ["kustomize", `./${directory}`, "--load-restrictor", restrictor, "--reorder", "none"];
  const child = spawn(binary, args, { cwd: root, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  return new Promise<RunResult>((resolve, reject) => {
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    let size = 0;
    let failure: unknown;
    const stop = (reason: unknown) => {
      failure ??= reason;
      child.kill("SIGKILL");
    };
    const collect = (chunks: Buffer[]) => (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.bytes)
        stop(new BuildFailed(`kustomize build failed: the output is larger than the limit of ${limits.bytes} bytes`));
      else chunks.push(chunk);
    };
    child.stdout.on("data", collect(output));
    child.stderr.on("data", collect(errors));
    const abort = () => stop(options.signal?.reason);
    options.signal?.addEventListener("abort", abort, { once: true });
    const timer = setTimeout(
      () => stop(new BuildFailed(`kustomize build failed: not done after ${limits.milliseconds / 1000} s`)),
      limits.milliseconds,
    );
    const end = () => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
    };
    child.once("error", (error) => {
      end();
      reject(new Error(`kustomize could not be started: ${error.message}`, { cause: error }));
    });
    child.once("close", (code) => {
      end();
      if (failure !== undefined) reject(failure);
      else if (code === 0) resolve({ output: Buffer.concat(output).toString("utf8") });
      else resolve({ error: errorText(Buffer.concat(errors).toString("utf8"), root) });
    });
  });
}

/** What follows `error:`, after warnings, with paths as the user knows them; of a panic its first line (KS-074). */
function errorText(stderr: string, root: string): string {
  const panic = /^panic: (.*)$/m.exec(stderr)?.[1];
  if (panic !== undefined) return `recovered from kustomize build panic: ${panic}`;
  const start = stderr.search(/^error: /m);
  const text = start < 0 ? stderr : stderr.slice(start + "error: ".length);
  return text.replaceAll(`${root}/`, "").replaceAll(root, ".").trim();
}
