import type { Condition } from "../../lib/api/condition.ts";
import type { KubernetesObject } from "../../lib/api/object.ts";
import { apiVersions as allVersions } from "../bed/workspace.ts";

const { GitRepository, OCIRepository, Bucket, HelmRepository, HelmChart, ExternalArtifact, ArtifactGenerator } =
  allVersions;

/** The kinds that are compared, by their API version. */
export const apiVersions = {
  GitRepository,
  OCIRepository,
  Bucket,
  HelmRepository,
  HelmChart,
  ExternalArtifact,
  ArtifactGenerator,
};

/** A kind that is compared. */
export type SourceKind = keyof typeof apiVersions;

/** An object of such a kind, as far as it is compared. */
export type Source = KubernetesObject & {
  spec?: Record<string, unknown>;
  status?: {
    conditions?: Condition[];
    lastHandledReconcileAt?: string;
    url?: string;
    artifact?: Artifact;
    [field: string]: unknown;
  };
};

/** What a status says of an artifact. */
export type Artifact = {
  path: string;
  url: string;
  revision: string;
  digest: string;
  size?: number;
  lastUpdateTime?: string;
  metadata?: Record<string, string>;
};

/** Whether a kind of an object is compared. */
export function isSourceKind(kind: string): kind is SourceKind {
  return kind in apiVersions;
}

/**
 * Whether whoever reconciles an object is done with it for now: it says of the object as it is whether it is ready, has answered the last
 * request, and only waits for the interval or for a retry.
 */
export function isSettled({ kind, metadata, spec = {}, status = {} }: Source): boolean {
  if (kind === "ExternalArtifact") return true;
  if (metadata.deletionTimestamp !== undefined) return false;
  if (kind === "HelmRepository" && spec.type === "oci") return (metadata.finalizers ?? []).length === 0;
  if (!isAnswered({ metadata, status })) return false;
  if (spec.suspend === true) return true;
  const condition = (type: string) => status.conditions?.find((one) => one.type === type);
  const ready = condition("Ready");
  if (ready === undefined || ready.observedGeneration !== metadata.generation) return false;
  const reconciling = condition("Reconciling");
  if (ready.status === "True") return reconciling === undefined;
  if (ready.status !== "False") return false;
  return condition("Stalled") !== undefined || reconciling?.reason !== "Progressing";
}

/** Whether the last request was answered. */
export function isAnswered({ metadata, status = {} }: Pick<Source, "metadata" | "status">): boolean {
  const requested = metadata.annotations?.["reconcile.fluxcd.io/requestedAt"];
  return requested === undefined || status.lastHandledReconcileAt === requested;
}

/** Whether an attempt failed, and another one follows. */
export function isFailed({ status = {} }: Source): boolean {
  return status.conditions?.find(({ type }) => type === "Ready")?.status === "False";
}

/** All that an object says but for the times of it. */
export function saidOf(object: Source | undefined): unknown {
  const { conditions = [], ...status } = object?.status ?? {};
  const told = conditions.map(({ type, status: truth, reason, message }) => [type, truth, reason, message]);
  return [object?.metadata.name, object?.metadata.generation, status, told];
}
