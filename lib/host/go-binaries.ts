import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { alone, cacheDirectory } from "./cache.ts";

/** Programs that a Go module names as its tools. `directory` holds its go.mod; `packages` maps a program's name to its package. */
export type GoModule = { name: string; directory: string; packages: Record<string, string>; ldflags: string };

/**
 * The paths of the module's programs, by name, which are built first where this machine has not built them yet. They lie in
 * `$XDG_CACHE_HOME/sluice/<module>/<key>` (`~/.cache` where unset), outside any checkout, so that a second clone finds them;
 * the key is made from go.mod, the linker's flags and the platform. A program appears there whole or not at all, and two
 * processes never build at the same time. `log` gets a line when something takes long.
 * Throws with a sentence where Go is missing or the build fails.
 */
export async function goBinaries(module: GoModule, log: (line: string) => void): Promise<Map<string, string>> {
  const directory = cacheDirectory(module.name, await readFile(join(module.directory, "go.mod")), module.ldflags);
  const paths = new Map(Object.keys(module.packages).map((name) => [name, join(directory, name)]));
  if (missing(paths).length === 0) return paths;
  const onWait = () => log(`another process is building ${module.name}: waiting for it`);
  await alone(directory, onWait, async () => {
    const wanted = missing(paths);
    for (const [index, name] of wanted.entries()) {
      await build(module, name, directory, (line) => log(`${line} (${index + 1} of ${wanted.length})`));
    }
  });
  return paths;
}

function missing(paths: Map<string, string>): string[] {
  return [...paths].filter(([, path]) => !existsSync(path)).map(([name]) => name);
}

async function build(module: GoModule, name: string, directory: string, log: (line: string) => void): Promise<void> {
  const started = Date.now();
  const temporary = await mkdtemp(join(directory, "build-"));
  const progress = setInterval(
    () => log(`building ${name}: ${Math.round((Date.now() - started) / 1000)} s so far`),
    20_000,
  );
  log(`building ${name} from Go modules; this is done once on this machine and takes minutes`);
  try {
    const target = join(temporary, name);
    const packagePath = module.packages[name] ?? name;
    await go(
      ["build", "-buildvcs=false", "-trimpath", "-ldflags", module.ldflags, "-o", target, packagePath],
      module.directory,
      name,
    );
    await rename(target, join(directory, name));
    log(`built ${name} in ${Math.round((Date.now() - started) / 1000)} s`);
  } finally {
    clearInterval(progress);
    await rm(temporary, { recursive: true, force: true });
  }
}

async function go(args: string[], directory: string, name: string): Promise<void> {
  const child = spawn("go", args, {
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, CGO_ENABLED: "0", GOWORK: "off", GOFLAGS: "-mod=readonly" },
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    errors = (errors + chunk).slice(-4_000);
  });
  await new Promise<void>((resolve, reject) => {
    child.once("error", (error) => {
      const absent = "code" in error && error.code === "ENOENT";
      reject(
        absent
          ? new Error(`Go is missing: ${name} is built from Go modules. Install Go 1.21 or newer (https://go.dev/dl).`)
          : error,
      );
    });
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`go build of ${name} failed:\n${errors.trim()}`)),
    );
  });
}
