import { BuildFailed } from "./build-failed.ts";

/** What kustomize fetches over HTTP when a file is wanted (`IsRemoteFile`), or clones when a directory is (`NewRepoSpecFromURL`). */
const remoteFile = /^https?:/i;
const remoteDirectory = /^(git::|gh:|ssh:\/\/|https?:\/\/|file:\/\/|github\.com[/:]|[a-z][a-z0-9-]*@)/i;

/**
 * Where a path that a kustomization in `directory` names lies in the artifact, as kustomize would resolve it. What would be
 * fetched, is absolute or leaves the root is refused before kustomize could read it (KS-070, SN-02). `field` says where the
 * path was named. Throws BuildFailed.
 */
export function locate(directory: string, path: string, field: string): string {
  if (remoteFile.test(path)) throw remote(path, field);
  const located = resolve(directory, path);
  if (located === undefined)
    throw new BuildFailed(
      `kustomize build failed: security; path '${shown(path)}' in ${field} of '${directory || "."}' is not in or below the root of the artifact`,
    );
  return located;
}

/** Refuses a directory that kustomize would clone. Asked only where no file has that name: kustomize tries the file first. */
export function refuseRemoteDirectory(path: string, field: string): void {
  if (remoteDirectory.test(path)) throw remote(path, field);
}

/** Whether a path stays in the artifact, for texts of which it is not known yet whether they are one. */
export function isInside(directory: string, path: string): boolean {
  return resolve(directory, path) !== undefined;
}

/** Whether a located path is in or below a directory. */
export function isBelow(path: string, directory: string): boolean {
  return directory === "" || path === directory || path.startsWith(`${directory}/`);
}

/** Joins and cleans as Go's `filepath.Join` does; undefined where the result is not below the artifact's root. */
function resolve(directory: string, path: string): string | undefined {
  if (path.startsWith("/") || path.includes("\0")) return undefined;
  const segments = directory === "" ? [] : directory.split("/");
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) return undefined;
  }
  return segments.join("/");
}

function remote(path: string, field: string): BuildFailed {
  return new BuildFailed(
    `kustomize build failed: ${field} '${shown(path)}': remote bases and remote files cannot be built with this release of Sluice`,
  );
}

/** A path as it may be shown: short, and without a password that a URL holds. */
function shown(path: string): string {
  const plain = path.replace(/\/\/[^/@]*@/, "//***@");
  return plain.length > 200 ? `${plain.slice(0, 200)}...` : plain;
}
