import { isIP } from "node:net";

/** A repository of a registry: `host` is `host[:port]`, as requests go there. */
export type RepositoryName = { host: string; path: string };

/** Docker Hub goes by three names, and answers to one. */
const hubHosts = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** Components of a path (OCI distribution specification, "Pulling manifests"). */
const pathPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const hostPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:.]+\])(?::\d+)?$/;
const pathLimit = 255;
const toldLimit = 300;

/**
 * Reads `[host[:port]/]path`, without a tag or a digest (OCI-001), as go-containerregistry does: what is before the first slash is
 * a host where it has a dot or a colon or is `localhost`, and else all of it is on Docker Hub, whose images without a
 * namespace are in `library`. Throws a sentence.
 */
export function parseRepositoryName(text: string): RepositoryName {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  const hasHost = first === "localhost" || /[.:]/.test(first);
  const host = hasHost ? first : "index.docker.io";
  const path = hasHost ? text.slice(slash + 1) : text;
  const shown = withoutUser(text);
  const told = (shown === text ? path : shown).slice(0, toldLimit);
  if (text === "") throw new Error("a repository name must be specified");
  if (path.length < 1 || path.length > pathLimit)
    throw new Error(`repository must be between 1 and ${pathLimit} characters in length: ${told}`);
  if (!/^[a-z0-9_\-./]+$/.test(path))
    throw new Error(`repository can only contain the characters \`abcdefghijklmnopqrstuvwxyz0123456789_-./\`: ${told}`);
  if (!hostPattern.test(host) || !URL.canParse(`https://${host}/`))
    throw new Error(
      `registries must be valid RFC 3986 URI authorities: ${(shown === text ? host : shown).slice(0, toldLimit)}`,
    );
  if (!pathPattern.test(path)) throw new Error(`could not parse reference: ${shown.slice(0, toldLimit)}`);
  if (!hubHosts.has(host)) return { host, path };
  return { host: "index.docker.io", path: path.includes("/") ? path : `library/${path}` };
}

/**
 * A name or its address as it may be told: without the user that somebody wrote before the host, where there is none (SEC-012). The `@`
 * of a digest stays.
 */
export function withoutUser(name: string): string {
  const [, scheme = "", rest = ""] = /^([a-z]+:\/\/)?(.*)$/is.exec(name) ?? [];
  const [digest = ""] = /@sha\d+:[0-9a-f]*$/i.exec(rest) ?? [];
  const bare = rest.slice(0, rest.length - digest.length);
  return `${scheme}${bare.slice(bare.lastIndexOf("@") + 1)}${digest}`;
}

/** Where requests for a host go: Docker Hub's registry has another name than its images. */
export function requestHost(host: string): string {
  return host === "index.docker.io" ? "registry-1.docker.io" : host;
}

/**
 * Whether a registry is on this machine or in a private network by its very name: such a one may speak plain HTTP without anybody
 * having said so, as for go-containerregistry.
 */
export function isLocalHost(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  if (/\.local(?:host)?$/.test(name) || name === "[::1]" || (name === "localhost" && name !== host)) return true;
  if (isIP(name) !== 4) return false;
  const [a = 0, b = 0] = name.split(".").map(Number);
  return name === "127.0.0.1" || a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168);
}
