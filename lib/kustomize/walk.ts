import { posix } from "node:path";
import { messageOf } from "../text/error-message.ts";
import type { OpenArtifact } from "./artifact.ts";
import { isBelow, outside, resolvePath } from "./artifact-path.ts";
import { BuildFailed } from "./build-failed.ts";
import { kustomizationFileNames, readKustomization } from "./kustomization-file.ts";
import type { RepositoryAddress } from "./remote-address.ts";
import type { RemoteReference } from "./remote-content.ts";
import type { Struct } from "./shape.ts";

/** How many kustomizations one build may reach. */
const kustomizationLimit = 2_000;

/** A walk along everything that a build can read. */
export type Walk = {
  artifact: OpenArtifact;
  /** What kustomize will find on the disk. */
  files: Map<string, Uint8Array>;
  directories: Set<string>;
  /** Files that were rewritten, and files that are read as they are. */
  configuration: Set<string>;
  data: Set<string>;
  visited: Set<string>;
  /** Fetched repositories by the directory that they are put into. */
  clones: Map<string, Clone>;
  /** Fetched files by the name that they are put under. */
  downloads: Map<string, string>;
  /** What nobody has fetched yet, by its key. */
  unresolved: Map<string, Unresolved>;
  unrestricted: boolean;
  schemas: boolean;
  /** Characters by which kustomize makes what was found so far longer, putting copies in the place of aliases. */
  copied: number;
};

/**
 * A repository that a kustomization names as a base, in a directory of its own beside the artifact's. Each place that names one
 * gets its own, as kustomize clones it each time: nothing in it is above or below something else.
 */
export type Clone = {
  directory: string;
  /** The address as it was written. */
  address: string;
  repository: RepositoryAddress;
  tree: Pick<OpenArtifact, "files" | "directories">;
  /** The repository that names it, where that is not the artifact. */
  within: Clone | undefined;
};

/** A reference that is named but was not fetched. */
export type Unresolved = { reference: RemoteReference; address: string; field: string };

/** The repository that a directory of the build is of; undefined for one of the artifact. */
export function cloneAt(walk: Walk, directory: string): Clone | undefined {
  return walk.clones.get(directory.split("/", 1)[0] ?? "");
}

/** The content of a file of the artifact or of a fetched repository. */
export function fileAt(walk: Walk, path: string): Uint8Array | undefined {
  const clone = cloneAt(walk, path);
  const { files } = clone?.tree ?? walk.artifact;
  return files.get(clone === undefined ? path : path.slice(clone.directory.length + 1))?.content;
}

/** Whether there is a directory, in the artifact or in a fetched repository. */
export function isDirectoryAt(walk: Walk, path: string): boolean {
  const clone = cloneAt(walk, path);
  const { directories } = clone?.tree ?? walk.artifact;
  return directories.has(clone === undefined ? path : path.slice(clone.directory.length + 1));
}

/**
 * Where a path that a kustomization in `directory` names lies, as kustomize would resolve it. What is absolute or leaves the
 * artifact, or the fetched repository that the kustomization is of, is refused before kustomize could read it (KS-070, SN-02).
 * `field` says where the path was named. Throws BuildFailed.
 */
export function locate(walk: Walk, directory: string, path: string, field: string): string {
  const root = cloneAt(walk, directory)?.directory;
  const located = resolvePath(directory, path);
  // A clone is beside the artifact and not of it: no path leads from one into the other.
  const stays = (to: string) => (root === undefined ? cloneAt(walk, to) === undefined : isBelow(to, root));
  if (located === undefined || !stays(located)) throw outside(path, field, nameOf(walk, directory), root !== undefined);
  return located;
}

/**
 * As `locate`, for a file that is read rather than built: one of the artifact may lie anywhere in it, but kustomize lets a
 * kustomization of a fetched repository read below its own directory alone. Throws BuildFailed.
 */
export function locateData(walk: Walk, directory: string, path: string, field: string): string {
  const located = locate(walk, directory, path, field);
  if (isBelow(located, directory)) return located;
  if (cloneAt(walk, directory) !== undefined)
    throw new BuildFailed(
      `kustomize build failed: security; file '${nameOf(walk, located)}' in ${field} is not in or below '${nameOf(walk, directory)}'`,
    );
  walk.unrestricted = true;
  return located;
}

/** How a path of the build is told: those of a repository by its address. */
export function nameOf(walk: Walk, path: string): string {
  const clone = cloneAt(walk, path);
  return clone === undefined ? path || "." : tellClone(clone, path.slice(clone.directory.length));
}

/** A path of a fetched repository, as it is told. */
export function tellClone({ repository }: Clone, path: string): string {
  return `${tellAddress(repository.url)}${path}`;
}

/** What kustomize itself reads of the query of an address. Whatever else is in one may be a key to it. */
const ownParameter = /^(?:ref|version|submodules|timeout)=/;

/** An address as it may be shown: short, and without a password or a signature that it holds. */
export function tellAddress(address: string): string {
  const [before = "", query] = address.replace(/\/\/[^/?#]*@/, "//***@").split(/\?(.*)/s);
  const shown = query?.split("&").map((parameter) => (ownParameter.test(parameter) ? parameter : "***"));
  const plain = shown === undefined ? before : `${before}?${shown.join("&")}`;
  return plain.length > 200 ? `${plain.slice(0, 200)}...` : plain;
}

/** The kustomization of a directory, read as strictly as kustomize reads one; undefined where there is none. Throws BuildFailed. */
export function findKustomization(
  walk: Walk,
  directory: string,
): { fileName: string; kustomization: Struct } | undefined {
  refuseSecondFile(walk, directory);
  const fileName = kustomizationFileNames.find((name) => fileAt(walk, posix.join(directory, name)) !== undefined);
  const content = fileName && fileAt(walk, posix.join(directory, fileName));
  if (!fileName || content === undefined || content === "") return undefined;
  try {
    return { fileName, kustomization: readKustomization(content, "strict") };
  } catch (error) {
    const reason = messageOf(error);
    throw new BuildFailed(
      `kustomize build failed: couldn't make target for path '${nameOf(walk, directory)}': invalid Kustomization: ${reason}`,
      { cause: error },
    );
  }
}

/** kustomize wants one kustomization in a directory. Throws BuildFailed. */
export function refuseSecondFile(walk: Walk, directory: string): void {
  const found = kustomizationFileNames.filter((name) => fileAt(walk, posix.join(directory, name)) !== undefined);
  if (found.length > 1)
    throw new BuildFailed(
      `kustomize build failed: Found multiple kustomization files under: ${nameOf(walk, directory)}`,
    );
}

/** Whether a kustomization is entered for the first time. A circle ends here, and kustomize says what is wrong with it. */
export function enter(walk: Walk, key: string): boolean {
  if (walk.visited.has(key)) return false;
  walk.visited.add(key);
  if (walk.visited.size > kustomizationLimit)
    throw new BuildFailed(`kustomize build failed: more than ${kustomizationLimit} kustomizations are reached`);
  return true;
}

/** Puts a file in its place as it was understood. */
export function writeConfiguration(walk: Walk, path: string, text: string): void {
  walk.configuration.add(path);
  walk.files.set(path, new TextEncoder().encode(text));
}
