import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The Lambda functions: each is `functions/<name>/handler.ts`, which exports `handler`. */
export const functionNames = ["webhook", "source", "apply", "notify", "schedule", "timers"] as const;
export type FunctionName = (typeof functionNames)[number];

/** One function as Lambda gets it: a folder that holds `index.mjs` and nothing else. */
export type Bundle = {
  directory: string;
  file: string;
  bytes: number;
  /** What is inside, by path from the repository's root, with the bytes that each file takes in the bundle. */
  inputs: Record<string, number>;
};

/**
 * What stays outside every bundle: ssh2 asks for native code and does without it; the layer's archive is unpacked only where
 * there is no layer.
 */
const external = ["*.node", "cpu-features", "*/layer-archive.ts"];

/** ssh2 and other CommonJS packages call `require`, which an ES module does not have. */
const banner = `import{createRequire as sluiceRequire}from"node:module";const require=sluiceRequire(import.meta.url);`;

/**
 * Bundles functions in one esbuild call, one folder each under `directory`, which is emptied first. The AWS SDK is
 * bundled too: the runtime's own is older than the one that was tested, and slower to load from its many files.
 * Equal sources give equal bytes, so that an unchanged function is not deployed again. `<directory>.json` is esbuild's
 * metafile. Throws esbuild's BuildFailure, which names file and line.
 */
export async function bundleFunctions<Name extends FunctionName>(
  directory: string,
  names: readonly Name[],
): Promise<Record<Name, Bundle>> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(names.map((name) => [`${name}/index`, `functions/${name}/handler.ts`])),
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    minify: true,
    platform: "node",
    target: "node24",
    format: "esm",
    // The ES module build of a package is what can be shaken; esbuild's default for node prefers CommonJS.
    mainFields: ["module", "main"],
    external,
    banner: { js: banner },
    legalComments: "none",
    metafile: true,
    logLevel: "silent",
  });
  await writeFile(`${directory}.json`, JSON.stringify(metafile));
  const bundles = Object.values(names).map((name) => [name, readBundle(metafile, directory, name)] as const);
  return Object.fromEntries(bundles) as Record<Name, Bundle>;
}

function readBundle(metafile: Metafile, directory: string, name: FunctionName): Bundle {
  const output = Object.values(metafile.outputs).find(
    ({ entryPoint }) => entryPoint === `functions/${name}/handler.ts`,
  );
  if (output === undefined) throw new Error(`esbuild wrote no bundle for functions/${name}`);
  return {
    directory: join(directory, name),
    file: join(directory, name, "index.mjs"),
    bytes: output.bytes,
    inputs: Object.fromEntries(Object.entries(output.inputs).map(([path, { bytesInOutput }]) => [path, bytesInOutput])),
  };
}
