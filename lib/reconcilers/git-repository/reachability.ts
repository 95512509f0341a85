import { createHash } from "node:crypto";
import type { GitRepository } from "../../api/git-repository.ts";
import { requestedAtAnnotation } from "../../engine/kinds.ts";
import { parseGoDuration } from "../../text/go-duration.ts";

const day = 24 * 60 * 60 * 1000;

/**
 * Whether this look at a commit that is fetched already must ask the server if the commit can still be reached (SB-004): once a
 * day, at a time that the object's uid decides so that nothing needs to be remembered, and when a user asks for a look.
 */
export function reachabilityIsDue({ metadata, spec, status }: GitRepository, now: Date): boolean {
  const requested = metadata.annotations?.[requestedAtAnnotation];
  if (requested !== undefined && requested !== status?.lastHandledReconcileAt) return true;
  const phase =
    createHash("sha256")
      .update(metadata.uid ?? "")
      .digest()
      .readUInt32BE(0) % day;
  // Intervals are up to 5 % longer than they say (SRC-018): the look after the moment is the one that is due.
  const before = now.getTime() - parseGoDuration(spec.interval) * 1.05;
  return Math.floor((now.getTime() - phase) / day) !== Math.floor((before - phase) / day);
}
