import type { KindReconciler } from "../engine/reconciler.ts";
import type { Kind } from "../engine/work-item.ts";
import { artifactGeneratorReconciler } from "./artifact-generator.ts";
import { bucketReconciler } from "./bucket.ts";
import { externalArtifactReconciler } from "./external-artifact.ts";
import { gitRepositoryReconciler } from "./git-repository.ts";
import { helmChartReconciler } from "./helm-chart.ts";
import { helmRepositoryReconciler } from "./helm-repository.ts";
import { ociRepositoryReconciler } from "./oci-repository.ts";
import { finalizeReceiver, reconcileReceiver } from "./receiver.ts";

/** The kinds that the source function reconciles: light work, no rendering. */
export const sourceKinds = {
  GitRepository: gitRepositoryReconciler,
  OCIRepository: ociRepositoryReconciler,
  Bucket: bucketReconciler,
  HelmRepository: helmRepositoryReconciler,
  HelmChart: helmChartReconciler,
  ArtifactGenerator: artifactGeneratorReconciler,
  ExternalArtifact: externalArtifactReconciler,
  Receiver: { reconcile: reconcileReceiver, finalize: finalizeReceiver },
} satisfies Partial<Record<Kind, KindReconciler>>;
