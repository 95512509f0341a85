import { posix } from "node:path";
import { parseRepository } from "./remote-address.ts";
import { type Clone, tellAddress, tellClone } from "./walk.ts";

/** Where fetched repositories and files lie in a build, by the names that they have there. */
export type RemoteNames = { clones: ReadonlyMap<string, Clone>; downloads: ReadonlyMap<string, string> };

const inText = /(?:[^\s'"`:]*\/)?(\.remote-[0-9a-f]{16})((?:\/[^\s'"`:]*)?)/g;

/** Tells the addresses of repositories and files in a text of kustomize, which knows where they lie in the build. */
export function tellRemotes(text: string, { clones, downloads }: RemoteNames): string {
  if (clones.size + downloads.size === 0) return text;
  return text.replace(inText, (found, name: string, path: string) => {
    const clone = clones.get(name);
    if (clone !== undefined) return path === ownPath(clone) ? tellAddress(clone.address) : tellClone(clone, path);
    const url = downloads.get(name);
    return url === undefined ? found : tellAddress(url);
  });
}

/** What kustomize notes as the path of a repository's root: its own placeholder for where that is cloned to. */
const placeholder = "notCloned";
const annotation = /^ +(?:config\.kubernetes\.io\/origin|alpha\.config\.kubernetes\.io\/transformations): \|$/;
const originPath = /^( +(?:- )?)(path|configuredIn): (.*)$/;

/**
 * Rewrites the annotations of rendered YAML in which kustomize notes where objects are from (KS-054, KS-059): what lies in a
 * fetched repository has its URL, reference and path there, as kustomize notes for one that it cloned.
 */
export function tellOrigins(yaml: string, names: RemoteNames): string {
  if (names.clones.size + names.downloads.size === 0) return yaml;
  let indentation = -1;
  return yaml
    .split("\n")
    .flatMap((line) => {
      if (annotation.test(line)) indentation = line.search(/\S/);
      else if (line.search(/\S/) <= indentation) indentation = -1;
      const [, start = "", field, path] = indentation < 0 ? [] : (originPath.exec(line) ?? []);
      const origin = path === undefined ? undefined : originOf(path, names);
      if (origin === undefined) return [line];
      const lines = Object.entries({ repo: origin.repo, ref: origin.ref });
      const own: [string, string][] = [[String(field), origin.path]];
      const ordered = field === "path" ? [...own, ...lines] : [...lines, ...own];
      const more = start.replace("-", " ");
      return ordered
        .filter(([, value]) => value !== "")
        .map(([key, value], index) => `${index === 0 ? start : more}${key}: ${value}`);
    })
    .join("\n");
}

/** What kustomize would note of a path (`Origin.Append`). */
function originOf(path: string, names: RemoteNames): { path: string; repo: string; ref: string } | undefined {
  const segments = path.split("/");
  const url = names.downloads.get(segments.at(-1) ?? "");
  const file = url === undefined ? undefined : parseRepository(url);
  if (file !== undefined) return { path: clean(file.path) || placeholder, repo: withoutUser(file.url), ref: file.ref };
  const told = url === undefined ? path : posix.join(posix.dirname(path), url);
  const at = segments.findLastIndex((segment) => names.clones.has(segment));
  const clone = names.clones.get(segments[at] ?? "");
  if (clone === undefined) return url === undefined ? undefined : { path: told, repo: "", ref: "" };
  const { url: repo, ref, path: root } = clone.repository;
  const below = told.split("/").slice(at + 1);
  const noted = clean(root) === "" ? posix.join(placeholder, ...below) : below.join("/");
  return { path: noted, repo: withoutUser(repo), ref };
}

/** kustomize would note a password, too, which then is in the cluster for all to read. */
function withoutUser(url: string): string {
  return url.replace(/^(https?:\/\/)[^/?#]*@/i, "$1");
}

function clean(path: string): string {
  return posix.join("/", path).replace(/\/$/, "").slice(1);
}

function ownPath({ repository }: Clone): string {
  const path = clean(repository.path);
  return path === "" ? "" : `/${path}`;
}
