import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { alone, cacheDirectory } from "../../../lib/host/cache.ts";
import { goBinaries } from "../../../lib/host/go-binaries.ts";

const run = promisify(execFile);

const version = "2.9.5";
const modulePath = `github.com/fluxcd/flux2/v2@v${version}`;
/** What go.sum would say of the module: it is the main module of its own build, which nobody checks. */
const moduleSum = "h1:jwCccxvkD+2QnsjN+pl5QqM8KnFUwA8pIoQ1Lf0avkA=";
const needed = ["cmd", "internal", "pkg", "go.mod", "go.sum"];
/** The program embeds what `flux install` would apply, which is made for a release and is not in the module. Nobody installs here. */
const embedded = "cmd/flux/manifests/none.yaml";

/** Flux's own command line, of one cluster. */
export type Flux = {
  /** Runs it; resolves with what it printed, its progress (stderr) last. Rejects with what it complained of. */
  (...args: string[]): Promise<string>;
  close(): Promise<void>;
};

/**
 * Flux's command line as it is released, built first where this machine has not yet done so (about two minutes of two cores). `log` tells of it.
 */
export async function openFlux(kubeconfig: string, log: (line: string) => void = console.error): Promise<Flux> {
  const source = await preparedModule(log);
  const module = { name: "flux", directory: source, packages: { flux: "./cmd/flux" } };
  const binaries = await goBinaries({ ...module, ldflags: `-s -w -X main.VERSION=${version}` }, log);
  const home = await mkdtemp(join(tmpdir(), "sluice-flux-"));
  const flux = async (...args: string[]) => {
    const { stdout, stderr } = await run(binaries.get("flux") ?? "flux", [...args, "--kubeconfig", kubeconfig], {
      env: { HOME: home, NO_COLOR: "1" },
      timeout: 60_000,
    });
    return stdout + stderr;
  };
  return Object.assign(flux, { close: () => rm(home, { recursive: true, force: true }) });
}

/** The directory of the module's source with what it embeds, made once on this machine. */
async function preparedModule(log: (line: string) => void): Promise<string> {
  const directory = cacheDirectory("flux-module", moduleSum, embedded);
  const source = join(directory, "source");
  const done = join(directory, "done");
  await alone(
    directory,
    () => log("another process is preparing the source of flux: waiting for it"),
    async () => {
      if ((await readFile(done, "utf8").catch(() => "")) === moduleSum) return;
      await rm(source, { recursive: true, force: true });
      const { stdout } = await run("go", ["mod", "download", "-json", modulePath], {
        cwd: directory,
        env: { ...process.env, GOWORK: "off", GOFLAGS: "" },
      });
      const { Dir: from, Sum: sum } = JSON.parse(stdout);
      if (sum !== moduleSum) throw new Error(`${modulePath} has the sum ${sum}, not ${moduleSum}`);
      for (const name of needed) await cp(join(from, name), join(source, name), { recursive: true });
      await run("chmod", ["-R", "u+w", source]);
      await mkdir(join(source, "cmd/flux/manifests"));
      await writeFile(join(source, embedded), "");
      await writeFile(done, moduleSum);
    },
  );
  return source;
}
