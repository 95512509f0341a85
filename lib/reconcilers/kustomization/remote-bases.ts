import { createHash } from "node:crypto";
import { concurrently } from "../../cluster/concurrently.ts";
import type { Context } from "../../engine/reconciler.ts";
import { fetchTree, type GitTree, resolveFetch } from "../../git/fetch-tree.ts";
import { followLinks } from "../../git/follow-links.ts";
import { GitError } from "../../git/git-error.ts";
import { toldUrl } from "../../git/git-source.ts";
import type { HttpRemote } from "../../git/http-transport.ts";
import type { GitLimits } from "../../git/limits.ts";
import type { OpenArtifact } from "../../kustomize/artifact.ts";
import type { RemoteContent, RemoteFile, RemoteRepository, UsedRemote } from "../../kustomize/remote-content.ts";
import { type ResolvedArtifact, resolveRemotes } from "../../kustomize/remotes.ts";
import type { BuildSpec } from "../../kustomize/spec.ts";
import { type Answer, get } from "../../platform/http.ts";
import { messageOf } from "../../text/error-message.ts";
import { addSubmodules } from "./submodules.ts";

/** What one remote may cost. `seconds` bounds whatever an address allows itself by `?timeout=`. */
type RemoteBounds = { fileBytes: number; seconds: number; git: Partial<GitLimits> };

const bounds: RemoteBounds = {
  fileBytes: 16 * 1024 * 1024,
  seconds: 60,
  git: {
    pack: 64 * 1024 * 1024,
    object: 32 * 1024 * 1024,
    unpacked: 1024 * 1024 * 1024,
    kept: 32 * 1024 * 1024,
    files: 100_000,
    content: 256 * 1024 * 1024,
  },
};

/** As many as Go's HTTP client follows. */
const redirects = 10;

/**
 * Fetches what the kustomizations of an artifact name beyond it (KS-071, SN-05), unless `--no-remote-bases` forbids it: the build
 * refuses them then. Throws as `resolveRemotes`.
 */
export async function withRemoteBases(
  artifact: OpenArtifact,
  spec: BuildSpec,
  { settings, signal }: Pick<Context, "settings" | "signal">,
): Promise<ResolvedArtifact> {
  if (settings.noRemoteBases) return { artifact, remotes: [] };
  return resolveRemotes(artifact, spec, fetchRemote, signal);
}

/**
 * Whether remotes lead to what they led to, at the cost of one listing of references or one conditional GET for each; a commit
 * that is named by its id does not move. False also where that cannot be told: the build will say why.
 */
export async function remotesAreCurrent(remotes: readonly UsedRemote[], signal: AbortSignal): Promise<boolean> {
  const current = await concurrently(remotes, 4, (remote) => isCurrent(remote, signal));
  return current.every((one) => one);
}

async function isCurrent({ reference, revision, tag }: UsedRemote, signal: AbortSignal): Promise<boolean> {
  try {
    if (reference.type === "repository") {
      const limited = timed(reference.milliseconds, signal);
      return revision === `sha1:${await resolveFetch(remoteOf(reference.url), reference.ref, bounds.git, limited)}`;
    }
    const answer = await getFile(reference.url, timed(bounds.seconds * 1000, signal), tag);
    return answer.status === 304 || (isFound(answer) && revision === digestOf(answer.body));
  } catch (error) {
    if (signal.aborted) throw error;
    return false;
  }
}

/** Fetches a file or the tree of a repository, without any credentials of Sluice's own, from an address that a tenant chose (TM-008). */
export async function fetchRemote(
  reference: RemoteFile | RemoteRepository,
  signal: AbortSignal,
): Promise<RemoteContent> {
  const allowed = reference.type === "file" ? bounds.seconds * 1000 : reference.milliseconds;
  const limited = timed(allowed, signal);
  try {
    return await (reference.type === "file" ? fetchFile(reference, limited) : fetchRepository(reference, limited));
  } catch (error) {
    signal.throwIfAborted();
    if (limited.aborted) return { type: "failure", reason: `hit ${Math.min(allowed / 1000, bounds.seconds)}s timeout` };
    return { type: "failure", reason: messageOf(error) };
  }
}

function timed(milliseconds: number, signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(Math.min(milliseconds, bounds.seconds * 1000))]);
}

async function fetchFile({ url }: RemoteFile, signal: AbortSignal): Promise<RemoteContent> {
  const known = files.get(url);
  const answer = await getFile(url, signal, known?.tag);
  if (answer.status === 304 && known !== undefined) return known;
  files.delete(url);
  if (!isFound(answer)) return { type: "status", status: answer.status };
  const { body: bytes, tag } = answer;
  if (tag === undefined) return { type: "file", bytes, revision: digestOf(bytes) };
  const content = { type: "file" as const, bytes, revision: digestOf(bytes), tag };
  keep(files, url, content, bytes.length);
  return content;
}

function getFile(url: string, signal: AbortSignal, tag: string | undefined): Promise<Answer> {
  // Twice: the page in front of a repository may be an error that lasts.
  const options = { limit: bounds.fileBytes, signal, redirects, attempts: 2 };
  return get(url, tag === undefined ? options : { ...options, knownTag: tag });
}

async function fetchRepository(reference: RemoteRepository, signal: AbortSignal): Promise<RemoteContent> {
  const remote = remoteOf(reference.url);
  const commit = await resolveFetch(remote, reference.ref, bounds.git, signal);
  const key = `${reference.submodules} ${commit} ${reference.url}`;
  const known = trees.get(key);
  if (known !== undefined) return known;
  const tree = await fetchTree(remote, commit, bounds.git, signal);
  if (reference.submodules && tree.submodules.size > 0) await addSubmodules(tree, reference.url, fetchModule, signal);
  const content = {
    type: "repository" as const,
    tree: followLinks(tree),
    revision: `sha1:${commit}`,
    bytes: tree.bytes,
  };
  keep(trees, key, content, tree.bytes);
  return content;
}

function fetchModule(url: string, commit: string, signal: AbortSignal): Promise<GitTree> {
  return fetchTree(remoteOf(url), commit, bounds.git, signal);
}

/** What proves who asks is what the address itself holds, as git takes it from there. */
function remoteOf(url: string): HttpRemote {
  if (!/^https?:\/\//i.test(url))
    throw new GitError(
      "unsupported",
      `${toldUrl(url)}: repositories are fetched over https and http alone by this release of Sluice`,
    );
  const { username, password } = new URL(url);
  if (username === "" && password === "") return { url };
  return { url, credentials: { username: decodeURIComponent(username), password: decodeURIComponent(password) } };
}

function isFound({ status }: Answer): boolean {
  return status >= 200 && status <= 299;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/**
 * What was fetched, kept by what cannot change: a tree by its commit; a file that the server is asked about each time. It is read by
 * whoever names the same address, with the same credentials in it.
 */
const files = new Map<string, Extract<RemoteContent, { type: "file" }>>();
const trees = new Map<string, Extract<RemoteContent, { type: "repository" }>>();
/** Bytes of what is kept at most, of each kind. */
const keptLimit = 32 * 1024 * 1024;
const sizes = new WeakMap<RemoteContent, number>();

function keep<T extends RemoteContent>(kept: Map<string, T>, key: string, content: T, size: number): void {
  if (size > keptLimit) return;
  kept.delete(key);
  kept.set(key, content);
  sizes.set(content, size);
  let total = 0;
  for (const each of kept.values()) total += sizes.get(each) ?? 0;
  for (const [oldest, each] of kept) {
    if (total <= keptLimit) return;
    kept.delete(oldest);
    total -= sizes.get(each) ?? 0;
  }
}
