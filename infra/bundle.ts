import { copyFile, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { createRequire, isBuiltin } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The Lambda functions: each is `functions/<name>/handler.ts`, which exports `handler`. */
export const functionNames = ["webhook", "source", "apply", "notify", "schedule", "pushes", "timers"] as const;
export type FunctionName = (typeof functionNames)[number];

/** One function as Lambda gets it: a folder with `index.mjs` and, beside it, what it loads on demand. */
export type Bundle = {
  directory: string;
  file: string;
  /** Size of the whole folder. */
  bytes: number;
  /** Size of what is loaded with `index.mjs`: what a cold start pays for. */
  startBytes: number;
  /** What is inside, by path from the repository's root, with the bytes that each file takes in the bundle. */
  inputs: Record<string, number>;
  /** Those of `inputs` that are loaded with `index.mjs`. */
  startInputs: string[];
};

/**
 * What stays outside every bundle: ssh2 asks for native code and does without it; the layer's archive is unpacked only where
 * there is no layer.
 */
const external = ["*.node", "cpu-features", "*/layer-archive.ts"];

/** An ES module has no `require`. */
const banner = `import{createRequire as sluiceRequire}from"node:module";const require=sluiceRequire(import.meta.url);`;

/**
 * Node's own modules are required, not imported: an import makes Node look at every export of the module, and with that
 * load what stands behind the lazy ones. For `node:http` that is all of fetch and WebSocket. It saves a third of
 * a small function's cold start.
 */
const requireBuiltins: Plugin = {
  name: "require-builtins",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^(node:)?[a-z0-9_/]+$/ }, ({ path, kind }) =>
      isBuiltin(path) && kind === "import-statement" ? { path, namespace: "builtin" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** OpenPGP.js is under the LGPL: it stays unmodified, in a file of its own that whoever deploys can replace. */
const ownFile = "openpgp.min.mjs";
const ownFileOrigin = join(dirname(createRequire(import.meta.url).resolve("openpgp")), ownFile);

const keepOwnFile: Plugin = {
  name: "keep-own-file",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^openpgp$/ }, () => ({ path: `./${ownFile}`, external: true }));
  },
};

/**
 * Bundles functions, one folder each under `directory`, which is emptied first; `<directory>.json` is esbuild's metafile of
 * each. What a function imports on demand (an EKS client, credential providers of a developer's machine) becomes a file of its
 * own, so that a cold start does not even parse it. The AWS SDK is bundled too: the runtime's own is older than
 * the one that was tested, and slower to load from its many files. Equal sources give equal bytes, so that an unchanged function
 * is not deployed again. Throws esbuild's BuildFailure, which names file and line.
 */
export async function bundleFunctions<Name extends FunctionName>(
  directory: string,
  names: readonly Name[],
): Promise<Record<Name, Bundle>> {
  const target = resolve(directory);
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const built = await Promise.all(names.map(async (name) => [name, await bundle(join(target, name), name)] as const));
  await writeFile(`${target}.json`, JSON.stringify(Object.fromEntries(built)));
  const bundles = built.map(([name, metafile]) => [name, readBundle(metafile, join(target, name))] as const);
  return Object.fromEntries(bundles) as Record<Name, Bundle>;
}

/** One build a function and not one for all: a shared file of two functions would change with either. */
async function bundle(outdir: string, name: FunctionName): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { index: `functions/${name}/handler.ts` },
    outdir,
    outExtension: { ".js": ".mjs" },
    chunkNames: "[name]-[hash]",
    bundle: true,
    splitting: true,
    minify: true,
    platform: "node",
    target: "node24",
    format: "esm",
    // The ES module build of a package is what can be shaken; esbuild's default for node prefers CommonJS.
    mainFields: ["module", "main"],
    external,
    plugins: [requireBuiltins, keepOwnFile],
    banner: { js: banner },
    legalComments: "none",
    metafile: true,
    logLevel: "silent",
  });
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  if (!imported.includes(`./${ownFile}`)) return metafile;
  const copy = join(outdir, ownFile);
  await copyFile(ownFileOrigin, copy);
  const { size: bytes } = await stat(copy);
  const inputs = { [relative(root, ownFileOrigin)]: { bytesInOutput: bytes } };
  return { ...metafile, outputs: { ...metafile.outputs, [copy]: { bytes, inputs, imports: [], exports: [] } } };
}

function readBundle({ outputs }: Metafile, directory: string): Bundle {
  const entry = Object.keys(outputs).find((path) => path.endsWith("/index.mjs"));
  if (entry === undefined) throw new Error(`esbuild wrote no ${join(directory, "index.mjs")}`);
  const start = new Set<string>();
  const visit = (path: string) => {
    if (start.has(path) || outputs[path] === undefined) return;
    start.add(path);
    for (const { path: imported, kind } of outputs[path].imports) if (kind === "import-statement") visit(imported);
  };
  visit(entry);
  const inputs: Record<string, number> = {};
  const startInputs: string[] = [];
  let [bytes, startBytes] = [0, 0];
  for (const [path, output] of Object.entries(outputs)) {
    bytes += output.bytes;
    if (start.has(path)) startBytes += output.bytes;
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      inputs[input] = (inputs[input] ?? 0) + bytesInOutput;
      if (start.has(path) && bytesInOutput > 0) startInputs.push(input);
    }
  }
  return { directory, file: join(directory, "index.mjs"), bytes, startBytes, inputs, startInputs };
}
