import { createHash } from "node:crypto";
import type { Artifact } from "../../api/artifact.ts";
import type { ArtifactGenerator } from "../../api/artifact-generator.ts";
import type { KubernetesObject, ObjectReference } from "../../api/object.ts";
import { isNotFound } from "../../cluster/api-error.ts";
import { concurrently } from "../../cluster/concurrently.ts";
import { kinds, pathOf } from "../../engine/kinds.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { Spool } from "../../platform/spool.ts";
import { messageOf } from "../../text/error-message.ts";
import { fetchOfferedArtifact } from "../source/fetch-artifact.ts";
import { emptyTree, type Tree } from "./tree.ts";
import { sourceLimits, unpackInto } from "./unpack.ts";

/** A source of a generator, with the artifact that it offers; `problem` says why it offers none. */
export type ObservedSource = { alias: string; reference: ObjectReference & { namespace: string } } & (
  | { artifact: Artifact }
  | { problem: string }
);

/** A source that offers an artifact. */
export type ReadySource = Extract<ObservedSource, { artifact: Artifact }>;

/** What the sources offer now, in the order of the spec (AG-006). */
export async function observeSources(
  { metadata, spec }: ArtifactGenerator,
  context: Context,
): Promise<ObservedSource[]> {
  return concurrently(spec.sources, 10, async ({ alias, kind, name, namespace }): Promise<ObservedSource> => {
    const place = namespace || metadata.namespace || "";
    const { apiVersion } = kinds[kind];
    const reference = { apiVersion, kind, namespace: place, name };
    try {
      const source = await context.cluster.request<KubernetesObject & { status?: { artifact?: Artifact } }>({
        method: "GET",
        path: pathOf(kind, place, name),
        signal: context.signal,
      });
      const artifact = source.status?.artifact;
      return artifact === undefined
        ? { alias, reference, problem: `source '${kind}/${place}/${name}' is not ready` }
        : { alias, reference, artifact };
    } catch (error) {
      const words = messageOf(error);
      // Flux reads sources from a cache, which names the kind.
      const problem = isNotFound(error)
        ? `${kind}.${apiVersion.split("/")[0]} "${name}" not found`
        : `unable to get source '${place}/${name}': ${words}`;
      return { alias, reference, problem };
    }
  });
}

/** One value for all that the sources offer (AG-007): another address alone changes it. */
export function sourcesDigest(sources: readonly ReadySource[]): string {
  const parts = sources.map(
    ({ alias, artifact: { digest, revision, url } }) => `${alias}=[digest=${digest},revision=${revision},url=${url}]`,
  );
  // The order of JavaScript's strings is Go's: all of it is ASCII but what a revision may hold.
  return `sha256:${createHash("sha256").update(parts.sort().join("|")).digest("hex")}`;
}

/** The files of the sources by alias; the bytes go to the spool. Throws ArtifactUnavailable, ArchiveError and TreeError. */
export async function fetchSources(
  sources: readonly ReadySource[],
  contents: Spool,
  context: Context,
): Promise<Map<string, Tree>> {
  const trees = new Map<string, Tree>();
  for (const { alias, artifact, reference } of sources) {
    const { kind, namespace, name } = reference;
    const archive = await fetchOfferedArtifact({ kind, namespace, name, artifact }, context);
    const tree = emptyTree();
    await unpackInto(tree, archive, contents, { limits: sourceLimits, links: "skip", signal: context.signal });
    trees.set(alias, tree);
  }
  return trees;
}
