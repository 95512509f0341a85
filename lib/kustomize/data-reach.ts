import { posix } from "node:path";
import { isFields } from "../text/fields.ts";
import { aliasedSize, parseYamlDocuments } from "../text/yaml.ts";
import { BuildFailed } from "./build-failed.ts";
import { structsOf, textOf, textsOf } from "./kustomization-file.ts";
import { isRemoteFile } from "./remote-address.ts";
import { findFile, refuseAddress } from "./remote-reach.ts";
import type { Struct } from "./shape.ts";
import { fileAt, isDirectoryAt, locate, locateData, nameOf, type Walk } from "./walk.ts";

/** Characters that the aliases of one build may make: more than the largest object that a cluster stores. */
const copiedLimit = 2 * 1024 * 1024;

/** Puts what a function makes of them in the place of the texts of a field. */
export function rewriteTexts(struct: Struct, field: string, rewrite: (text: string) => string): void {
  const given = textsOf(struct, field);
  if (given.length > 0) struct[field] = given.map(rewrite);
}

/** Lets a function change a copy of each struct of a field. */
export function rewriteStructs(struct: Struct, field: string, rewrite: (copy: Struct) => void): void {
  const given = structsOf(struct, field).map((item) => ({ ...item }));
  for (const item of given) rewrite(item);
  if (given.length > 0) struct[field] = given;
}

/** Fields with the same meaning in a kustomization and in a plugin: lists of structs with a `path`. */
export function readArguments(walk: Walk, directory: string, struct: Struct, where: string): void {
  for (const field of ["patches", "patchesJson6902", "replacements"])
    rewriteStructs(struct, field, (item) => {
      refuseCopies(walk, `${where}${field}`, textOf(item, "patch") ?? "");
      readOptional(walk, directory, item, "path", `${where}${field}`);
    });
}

/** A file that a struct may name in a field, which is changed where the file is a remote one. */
export function readOptional(walk: Walk, directory: string, struct: Struct, field: string, where: string): void {
  const path = textOf(struct, field);
  if (path !== undefined) struct[field] = readData(walk, directory, path, where);
}

/** `files`, `envs` and `env` of a generator; a file may be named as `<key>=<path>`, and is known by its own name else. */
export function readSources(walk: Walk, directory: string, generator: Struct, where: string): void {
  rewriteTexts(generator, "files", (source) => {
    const [key = "", path, ...more] = source.split("=");
    if (more.length > 0)
      throw new BuildFailed(`kustomize build failed: source "${source}" key name or file path contains '='`);
    const found = readData(walk, directory, path ?? key, where);
    return found === (path ?? key) ? source : `${path === undefined ? posix.basename(key) : key}=${found}`;
  });
  rewriteTexts(generator, "envs", (path) => readData(walk, directory, path, where));
  readOptional(walk, directory, generator, "env", where);
}

/** A file; returns the path to read it by. */
export function readData(walk: Walk, directory: string, path: string, field: string): string {
  if (isRemoteFile(path)) {
    const found = findFile(walk, path, field);
    if (found === undefined) return path;
    return addData(walk, posix.join(directory, found.name), found.bytes, found.name);
  }
  const located = locateData(walk, directory, path, field);
  const content = fileAt(walk, located);
  if (content !== undefined) return addData(walk, located, content, path);
  if (isDirectoryAt(walk, located)) walk.directories.add(located);
  return path;
}

/** Takes a file that is read as it is; returns the path that it is given by. */
export function addData(walk: Walk, located: string, content: Uint8Array, path: string): string {
  if (!walk.data.has(located)) refuseCopies(walk, nameOf(walk, located), Buffer.from(content).toString());
  walk.data.add(located);
  if (!walk.files.has(located)) walk.files.set(located, content);
  return path;
}

/** A few lines of YAML whose aliases name one another are more than any machine holds, once kustomize has copied what they name. */
export function refuseCopies(walk: Walk, where: string, text: string): void {
  walk.copied += aliasedSize(text);
  if (walk.copied > copiedLimit)
    throw new BuildFailed(`kustomize build failed: '${where}': document contains excessive aliasing`);
}

/**
 * An entry of `patchesStrategicMerge`: kustomize takes it as a path if it cannot take it as a patch. What looks like a patch is
 * no path in the artifact, but it must not be one outside of it either.
 */
export function readPatchOrData(walk: Walk, directory: string, text: string, field: string): string {
  refuseCopies(walk, field, text);
  if (!readsAsObjects(text)) return readData(walk, directory, text, field);
  refuseAddress(text, field);
  locate(walk, directory, text, field);
  return text;
}

function readsAsObjects(text: string): boolean {
  try {
    return parseYamlDocuments(text).every((document) => document === null || isFields(document));
  } catch {
    return false;
  }
}
