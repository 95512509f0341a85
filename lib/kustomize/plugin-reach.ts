import { posix } from "node:path";
import { resolvePath } from "./artifact-path.ts";
import { BuildFailed } from "./build-failed.ts";
import { readArguments, readOptional, readPatchOrData, readSources, refuseCopies, rewriteTexts } from "./data-reach.ts";
import { decodeText, textOf } from "./kustomization-file.ts";
import { readPlugins, writePlugins } from "./plugin-file.ts";
import { isRemoteFile, parseRepository } from "./remote-address.ts";
import { findBase, findRepository } from "./remote-reach.ts";
import { type Struct, writeStruct } from "./shape.ts";
import {
  enter,
  fileAt,
  findKustomization,
  isDirectoryAt,
  locate,
  locateData,
  nameOf,
  type Walk,
  writeConfiguration,
} from "./walk.ts";

/** Bytes of the largest file of plugin configurations that is read. */
const pluginLimit = 4 * 1024 * 1024;

/** An entry of `generators`, `transformers` or `validators`; returns what is to be written in its place. */
export function readPlugin(walk: Walk, directory: string, text: string, field: string): string {
  const inline = readPlugins(text);
  if (inline === undefined) return readPluginPath(walk, directory, directory, text, field);
  for (const plugin of inline) readPluginArguments(walk, directory, plugin);
  return writePlugins(inline);
}

/** A file of plugin configurations, or a directory of them. Their own paths are relative to `root`, which names them first. */
function readPluginPath(walk: Walk, root: string, directory: string, path: string, field: string): string {
  if (isRemoteFile(path)) {
    const base = findBase(walk, directory, path, field);
    if (base === undefined) return path;
    if ("located" in base) return readPluginDirectory(walk, root, directory, base.located, field);
    readPluginFile(walk, root, posix.join(directory, base.name), base.bytes, field);
    return base.name;
  }
  const located = resolvePath(directory, path);
  const content = located === undefined ? undefined : fileAt(walk, located);
  if (located !== undefined && content !== undefined) {
    readPluginFile(walk, root, locateData(walk, directory, path, field), content, field);
    return path;
  }
  const base = parseRepository(path) === undefined ? undefined : findRepository(walk, directory, path, field);
  if (base !== undefined) return readPluginDirectory(walk, root, directory, base.located, field);
  if (parseRepository(path) === undefined)
    readPluginDirectory(walk, root, directory, locate(walk, directory, path, field), field);
  return path;
}

function readPluginFile(walk: Walk, root: string, located: string, content: Uint8Array, field: string): void {
  const plugins = content.length > pluginLimit ? undefined : readPlugins(textOfFile(walk, content, located));
  if (plugins === undefined)
    throw new BuildFailed(
      `kustomize build failed: '${nameOf(walk, located)}' in ${field} holds no configuration of a plugin`,
    );
  for (const plugin of plugins) readPluginArguments(walk, root, plugin);
  writeConfiguration(walk, located, writePlugins(plugins));
}

function readPluginDirectory(walk: Walk, root: string, directory: string, located: string, field: string): string {
  const path = posix.relative(`/${directory}`, `/${located}`);
  if (!isDirectoryAt(walk, located) || !enter(walk, `${root}:${located}`)) return path;
  walk.directories.add(located);
  const found = findKustomization(walk, located);
  if (found === undefined) return path;
  const { apiVersion, kind, metadata, resources, ...more } = found.kustomization;
  const other = Object.keys(more)[0];
  if (other !== undefined)
    throw new BuildFailed(
      `kustomize build failed: '${nameOf(walk, located)}' in ${field} may hold resources alone, not ${other}: what it makes of a plugin cannot be checked before it runs`,
    );
  const written = { ...found.kustomization };
  rewriteTexts(written, "resources", (resource) => readPluginPath(walk, root, located, resource, "resources"));
  writeConfiguration(walk, posix.join(located, found.fileName), writeStruct(written));
  return path;
}

/** Checks what a plugin names, and puts local paths in the place of addresses. */
function readPluginArguments(walk: Walk, root: string, plugin: Struct): void {
  const where = textOf(plugin, "kind") ?? "plugin";
  readArguments(walk, root, plugin, `${where} `);
  readSources(walk, root, plugin, where);
  for (const field of ["patch", "patches", "jsonOp"]) refuseCopies(walk, where, textOf(plugin, field) ?? "");
  for (const field of ["path", "targetFilePath"]) readOptional(walk, root, plugin, field, where);
  rewriteTexts(plugin, "paths", (path) => readPatchOrData(walk, root, path, where));
}

function textOfFile(walk: Walk, content: Uint8Array, path: string): string {
  try {
    return decodeText(content);
  } catch (error) {
    throw new BuildFailed(`kustomize build failed: '${nameOf(walk, path)}' is not text in UTF-8`, { cause: error });
  }
}
