import { posix } from "node:path";
import { parseGoDuration } from "../text/go-duration.ts";

/**
 * A Git repository that a kustomization names as a base, as kustomize 5.8.1 takes such an address apart: `url` is what it would
 * hand to git, `path` is where in the repository the kustomization lies, as it is written; `ref` is empty where the address
 * names none.
 */
export type RepositoryAddress = {
  url: string;
  path: string;
  ref: string;
  submodules: boolean;
  milliseconds: number;
};

/** How long kustomize lets git run where the address does not say. */
const defaultMilliseconds = 27_000;
const schemes = ["ssh://", "https://", "http://", "file://"];

/** Whether kustomize would GET a path rather than read it. Whatever begins with such a scheme is never a path of an artifact. */
export function isRemoteFile(path: string): boolean {
  return /^https?:/i.test(path);
}

/**
 * Reads the address of a repository; undefined where it is none, and kustomize takes it as a path (`NewRepoSpecFromURL`):
 * `https://host/org/repo//path?ref=v1`, `github.com/org/repo/path`, `git@host:org/repo.git`, `ssh://`, `file://`, each with
 * or without `git::` before it.
 */
export function parseRepository(text: string): RepositoryAddress | undefined {
  if (text.startsWith("/")) return undefined;
  const [, address = "", query = ""] = /^([^?]*)\??([\s\S]*)$/.exec(text) ?? [];
  const host = parseHost(address);
  const paths = host && splitPaths(host.rest, host.host.startsWith("file://"));
  if (host === undefined || paths === undefined || paths.repository === "") return undefined;
  const path = paths.path.replace(/^\//, "");
  if (posix.normalize(path === "" ? "." : path).split("/")[0] === "..") return undefined;
  return { url: host.host + paths.repository, path, ...parseQuery(query) };
}

function parseHost(address: string): { host: string; rest: string } | undefined {
  const plain = address.replace(/^git::/i, "");
  let scheme = schemes.find((candidate) => plain.toLowerCase().startsWith(candidate)) ?? "";
  const afterScheme = plain.slice(scheme.length);
  let user = /^[a-zA-Z][a-zA-Z0-9-]*@/.exec(afterScheme)?.[0] ?? "";
  const rest = afterScheme.slice(user.length);
  const isGithub = /^github\.com[/:]/i.test(rest);
  const isScp = scheme === "" && (user !== "" || isGithub);
  if (scheme === "" && !isScp) return undefined;
  if (scheme === "file://") return { host: scheme, rest: user + rest };
  const end = endOfHost(rest, isScp);
  let host = rest.slice(0, end);
  // kustomize has one way to write GitHub with a user, who speaks SSH, and one without.
  if (isGithub) {
    host = scheme === "ssh://" || user !== "" ? "github.com:" : "github.com/";
    if (host === "github.com:") scheme = "";
    else [scheme, user] = ["https://", ""];
  }
  return end === 0 ? undefined : { host: scheme + user + host, rest: rest.slice(end) };
}

/** Where what follows the host begins; 0 where there is no host. In the form of scp a colon ends it. */
function endOfHost(text: string, isScp: boolean): number {
  const slash = text.indexOf("/");
  const colon = text.indexOf(":");
  const byColon = isScp && (slash < 0 || (colon > 0 && colon < slash));
  return (byColon ? colon : slash) + 1;
}

function splitPaths(text: string, isFile: boolean): { repository: string; path: string } | undefined {
  const azure = text.indexOf("_git/");
  if (azure >= 0) {
    const [name = "", ...more] = text.slice(azure + 5).split("/");
    return { repository: text.slice(0, azure + 5) + name, path: more.join("/") };
  }
  const double = text.indexOf("//");
  if (double >= 0) return { repository: text.slice(0, double), path: text.slice(double + 2) };
  const suffix = text.indexOf(".git");
  if (suffix >= 0) return { repository: text.slice(0, suffix + 4), path: text.slice(suffix + 4) };
  if (isFile) return { repository: text, path: "" };
  const segments = text.split("/");
  if (segments.length < 2) return undefined;
  return { repository: segments.slice(0, 2).join("/"), path: segments.slice(2).join("/") };
}

function parseQuery(query: string): { ref: string; submodules: boolean; milliseconds: number } {
  // Go reads nothing of a query that has a semicolon or a broken escape.
  const broken = query.includes(";") || /%(?![0-9a-f]{2})/i.test(query);
  const values = new URLSearchParams(broken ? "" : query);
  return {
    ref: values.get("ref") || values.get("version") || "",
    submodules: !/^(0|f|F|FALSE|false|False)$/.test(values.get("submodules") ?? ""),
    milliseconds: parseTimeout(values.get("timeout") ?? ""),
  };
}

function parseTimeout(text: string): number {
  if (/^\+?\d+$/.test(text) && Number(text) > 0) return Number(text) * 1000;
  try {
    const duration = parseGoDuration(text);
    return duration > 0 ? duration : defaultMilliseconds;
  } catch {
    return defaultMilliseconds;
  }
}
