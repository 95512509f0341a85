import { posix } from "node:path";
import { aliasedSize, parseYamlDocuments } from "../text/yaml.ts";
import type { OpenArtifact } from "./artifact.ts";
import { BuildFailed } from "./build-failed.ts";
import {
  decodeText,
  kustomizationFileNames,
  readKustomization,
  structsOf,
  textOf,
  textsOf,
} from "./kustomization-file.ts";
import { readPlugins, writePlugins } from "./plugin-file.ts";
import { isBelow, locate, refuseRemoteDirectory } from "./reference.ts";
import { isMapping, type Struct, writeStruct } from "./shape.ts";

/** All that a build can read. Nothing else of the artifact is on the disk when kustomize runs. */
export type Reach = {
  /** Content by path. Kustomizations are written as they were understood, so kustomize cannot read them differently. */
  files: ReadonlyMap<string, Uint8Array>;
  directories: ReadonlySet<string>;
  /** Whether a kustomization names a file outside its own directory, which kustomize allows only without load restrictions. */
  unrestricted: boolean;
  /** Whether a kustomization brings its own schemas (`openapi.path`). */
  schemas: boolean;
};

/** A walk under way. `configuration` are the files that were rewritten, `data` those that are read as they are. */
type Walk = {
  artifact: OpenArtifact;
  files: Map<string, Uint8Array>;
  directories: Set<string>;
  configuration: Set<string>;
  data: Set<string>;
  visited: Set<string>;
  unrestricted: boolean;
  schemas: boolean;
  /** Characters by which kustomize makes what was found so far longer, putting copies in the place of aliases. */
  copied: number;
};

/** How many kustomizations one build may reach. */
const kustomizationLimit = 2_000;
/** Bytes of the largest file of plugin configurations that is read. */
const pluginLimit = 4 * 1024 * 1024;
/** Characters that the aliases of one build may make: more than the largest object that a cluster stores. */
const copiedLimit = 2 * 1024 * 1024;

/**
 * Follows every path that the kustomization in `directory`, and any that it reaches, names. A path that leaves the artifact, a
 * remote one, a plugin that is a program, and Helm are refused (KS-070 to KS-072, SN-02); one that is not there is left to
 * kustomize, whose error says so best. Throws BuildFailed.
 */
export function reachFrom(artifact: OpenArtifact, directory: string, fileName: string, kustomization: Struct): Reach {
  const walk: Walk = {
    artifact,
    files: new Map(),
    directories: new Set(),
    configuration: new Set(),
    data: new Set(),
    visited: new Set([`:${directory}`]),
    unrestricted: false,
    schemas: false,
    copied: 0,
  };
  refuseSecondFile(artifact, directory);
  visit(walk, directory, fileName, kustomization);
  for (const path of walk.data) {
    if (walk.configuration.has(path))
      throw new BuildFailed(
        `kustomize build failed: '${path}' is both configuration of kustomize and read as data, which this release of Sluice cannot build`,
      );
  }
  const { files, directories, unrestricted, schemas } = walk;
  return { files, directories, unrestricted, schemas };
}

function visit(walk: Walk, directory: string, fileName: string, kustomization: Struct): void {
  walk.directories.add(directory);
  if (
    structsOf(kustomization, "helmCharts").length + structsOf(kustomization, "helmChartInflationGenerator").length >
    0
  )
    throw new BuildFailed(
      "kustomize build failed: trouble configuring builtin HelmChartInflationGenerator: must specify --enable-helm",
    );
  for (const field of ["resources", "bases"])
    for (const path of textsOf(kustomization, field)) readFileOrDirectory(walk, directory, path, field);
  for (const path of textsOf(kustomization, "components")) readDirectory(walk, directory, path, "components");
  for (const field of ["crds", "configurations"])
    for (const path of textsOf(kustomization, field)) readData(walk, directory, path, field);
  const { openapi } = kustomization;
  if (isMapping(openapi) && typeof openapi.path === "string") {
    walk.schemas = true;
    readData(walk, directory, openapi.path, "openapi");
  }
  readArguments(walk, directory, kustomization, "");
  for (const field of ["configMapGenerator", "secretGenerator"])
    for (const generator of structsOf(kustomization, field)) readSources(walk, directory, generator, field);
  for (const text of textsOf(kustomization, "patchesStrategicMerge"))
    readPatchOrData(walk, directory, text, "patchesStrategicMerge");
  const plugins: Struct = {};
  for (const field of ["generators", "transformers", "validators"]) {
    const given = textsOf(kustomization, field);
    if (given.length > 0) plugins[field] = given.map((text) => readPlugin(walk, directory, text, field));
  }
  writeConfiguration(walk, posix.join(directory, fileName), writeStruct({ ...kustomization, ...plugins }));
}

/** Fields with the same meaning in a kustomization and in a plugin: lists of structs with a `path`. */
function readArguments(walk: Walk, directory: string, struct: Struct, where: string): void {
  for (const field of ["patches", "patchesJson6902", "replacements"])
    for (const item of structsOf(struct, field)) {
      refuseCopies(walk, `${where}${field}`, textOf(item, "patch") ?? "");
      readOptional(walk, directory, item, "path", `${where}${field}`);
    }
}

function readOptional(walk: Walk, directory: string, struct: Struct, field: string, where: string): void {
  const path = textOf(struct, field);
  if (path !== undefined) readData(walk, directory, path, where);
}

/** `files`, `envs` and `env` of a generator; a file may be named as `<key>=<path>`. */
function readSources(walk: Walk, directory: string, generator: Struct, where: string): void {
  for (const source of textsOf(generator, "files")) {
    const [key, path, ...more] = source.split("=");
    if (more.length > 0)
      throw new BuildFailed(`kustomize build failed: source "${source}" key name or file path contains '='`);
    readData(walk, directory, path ?? key ?? "", where);
  }
  for (const path of textsOf(generator, "envs")) readData(walk, directory, path, where);
  readOptional(walk, directory, generator, "env", where);
}

function readData(walk: Walk, directory: string, path: string, field: string): void {
  const located = locate(directory, path, field);
  if (!isBelow(located, directory)) walk.unrestricted = true;
  const file = walk.artifact.files.get(located);
  if (file === undefined) {
    if (walk.artifact.directories.has(located)) walk.directories.add(located);
    return;
  }
  if (!walk.data.has(located)) refuseCopies(walk, located, Buffer.from(file.content).toString());
  walk.data.add(located);
  if (!walk.files.has(located)) walk.files.set(located, file.content);
}

/** A few lines of YAML whose aliases name one another are more than any machine holds, once kustomize has copied what they name. */
function refuseCopies(walk: Walk, where: string, text: string): void {
  walk.copied += aliasedSize(text);
  if (walk.copied > copiedLimit)
    throw new BuildFailed(`kustomize build failed: '${where}': document contains excessive aliasing`);
}

function readFileOrDirectory(walk: Walk, directory: string, path: string, field: string): void {
  if (walk.artifact.files.has(locate(directory, path, field))) readData(walk, directory, path, field);
  else readDirectory(walk, directory, path, field);
}

function readDirectory(walk: Walk, directory: string, path: string, field: string): void {
  refuseRemoteDirectory(path, field);
  const located = locate(directory, path, field);
  if (!walk.artifact.directories.has(located)) {
    readData(walk, directory, path, field);
    return;
  }
  walk.directories.add(located);
  if (!enter(walk, `:${located}`)) return;
  const found = findKustomization(walk.artifact, located);
  if (found !== undefined) visit(walk, located, found.fileName, found.kustomization);
}

/**
 * An entry of `patchesStrategicMerge`: kustomize takes it as a path if it cannot take it as a patch. What looks like a patch is
 * no path in the artifact, but it must not be one outside of it either.
 */
function readPatchOrData(walk: Walk, directory: string, text: string, field: string): void {
  refuseCopies(walk, field, text);
  if (readsAsObjects(text)) locate(directory, text, field);
  else readData(walk, directory, text, field);
}

function readsAsObjects(text: string): boolean {
  try {
    return parseYamlDocuments(text).every((document) => document === null || isMapping(document));
  } catch {
    return false;
  }
}

/** An entry of `generators`, `transformers` or `validators`; returns what is to be written in its place. */
function readPlugin(walk: Walk, directory: string, text: string, field: string): string {
  const inline = readPlugins(text);
  if (inline === undefined) {
    readPluginPath(walk, directory, directory, text, field);
    return text;
  }
  for (const plugin of inline) readPluginArguments(walk, directory, plugin);
  return writePlugins(inline);
}

/** A file of plugin configurations, or a directory of them. Their own paths are relative to `root`, which names them first. */
function readPluginPath(walk: Walk, root: string, directory: string, path: string, field: string): void {
  const located = locate(directory, path, field);
  const file = walk.artifact.files.get(located);
  if (file !== undefined) {
    if (!isBelow(located, directory)) walk.unrestricted = true;
    const plugins = file.content.length > pluginLimit ? undefined : readPlugins(textOfFile(file.content, located));
    if (plugins === undefined)
      throw new BuildFailed(`kustomize build failed: '${located}' in ${field} holds no configuration of a plugin`);
    for (const plugin of plugins) readPluginArguments(walk, root, plugin);
    writeConfiguration(walk, located, writePlugins(plugins));
    return;
  }
  refuseRemoteDirectory(path, field);
  walk.directories.add(located);
  if (!enter(walk, `${root}:${located}`)) return;
  const found = findKustomization(walk.artifact, located);
  if (found === undefined) return;
  const { apiVersion, kind, metadata, resources, ...more } = found.kustomization;
  const other = Object.keys(more)[0];
  if (other !== undefined)
    throw new BuildFailed(
      `kustomize build failed: '${located}' in ${field} may hold resources alone, not ${other}: what it makes of a plugin cannot be checked before it runs`,
    );
  writeConfiguration(walk, posix.join(located, found.fileName), writeStruct(found.kustomization));
  for (const resource of textsOf(found.kustomization, "resources"))
    readPluginPath(walk, root, located, resource, "resources");
}

function readPluginArguments(walk: Walk, root: string, plugin: Struct): void {
  const where = textOf(plugin, "kind") ?? "plugin";
  readArguments(walk, root, plugin, `${where} `);
  readSources(walk, root, plugin, where);
  for (const field of ["patch", "patches", "jsonOp"]) refuseCopies(walk, where, textOf(plugin, field) ?? "");
  for (const field of ["path", "targetFilePath"]) readOptional(walk, root, plugin, field, where);
  for (const path of textsOf(plugin, "paths")) readPatchOrData(walk, root, path, where);
}

function findKustomization(
  artifact: OpenArtifact,
  directory: string,
): { fileName: string; kustomization: Struct } | undefined {
  refuseSecondFile(artifact, directory);
  const fileName = kustomizationFileNames.find((name) => artifact.files.has(posix.join(directory, name)));
  const content = fileName && artifact.files.get(posix.join(directory, fileName))?.content;
  if (!fileName || content === undefined || content === "") return undefined;
  try {
    return { fileName, kustomization: readKustomization(content, "strict") };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BuildFailed(
      `kustomize build failed: couldn't make target for path '${directory}': invalid Kustomization: ${reason}`,
      { cause: error },
    );
  }
}

function refuseSecondFile(artifact: OpenArtifact, directory: string): void {
  const found = kustomizationFileNames.filter((name) => artifact.files.has(posix.join(directory, name)));
  if (found.length > 1)
    throw new BuildFailed(`kustomize build failed: Found multiple kustomization files under: ${directory || "."}`);
}

/** Whether a kustomization is entered for the first time. A circle ends here, and kustomize says what is wrong with it. */
function enter(walk: Walk, key: string): boolean {
  if (walk.visited.has(key)) return false;
  walk.visited.add(key);
  if (walk.visited.size > kustomizationLimit)
    throw new BuildFailed(`kustomize build failed: more than ${kustomizationLimit} kustomizations are reached`);
  return true;
}

function writeConfiguration(walk: Walk, path: string, text: string): void {
  walk.configuration.add(path);
  walk.files.set(path, new TextEncoder().encode(text));
}

function textOfFile(content: Uint8Array, path: string): string {
  try {
    return decodeText(content);
  } catch (error) {
    throw new BuildFailed(`kustomize build failed: '${path}' is not text in UTF-8`, { cause: error });
  }
}
