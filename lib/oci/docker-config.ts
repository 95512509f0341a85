import { isFields } from "../text/fields.ts";
import { matchBeginning } from "../text/shell-pattern.ts";
import type { RegistryCredentials } from "./authentication.ts";
import type { RepositoryName } from "./repository-name.ts";

/** One entry of a Docker configuration, its `auth` decoded. */
export type DockerAuth = { username: string; password: string; identityToken: string; registryToken: string };

/** Entries of Docker configurations by the address that they are for, in the order in which they were read. */
export type DockerConfig = readonly (readonly [address: string, auth: DockerAuth])[];

/**
 * Reads the entries of a Docker configuration: `{"auths": {...}}` of kubernetes.io/dockerconfigjson, or with `legacy` the bare map of
 * kubernetes.io/dockercfg. Throws a sentence that quotes nothing.
 */
export function readDockerConfig(text: string, { legacy = false }: { legacy?: boolean } = {}): DockerConfig {
  const config = parsed(text);
  const auths = legacy || !isFields(config) ? config : (config.auths ?? {});
  if (!isFields(auths)) throw new Error("the Docker configuration has no map of registries");
  return Object.entries(auths).map(([address, entry]) => {
    if (!isFields(entry)) throw new Error("an entry of the Docker configuration is not an object");
    const text = (name: string) => {
      const value = entry[name];
      return typeof value === "string" ? value : "";
    };
    const auth = text("auth");
    const own = auth === "" ? { username: text("username"), password: text("password") } : decodeAuth(auth);
    return [address, { ...own, identityToken: text("identitytoken"), registryToken: text("registrytoken") }];
  });
}

/** Decodes `auth`: base64 of `username:password`. Throws a sentence. */
function decodeAuth(auth: string): { username: string; password: string } {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(auth.replaceAll(/[\r\n]/g, "")))
    throw new Error("unable to decode auth field: illegal base64 data");
  const decoded = Buffer.from(auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon === -1) throw new Error("unable to decode auth field: must be formatted as base64(username:password)");
  // Docker once padded with zeros.
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/^\0+|\0+$/g, "") };
}

/**
 * The credentials for a repository (OCI-017): of the entries whose host is the repository's, `*` standing for a part of a name, and
 * whose path its path begins with, the most specific; of two alike the first. Undefined for anonymous access.
 */
export function credentialsFor(config: DockerConfig, { host, path }: RepositoryName): RegistryCredentials | undefined {
  const keyed = new Map<string, DockerAuth>();
  for (const [address, auth] of config) {
    const key = keyOf(address);
    if (!keyed.has(key)) keyed.set(key, auth);
  }
  const byLength = [...keyed].sort(([a], [b]) => Buffer.compare(Buffer.from(b), Buffer.from(a)));
  const found = byLength.find(([key]) => isFor(key, host, `/${path}`))?.[1];
  if (found === undefined) return undefined;
  const { username, password, identityToken, registryToken } = found;
  if (registryToken !== "") return { registryToken };
  if (identityToken !== "") return { identityToken };
  return username === "" && password === "" ? undefined : { username, password };
}

/** Docker once wrote addresses with a scheme and the version of the API; Docker Hub's has three names. */
function keyOf(address: string): string {
  const [, host = "", path = ""] = /^(?:https?:\/\/)?([^/]*)(.*)$/s.exec(address) ?? [];
  const below = path.replace(/^\/v[12]\//, "/");
  return `${host === "docker.io" ? "index.docker.io" : host}${below === "/" ? "" : below}`;
}

function isFor(key: string, host: string, path: string): boolean {
  const slash = key.indexOf("/");
  const [pattern, prefix] = slash < 0 ? [key, ""] : [key.slice(0, slash), key.slice(slash)];
  const [wanted, given] = [splitHost(pattern), splitHost(host)];
  return (
    wanted.port === given.port &&
    wanted.parts.length === given.parts.length &&
    path.startsWith(prefix) &&
    wanted.parts.every((part, index) => matchesPart(part, given.parts[index] ?? ""))
  );
}

function splitHost(host: string): { parts: string[]; port: string } {
  const [, name = host, port = ""] = /^(.*?)(?::(\d+))?$/s.exec(host) ?? [];
  return { parts: name.split("."), port };
}

function matchesPart(pattern: string, part: string): boolean {
  const points = [...part].map((character) => character.codePointAt(0) ?? 0);
  return pattern === part || (points.length > 0 && matchBeginning(pattern, points, "longest") === points.length);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words may quote a password.
    throw new Error("the Docker configuration is not valid JSON");
  }
}
