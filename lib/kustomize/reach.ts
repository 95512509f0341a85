import { posix } from "node:path";
import { isFields } from "../text/fields.ts";
import type { OpenArtifact } from "./artifact.ts";
import { resolvePath } from "./artifact-path.ts";
import { BuildFailed } from "./build-failed.ts";
import {
  addData,
  readArguments,
  readData,
  readPatchOrData,
  readSources,
  rewriteStructs,
  rewriteTexts,
} from "./data-reach.ts";
import { structsOf } from "./kustomization-file.ts";
import { readPlugin } from "./plugin-reach.ts";
import { isRemoteFile, parseRepository } from "./remote-address.ts";
import { findBase, findRepository, refuseUnresolved } from "./remote-reach.ts";
import { type Struct, writeStruct } from "./shape.ts";
import {
  type Clone,
  enter,
  fileAt,
  findKustomization,
  isDirectoryAt,
  locate,
  nameOf,
  refuseSecondFile,
  type Unresolved,
  type Walk,
  writeConfiguration,
} from "./walk.ts";

/** All that a build can read. Nothing else of the artifact is on the disk when kustomize runs. */
export type Reach = {
  /**
   * Content by path. Kustomizations are written as they were understood, so kustomize cannot read them differently, and with
   * local paths in the place of remote addresses.
   */
  files: ReadonlyMap<string, Uint8Array>;
  directories: ReadonlySet<string>;
  /** Whether a kustomization names a file outside its own directory, which kustomize allows only without load restrictions. */
  unrestricted: boolean;
  /** Whether a kustomization brings its own schemas (`openapi.path`). */
  schemas: boolean;
  /** Fetched repositories by the directory that they are in, and addresses of fetched files by the name that they have. */
  clones: ReadonlyMap<string, Clone>;
  downloads: ReadonlyMap<string, string>;
};

/**
 * Follows every path that the kustomization in `directory`, and any that it reaches, names. A path that leaves the artifact, a
 * remote one that was not fetched (`resolveRemotes`), a plugin that is a program, and Helm are refused (KS-070 to KS-072, SN-02);
 * one that is not there is left to kustomize, whose error says so best. Throws BuildFailed.
 */
export function reachFrom(artifact: OpenArtifact, directory: string, fileName: string, kustomization: Struct): Reach {
  const { unresolved, ...reach } = surveyReach(artifact, directory, fileName, kustomization);
  for (const each of unresolved.values()) refuseUnresolved(each);
  return reach;
}

/** As `reachFrom`, but what was not fetched is collected by its key and not refused. */
export function surveyReach(
  artifact: OpenArtifact,
  directory: string,
  fileName: string,
  kustomization: Struct,
): Reach & { unresolved: ReadonlyMap<string, Unresolved> } {
  const walk: Walk = {
    artifact,
    files: new Map(),
    directories: new Set(),
    configuration: new Set(),
    data: new Set(),
    visited: new Set([`:${directory}`]),
    clones: new Map(),
    downloads: new Map(),
    unresolved: new Map(),
    unrestricted: false,
    schemas: false,
    copied: 0,
  };
  refuseSecondFile(walk, directory);
  visit(walk, directory, fileName, kustomization);
  for (const path of walk.data) {
    if (walk.configuration.has(path))
      throw new BuildFailed(
        `kustomize build failed: '${nameOf(walk, path)}' is both configuration of kustomize and read as data, which this release of Sluice cannot build`,
      );
  }
  return walk;
}

/** Reads what a kustomization names and writes it down with what is to be read in the place of remote addresses. */
function visit(walk: Walk, directory: string, fileName: string, kustomization: Struct): void {
  walk.directories.add(directory);
  if (
    structsOf(kustomization, "helmCharts").length + structsOf(kustomization, "helmChartInflationGenerator").length >
    0
  )
    throw new BuildFailed(
      "kustomize build failed: trouble configuring builtin HelmChartInflationGenerator: must specify --enable-helm",
    );
  const written: Struct = { ...kustomization };
  for (const field of ["resources", "bases"])
    rewriteTexts(written, field, (path) => readFileOrDirectory(walk, directory, path, field));
  rewriteTexts(written, "components", (path) => readDirectory(walk, directory, path, "components"));
  for (const field of ["crds", "configurations"])
    rewriteTexts(written, field, (path) => readData(walk, directory, path, field));
  const { openapi } = kustomization;
  if (isFields(openapi) && typeof openapi.path === "string") {
    walk.schemas = true;
    written.openapi = { ...openapi, path: readData(walk, directory, openapi.path, "openapi") };
  }
  readArguments(walk, directory, written, "");
  for (const field of ["configMapGenerator", "secretGenerator"])
    rewriteStructs(written, field, (generator) => readSources(walk, directory, generator, field));
  rewriteTexts(written, "patchesStrategicMerge", (text) =>
    readPatchOrData(walk, directory, text, "patchesStrategicMerge"),
  );
  for (const field of ["generators", "transformers", "validators"])
    rewriteTexts(written, field, (text) => readPlugin(walk, directory, text, field));
  writeConfiguration(walk, posix.join(directory, fileName), writeStruct(written));
}

/** kustomize takes an entry as a file if it can, and only else as a directory or a repository. */
function readFileOrDirectory(walk: Walk, directory: string, path: string, field: string): string {
  if (isRemoteFile(path)) {
    const base = findBase(walk, directory, path, field);
    if (base === undefined) return path;
    if ("located" in base) return enterClone(walk, directory, base.located);
    return addData(walk, posix.join(directory, base.name), base.bytes, base.name);
  }
  const located = resolvePath(directory, path);
  const isFile = located !== undefined && fileAt(walk, located) !== undefined;
  return isFile ? readData(walk, directory, path, field) : readDirectory(walk, directory, path, field);
}

/** A repository or a directory of the artifact; returns the path to build it by. */
function readDirectory(walk: Walk, directory: string, path: string, field: string): string {
  if (isRemoteFile(path) || parseRepository(path) !== undefined) {
    const base = findRepository(walk, directory, path, field);
    return base === undefined ? path : enterClone(walk, directory, base.located);
  }
  const located = locate(walk, directory, path, field);
  if (!isDirectoryAt(walk, located)) return readData(walk, directory, path, field);
  enterDirectory(walk, located);
  return path;
}

function enterClone(walk: Walk, directory: string, located: string): string {
  enterDirectory(walk, located);
  return posix.relative(`/${directory}`, `/${located}`);
}

function enterDirectory(walk: Walk, located: string): void {
  walk.directories.add(located);
  if (!enter(walk, `:${located}`)) return;
  const found = findKustomization(walk, located);
  if (found !== undefined) visit(walk, located, found.fileName, found.kustomization);
}
