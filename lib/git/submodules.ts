import { GitError } from "./git-error.ts";
import type { GitRemote } from "./git-remote.ts";
import { toldUrl } from "./git-source.ts";
import { parseModules } from "./gitmodules.ts";
import { childOf } from "./graft.ts";
import { type Directory, type Node, objectOf } from "./worktree.ts";

/** Submodules in submodules (GIT-106). */
const depthLimit = 10;
/** Submodules of one repository, with theirs. */
const countLimit = 256;
/** Bytes of a .gitmodules file. */
const fileLimit = 1024 * 1024;

/** Fetches the tree of one commit of a submodule. */
export type FetchModule = (url: string, commit: string) => Promise<Directory>;

/**
 * Puts the submodules of a tree, and theirs, where they are recorded (GIT-105, GE-010). What no .gitmodules file of the tree names
 * stays an empty directory. Throws GitError for a submodule that cannot be fetched, and `too-large` beyond the bounds.
 */
export async function addSubmodules(root: Directory, url: string, fetchModule: FetchModule): Promise<void> {
  let count = 0;
  const add = async (into: Directory, base: string, depth: number): Promise<void> => {
    const done = new Set<string>();
    for (const { path, url: named } of modulesOf(into)) {
      const place = placeOf(into, path);
      if (place === undefined || done.has(path)) continue;
      done.add(path);
      if (depth > depthLimit)
        throw new GitError(
          "too-large",
          `the repository has submodules that are more than ${depthLimit} in one another`,
        );
      if (++count > countLimit)
        throw new GitError("too-large", `the repository has more than ${countLimit} submodules`);
      const address = moduleUrl(base, named, path);
      const { children } = await fetched(path, address, place.commit, fetchModule);
      const module: Directory = { type: "directory", name: place.name, children };
      place.put(module);
      await add(module, address, depth + 1);
    }
  };
  await add(root, url, 1);
}

async function fetched(path: string, url: string, commit: string, fetchModule: FetchModule): Promise<Directory> {
  try {
    return await fetchModule(url, commit);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    throw new GitError(error.code, `submodule '${path}' at '${toldUrl(url)}': ${error.message}`, { cause: error });
  }
}

function modulesOf(root: Directory): { path: string; url: string }[] {
  const file = childOf(root, Buffer.from(".gitmodules"));
  if (file?.type !== "file" && file?.type !== "executable") return [];
  if ((file.from.stat(file.id)?.size ?? 0) > fileLimit)
    throw new GitError("too-large", `.gitmodules is larger than ${fileLimit} bytes`);
  return parseModules(objectOf(file.from, file.id, "blob").content.toString("utf8"));
}

/** The place of a submodule that a path leads to, through directories alone. */
function placeOf(
  root: Directory,
  path: string,
): { name: Buffer; commit: string; put(module: Directory): void } | undefined {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  let directory = root;
  for (const [index, part] of parts.entries()) {
    const { children } = directory;
    const node: Node | undefined = childOf(directory, Buffer.from(part));
    if (node?.type === "submodule" && index === parts.length - 1)
      return { name: node.name, commit: node.id, put: (module) => children.splice(children.indexOf(node), 1, module) };
    if (node?.type !== "directory") return undefined;
    directory = node;
  }
  return undefined;
}

/**
 * The address of a submodule: a relative one begins at the repository that names it, and stays at its server; `user@host:path` is
 * SSH (gitmodules, git-clone). Throws GitError `invalid` for one that leads elsewhere.
 */
export function moduleUrl(base: string, named: string, path: string): string {
  const refused = (why: string): GitError => new GitError("invalid", `the address of submodule '${path}' ${why}`);
  try {
    if (/^\.\.?(\/|$)/.test(named)) {
      const from = new URL(base);
      from.search = "";
      from.hash = "";
      from.pathname = `${from.pathname.replace(/\/+$/, "")}/`;
      return new URL(named, from).href.replace(/\/+$/, "");
    }
    const short = /^([\w.-]+@)?(\[[\da-f:]+\]|[\w.-]+):(?!\/\/)(.+)$/i.exec(named);
    const address =
      short === null ? named : `ssh://${short[1] ?? ""}${short[2]}/${(short[3] ?? "").replace(/^\//, "")}`;
    if (!/^(https?|ssh):$/.test(new URL(address).protocol))
      throw refused("is neither relative nor of http, https or ssh");
    return address;
  } catch (error) {
    if (error instanceof GitError) throw error;
    throw refused("is neither relative nor a URL");
  }
}

/**
 * How a submodule is reached: as the repository that it belongs to, with the same credentials (GIT-071). Throws GitError
 * `invalid` where these are of no use to its scheme, or would travel unencrypted where the repository's own do not.
 */
export function moduleRemote(parent: GitRemote, url: string): GitRemote {
  const scheme = new URL(url).protocol;
  if (parent.ssh !== undefined) {
    if (scheme === "ssh:") return { ...parent, url };
    return parent.outbound === undefined ? { url } : { url, ...{ outbound: parent.outbound } };
  }
  if (scheme === "ssh:")
    throw new GitError("invalid", "a submodule that is reached by ssh cannot be fetched with credentials for https");
  if (parent.sign !== undefined) return signedRemote(parent, parent.sign, url);
  if (parent.credentials !== undefined && scheme === "http:" && new URL(parent.url).protocol === "https:")
    throw new GitError("invalid", "a submodule that is reached by http must not be sent the credentials for https");
  return { ...parent, url };
}

/** A signature is of one repository (GIT-067), a provider's token of one server: another server gets neither. */
function signedRemote(parent: GitRemote, sign: NonNullable<GitRemote["sign"]>, url: string): GitRemote {
  const to = new URL(url);
  if (to.origin === new URL(parent.url).origin) return { ...parent, url, credentials: sign(to) };
  const { sign: _sign, credentials: _credentials, ...others } = parent;
  return { ...others, url };
}
