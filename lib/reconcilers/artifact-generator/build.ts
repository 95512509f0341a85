import type { Artifact } from "../../api/artifact.ts";
import type { ExternalArtifact } from "../../api/external-artifact.ts";
import type { KubernetesObject } from "../../api/object.ts";
import type { Context } from "../../engine/reconciler.ts";
import { archiveTree, type TreeEntry } from "../../platform/archive/archive-tree.ts";
import { digestOf } from "../../platform/artifact-digest.ts";
import type { Spool } from "../../platform/spool.ts";
import { messageOf } from "../../text/error-message.ts";
import { ignoreRules, isIgnored } from "../../text/source-ignore.ts";
import { artifactAddress, artifactKey, collectGarbage, storedProblem } from "../artifact-storage.ts";
import { keepPast, rememberArtifact } from "../source/artifact-history.ts";
import { bodyOf } from "../source/stored-artifact.ts";
import { contentName } from "./content-name.ts";
import { applyCopies } from "./copy.ts";
import type { Output } from "./expand.ts";
import { emptyTree, type Tree, walkTree } from "./tree.ts";

/** A stored artifact that has no name of its revision yet. */
export type BuiltArtifact = { filename: string; artifact: Omit<Artifact, "revision" | "metadata"> };

/** IGN-001: what no artifact holds. A `.sourceignore` among the files says nothing here (AG-014). */
const rules = ignoreRules([]);

/**
 * Makes an output of the sources' files and stores it (AG-014, AG-015); what the store holds already as it is to be stays (AG-018).
 * Throws a sentence in Flux's words.
 */
export async function buildOutput(
  output: Output,
  namespace: string,
  sources: ReadonlyMap<string, Tree>,
  contents: Spool,
  context: Context,
): Promise<BuiltArtifact> {
  const { signal } = context;
  const artifact = emptyTree();
  try {
    await applyCopies(output.copy, { sources, artifact, contents, signal });
  } catch (error) {
    throw signal.aborted ? error : new Error(`failed to apply copy operations: ${messageOf(error)}`, { cause: error });
  }
  const filename = `${hashOf(output.name, artifact)}.tar.gz`;
  const isLeftOut = (path: readonly string[], isDirectory: boolean) => isIgnored(rules, path, isDirectory);
  const { spool, digest: sha256 } = await archiveTree(entriesOf(artifact), { isLeftOut, signal });
  try {
    const algorithm = context.settings.artifactDigestAlgorithm;
    const digest = sha256.startsWith(`${algorithm}:`) ? sha256 : await digestOf(algorithm, spool.stream());
    const owner = ownerOf(output.name, namespace);
    const key = artifactKey(context.clusterId, owner, filename);
    const { path, url } = await artifactAddress(context, key);
    const lastUpdateTime = `${context.clock.now().toISOString().slice(0, 19)}Z`;
    const built = { digest, lastUpdateTime, path, size: spool.size, url };
    if ((await storedProblem(context, owner, { ...built, revision: "" })) !== undefined)
      await context.artifacts.put(key, bodyOf(spool));
    return { filename, artifact: built };
  } catch (error) {
    throw signal.aborted ? error : new Error(`failed to create artifact: ${messageOf(error)}`, { cause: error });
  } finally {
    spool.close();
  }
}

/** AG-028: what was published before goes as it does for sources, and is kept for its history. */
export async function forgetEarlier(
  published: ExternalArtifact["metadata"],
  artifact: Artifact,
  context: Context,
): Promise<void> {
  const owner = ownerOf(published.name, published.namespace ?? "");
  const key = artifactKey(context.clusterId, owner, artifact.path.slice(artifact.path.lastIndexOf("/") + 1));
  await Promise.all([
    collectGarbage(context, owner, key, (keys) => keepPast(context, owner, keys)),
    rememberArtifact(context, owner, artifact).catch((error: unknown) => {
      // The history is for later, the artifact for now.
      context.log.warn("an artifact's history could not be written", { error: String(error) });
    }),
  ]);
}

function hashOf(name: string, tree: Tree): string {
  try {
    return contentName(name, tree);
  } catch (error) {
    throw new Error(`failed to hash staging dir: ${messageOf(error)}`, { cause: error });
  }
}

function* entriesOf(tree: Tree): Generator<TreeEntry> {
  for (const [path, node] of walkTree(tree)) {
    if (node.type === "directory") yield { path, type: "directory" };
    else yield { path, type: node.executable ? "executable" : "file", size: node.size, content: node.read };
  }
}

function ownerOf(name: string, namespace: string): KubernetesObject {
  return { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "ExternalArtifact", metadata: { name, namespace } };
}
