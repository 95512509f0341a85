import { formatGoDuration } from "../../text/go-duration.ts";
import type { Pass } from "./pass.ts";

const entries = 5;

/**
 * KS-226: one entry for each rendered digest and result, newest first, five at most; a repeat updates its entry and moves
 * to the front. `startedAt` is when the pass began, in milliseconds since 1970; this pass where it is not given.
 */
export function recordHistory(pass: Pass, digest: string, result: string, startedAt = pass.startedAt): void {
  const took = pass.context.clock.now().getTime() - startedAt;
  const history = pass.status.history ?? [];
  const known = history.find((entry) => entry.digest === digest && entry.lastReconciledStatus === result);
  const now = `${pass.context.clock.now().toISOString().slice(0, 19)}Z`;
  const entry = {
    digest,
    firstReconciled: known?.firstReconciled ?? now,
    lastReconciled: now,
    lastReconciledDuration: formatGoDuration(took),
    lastReconciledStatus: result,
    totalReconciliations: (known?.totalReconciliations ?? 0) + 1,
    metadata: {
      revision: pass.revision ?? "",
      ...(pass.originRevision === undefined ? {} : { originRevision: pass.originRevision }),
    },
  };
  pass.status.history = [entry, ...history.filter((other) => other !== known)].slice(0, entries);
}
