import type { GitTree } from "../../git/fetch-tree.ts";
import { GitError } from "../../git/git-error.ts";

/** Fetches the tree of one commit. */
export type FetchModule = (url: string, commit: string, signal: AbortSignal) => Promise<GitTree>;

/** Submodules of one repository, with those of its submodules. */
const countLimit = 50;
const depthLimit = 5;
/** Bytes of a repository with all its submodules. */
const byteLimit = 256 * 1024 * 1024;

/**
 * Fetches the submodules of a tree, and theirs, into it, as `git submodule update --init --recursive` lays them out. Throws GitError
 * for one that cannot be fetched, or has no address.
 */
export async function addSubmodules(
  tree: GitTree,
  url: string,
  fetchModule: FetchModule,
  signal: AbortSignal,
): Promise<void> {
  let count = 0;
  const add = async (into: GitTree, of: string, depth: number): Promise<void> => {
    const urls = readModules(into);
    for (const [path, commit] of into.submodules) {
      const named = urls.get(path);
      if (named === undefined)
        throw new GitError("invalid", `no url found for submodule path '${path}' in .gitmodules`);
      if (++count > countLimit || depth > depthLimit)
        throw new GitError(
          "too-large",
          `the repository has more than ${countLimit} submodules, or ${depthLimit} in one another`,
        );
      const address = addressOf(named, of);
      const module = await fetchModule(address, commit, signal);
      await add(module, address, depth + 1);
      graft(into, path, module);
      if (into.bytes > byteLimit)
        throw new GitError("too-large", `the repository and its submodules have more than ${byteLimit} bytes`);
    }
    into.submodules.clear();
  };
  await add(tree, url, 1);
}

/** URLs by paths, from Git's own configuration format (git-config, gitmodules). */
function readModules(tree: GitTree): Map<string, string> {
  const text = Buffer.from(tree.files.get(".gitmodules")?.content ?? new Uint8Array()).toString("utf8");
  const urls = new Map<string, string>();
  for (const section of text.split(/^[ \t]*\[submodule[ \t]+"/m).slice(1)) {
    const own = section.split(/^[ \t]*\[/m, 1)[0] ?? "";
    const path = settingOf(own, "path");
    const url = settingOf(own, "url");
    if (path !== undefined && url !== undefined) urls.set(path.replace(/\/+$/, ""), url);
  }
  return urls;
}

function settingOf(section: string, key: string): string | undefined {
  const value = new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*(.*?)[ \\t]*$`, "im").exec(section)?.[1];
  return value?.replace(/^"(.*)"$/, "$1");
}

/** A relative address is one beside the repository's own. */
function addressOf(named: string, url: string): string {
  if (!/^\.\.?\//.test(named)) return named;
  const base = new URL(url);
  return new URL(named, `${base.origin}${base.pathname.replace(/\/+$/, "")}/`).href;
}

function graft(tree: GitTree, path: string, module: GitTree): void {
  for (const [name, file] of module.files) tree.files.set(`${path}/${name}`, file);
  for (const name of module.directories) if (name !== "") tree.directories.add(`${path}/${name}`);
  for (const [name, target] of module.links) tree.links.set(`${path}/${name}`, target);
  tree.bytes += module.bytes;
}
