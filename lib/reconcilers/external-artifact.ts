import type { ExternalArtifactStatus } from "../api/external-artifact.ts";
import type { KindReconciler } from "../engine/reconciler.ts";

/** An ExternalArtifact is its producer's: Sluice only tells its users of what it offers now (EA-001, EA-002). */
export const externalArtifactReconciler: KindReconciler = {
  offered: ({ status }) => (status as ExternalArtifactStatus | undefined)?.artifact?.revision,
  reconcile: async () => ({ status: {}, events: [] }),
  finalize: async () => ({ done: true, events: [] }),
};
