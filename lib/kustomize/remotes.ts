import { type OpenArtifact, selectPath } from "./artifact.ts";
import { BuildFailed } from "./build-failed.ts";
import { completeKustomization } from "./complete.ts";
import { planBuild } from "./plan.ts";
import { surveyReach } from "./reach.ts";
import {
  type FetchRemote,
  keyOf,
  type RemoteContent,
  type RemoteReference,
  type UsedRemote,
} from "./remote-content.ts";
import type { BuildSpec } from "./spec.ts";

/** An artifact with all that its kustomizations name beyond it, and what that is, for the next pass to compare. */
export type ResolvedArtifact = { artifact: OpenArtifact; remotes: UsedRemote[] };

/** What one build may fetch: number of references, and bytes of all that they lead to. */
export type RemoteLimits = { references: number; bytes: number };

const defaults: RemoteLimits = { references: 100, bytes: 512 * 1024 * 1024 };
/** How many are fetched at a time. */
const concurrency = 4;

/**
 * Fetches what the kustomization at `spec.path`, and any that it reaches, names beyond the artifact (KS-071), so that
 * `inputDigest` and `build` find it. What one round brings may name more, which the next round fetches: bases in bases. Without
 * a reference it gives the artifact back as it is, with a plan that the build takes up. Throws PathNotFound, BuildFailed beyond a limit, and
 * the signal's reason; every other failure is left to the build, which tells it.
 */
export async function resolveRemotes(
  artifact: OpenArtifact,
  spec: BuildSpec,
  fetchRemote: FetchRemote,
  signal: AbortSignal,
  limits: Partial<RemoteLimits> = {},
): Promise<ResolvedArtifact> {
  const allowed = { ...defaults, ...limits };
  const remotes = new Map<string, RemoteContent>();
  const used: UsedRemote[] = [];
  for (let resolved = artifact; ; resolved = { ...artifact, remotes: new Map(remotes) }) {
    const references = unresolvedOf(resolved, spec);
    if (references.length === 0) return { artifact: resolved, remotes: used };
    if (remotes.size + references.length > allowed.references)
      throw new BuildFailed(`kustomize build failed: more than ${allowed.references} remote bases and files are named`);
    for (const [reference, content] of await fetchAll(references, fetchRemote, signal)) {
      remotes.set(keyOf(reference), content);
      if ("revision" in content) used.push(usedRemote(reference, content));
    }
    if (sizeOf(remotes.values()) > allowed.bytes)
      throw new BuildFailed(`kustomize build failed: remote bases and files have more than ${allowed.bytes} bytes`);
  }
}

/** What a build would have to fetch. One that fails before it comes to that has nothing, and one that can be planned lacks nothing. */
function unresolvedOf(artifact: OpenArtifact, spec: BuildSpec): RemoteReference[] {
  if (!("failure" in planBuild(artifact, spec))) return [];
  const directory = selectPath(artifact, spec.path);
  try {
    const { fileName, kustomization } = completeKustomization(artifact, directory, spec);
    const { unresolved } = surveyReach(artifact, directory, fileName, kustomization);
    return [...unresolved.values()].map(({ reference }) => reference);
  } catch (error) {
    if (error instanceof BuildFailed) return [];
    throw error;
  }
}

async function fetchAll(
  references: readonly RemoteReference[],
  fetchRemote: FetchRemote,
  signal: AbortSignal,
): Promise<[RemoteReference, RemoteContent][]> {
  const waiting = [...references.entries()];
  const found: [RemoteReference, RemoteContent][] = [];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      signal.throwIfAborted();
      const [index, reference] = next;
      found[index] = [reference, await fetchRemote(reference, signal)];
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return found;
}

/** What is noted of it is stored, so a password that is in its address is not: the next pass looks anew if it is asked for one. */
function usedRemote(named: RemoteReference, content: Extract<RemoteContent, { revision: string }>): UsedRemote {
  const { revision } = content;
  const reference = { ...named, url: named.url.replace(/^([a-z]+:\/\/)[^/?#]*@/i, "$1") };
  return content.type === "file" && content.tag !== undefined
    ? { reference, revision, tag: content.tag }
    : { reference, revision };
}

function sizeOf(contents: Iterable<RemoteContent>): number {
  let size = 0;
  for (const content of contents) {
    if (content.type === "file") size += content.bytes.length;
    if (content.type === "repository") size += content.bytes;
  }
  return size;
}
