/** A repository of a registry: `host` is `host[:port]`, as requests go there. */
export type RepositoryName = { host: string; path: string };

/** Docker Hub goes by three names, and answers to one. */
const hubHosts = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** Components of a path (OCI distribution specification, "Pulling manifests"). */
const pathPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const hostPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:.]+\])(?::\d+)?$/;

/**
 * Reads `host[:port]/path`, without a tag or a digest (OCI-001). Images of Docker Hub that have no namespace are in `library`.
 * Throws a sentence.
 */
export function parseRepositoryName(text: string): RepositoryName {
  const slash = text.indexOf("/");
  const host = slash < 0 ? "" : text.slice(0, slash);
  const path = text.slice(slash + 1);
  if (!hostPattern.test(host)) throw new Error(`could not parse reference: ${text.slice(0, 300)}`);
  if (text.length > 500 || !pathPattern.test(path)) throw new Error(`could not parse reference: ${text.slice(0, 300)}`);
  if (!hubHosts.has(host)) return { host, path };
  return { host: "index.docker.io", path: path.includes("/") ? path : `library/${path}` };
}

/** Where requests for a host go: Docker Hub's registry has another name than its images. */
export function requestHost(host: string): string {
  return host === "index.docker.io" ? "registry-1.docker.io" : host;
}
