import { createHash } from "node:crypto";
import { STATUS_CODES } from "node:http";
import { posix } from "node:path";
import { isFields } from "../text/fields.ts";
import { parseYamlDocuments } from "../text/yaml.ts";
import { BuildFailed } from "./build-failed.ts";
import { isRemoteFile, parseRepository, type RepositoryAddress } from "./remote-address.ts";
import { keyOf, type RemoteContent, type RemoteReference } from "./remote-content.ts";
import { type Clone, cloneAt, tellAddress, tellClone, type Unresolved, type Walk } from "./walk.ts";

/** Repositories that name one another: more than any layering of bases, and an end to a server that makes ever new ones. */
const depthLimit = 8;

/** A fetched file, and the name in the naming kustomization's directory that it is put under. */
export type FoundFile = { name: string; bytes: Uint8Array };

/** A fetched file, or where the base is that a fetched repository holds. */
export type FoundBase = FoundFile | { located: string };

/** A file by its address; undefined where it was not fetched. Throws BuildFailed where there is none. */
export function findFile(walk: Walk, url: string, field: string): FoundFile | undefined {
  const content = contentOf(walk, { type: "file", url }, url, field);
  if (content === undefined) return undefined;
  if (content.type === "file") return { name: putFile(walk, url), bytes: content.bytes };
  throw new BuildFailed(`kustomize build failed: loading ${field} '${tellAddress(url)}': ${whyNoFile(content, url)}`);
}

/**
 * What an http or https address among the resources stands for: a file, where the server has one that holds objects, else a
 * repository, as kustomize tries them. Undefined where it was not fetched. Throws BuildFailed where there is neither.
 */
export function findBase(walk: Walk, directory: string, url: string, field: string): FoundBase | undefined {
  const content = contentOf(walk, { type: "file", url }, url, field);
  if (content === undefined) return undefined;
  const file = content.type === "file" ? { name: putFile(walk, url), bytes: content.bytes } : undefined;
  const looks = file === undefined ? "absent" : looksLike(file.bytes);
  const repository = parseRepository(url);
  if (file !== undefined && (repository === undefined || looks === "objects")) return file;
  const told = `accumulating resources from '${tellAddress(url)}'`;
  if (repository === undefined)
    throw new BuildFailed(`kustomize build failed: accumulating resources: ${told}: ${whyNoFile(content, url)}`);
  const found = contentOf(walk, referenceTo(repository), url, field);
  // kustomize says itself what is wrong with a file that is no YAML, where there is no repository either.
  if (file !== undefined && looks === "nothing" && found !== undefined && found.type !== "repository") return file;
  const why = file === undefined ? whyNoFile(content, url) : "missing Resource metadata";
  const wrap = `kustomize build failed: accumulating resources: accumulation err='${told}: ${why}': `;
  return findRepository(walk, directory, url, field, wrap);
}

/** The base in a repository; undefined where it was not fetched. Throws BuildFailed, its text after `wrap`. */
export function findRepository(
  walk: Walk,
  directory: string,
  address: string,
  field: string,
  wrap = `kustomize build failed: ${field}: `,
): { located: string } | undefined {
  const repository = parseRepository(address);
  if (repository === undefined) throw new BuildFailed(`${wrap}'${tellAddress(address)}' is no address of a repository`);
  const within = cloneAt(walk, directory);
  refuseCircle(within, address, wrap);
  const content = contentOf(walk, referenceTo(repository), address, field);
  if (content === undefined) return undefined;
  if (content.type !== "repository") {
    const reason = content.type === "failure" ? content.reason : "there is no repository";
    throw new BuildFailed(`${wrap}failed to fetch '${tellAddress(repository.url)}': ${reason}`);
  }
  const clone = { directory: nameFor(directory, address), address, repository, tree: content.tree, within };
  walk.clones.set(clone.directory, clone);
  const path = posix.join("/", repository.path).slice(1).replace(/\/$/, "");
  if (content.tree.files.has(path))
    throw new BuildFailed(`${wrap}'${tellClone(clone, `/${path}`)}' refers to a file; expecting directory`);
  if (!content.tree.directories.has(path))
    throw new BuildFailed(`${wrap}lstat ${tellClone(clone, `/${path}`)}: no such file or directory`);
  return { located: posix.join(clone.directory, path) };
}

/** Refuses what was not fetched in the words of Flux's `--no-remote-bases`, which is what keeps it from being so. */
export function refuseUnresolved({ address, field }: Unresolved): never {
  const told = tellAddress(address);
  throw new BuildFailed(
    `kustomize build failed: ${field} '${told}': fs-security-constraint abs ${told}: path '${told}' is not in or below the root of the artifact, and remote bases are disabled`,
  );
}

/** Refuses a text that may be an address, in a place where nothing is fetched: kustomize must not come to try. */
export function refuseAddress(text: string, field: string): void {
  if (!isRemoteFile(text)) return;
  throw new BuildFailed(`kustomize build failed: ${field} '${tellAddress(text)}' is neither an object nor an address`);
}

function contentOf(walk: Walk, reference: RemoteReference, address: string, field: string): RemoteContent | undefined {
  if (reference.type === "repository" && /^file:/i.test(reference.url))
    return { type: "failure", reason: "a repository by its path is not of the artifact" };
  const key = keyOf(reference);
  const content = walk.artifact.remotes?.get(key);
  if (content === undefined) walk.unresolved.set(key, { reference, address, field });
  return content;
}

function referenceTo({ url, ref, submodules, milliseconds }: RepositoryAddress): RemoteReference {
  return { type: "repository", url, ref: ref === "" ? "HEAD" : ref, submodules, milliseconds };
}

/** Told by the address, so that the digest of a build is another one where the address is. */
function nameFor(...parts: string[]): string {
  return `.remote-${createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16)}`;
}

function putFile(walk: Walk, url: string): string {
  const name = nameFor(url);
  walk.downloads.set(name, url);
  return name;
}

/** kustomize's own rule: a repository may not name one that a repository on the way to it was named by. */
function refuseCircle(within: Clone | undefined, address: string, wrap: string): void {
  let depth = 0;
  for (let clone = within; clone !== undefined; clone = clone.within) {
    if (clone.address.startsWith(address))
      throw new BuildFailed(
        `${wrap}cycle detected: URI '${tellAddress(address)}' referenced by previous URI '${tellAddress(clone.address)}'`,
      );
    depth += 1;
  }
  if (depth >= depthLimit)
    throw new BuildFailed(`${wrap}more than ${depthLimit} repositories are named by one another`);
}

function whyNoFile(content: RemoteContent, url: string): string {
  if (content.type === "failure") return content.reason;
  if (content.type !== "status") return "there is no file";
  if (parseRepository(url) !== undefined) return "URL is a git repository";
  return `HTTP Error: status code ${content.status} (${STATUS_CODES[content.status] ?? ""})`;
}

/** What kustomize could take a file for, as far as that tells it from a page about a repository. */
function looksLike(bytes: Uint8Array): "objects" | "other" | "nothing" {
  try {
    const documents = parseYamlDocuments(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const isObject = (document: unknown) => isFields(document) && typeof document.kind === "string";
    return documents.every((document) => document === null || isObject(document)) ? "objects" : "other";
  } catch {
    return "nothing";
  }
}
