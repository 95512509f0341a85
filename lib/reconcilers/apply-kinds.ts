import type { KindReconciler } from "../engine/reconciler.ts";
import type { Kind } from "../engine/work-item.ts";
import { finalizeKustomization, reconcileKustomization } from "./kustomization.ts";

/** The kinds that the apply function reconciles: they render and apply. */
export const applyKinds = {
  Kustomization: { reconcile: reconcileKustomization, finalize: finalizeKustomization },
} satisfies Partial<Record<Kind, KindReconciler>>;
