import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import { type Pack, receivePack } from "./pack.ts";

/** Bytes of an answer that holds the largest pack: every packet costs five beyond its content; progress is not asked for. */
export function answerLimit({ pack }: Pick<GitLimits, "pack">): number {
  return pack + pack / 64 + 65_536;
}

/**
 * Receives a pack and looks whether it holds what was asked for: a refusal can look like a success (GE-006). Throws GitError
 * `refused` where it does not, and as `receivePack`.
 */
export async function receiveWanted(
  wants: readonly string[],
  parts: AsyncIterable<Buffer>,
  limits: GitLimits,
  signal: AbortSignal,
): Promise<Pack> {
  const pack = await receivePack(parts, limits, signal);
  const missing = wants.find((id) => pack.stat(id) === undefined);
  if (missing === undefined) return pack;
  pack.close();
  throw new GitError("refused", `unable to resolve commit object for '${missing}': object not found`);
}
