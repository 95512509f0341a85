import { BuildFailed } from "./build-failed.ts";

/** Whether a path stays in the artifact, for texts of which it is not known yet whether they are one. */
export function isInside(directory: string, path: string): boolean {
  return resolvePath(directory, path) !== undefined;
}

/** Whether a located path is in or below a directory. */
export function isBelow(path: string, directory: string): boolean {
  return directory === "" || path === directory || path.startsWith(`${directory}/`);
}

/** Joins and cleans as Go's `filepath.Join` does; undefined where the result is not below the root. */
export function resolvePath(directory: string, path: string): string | undefined {
  if (path.startsWith("/") || path.includes("\0")) return undefined;
  const segments = directory === "" ? [] : directory.split("/");
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) return undefined;
  }
  return segments.join("/");
}

/** The refusal of a path that leads out of the artifact, or out of a fetched repository. */
export function outside(path: string, field: string, directory: string, isRemote: boolean): BuildFailed {
  const shown = path.length > 200 ? `${path.slice(0, 200)}...` : path;
  const root = isRemote ? "the repository that names it" : "the root of the artifact";
  return new BuildFailed(
    `kustomize build failed: security; path '${shown}' in ${field} of '${directory}' is not in or below ${root}`,
  );
}
