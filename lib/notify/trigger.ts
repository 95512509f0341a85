import { randomInt } from "node:crypto";
import type { ObjectReference } from "../api/object.ts";
import type { Receiver } from "../api/receiver.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { listMetadata, patchObject } from "../cluster/objects.ts";
import { kindNamed, requestedAtAnnotation } from "../engine/kinds.ts";
import type { Settings } from "../engine/settings.ts";
import type { Pushed, WorkItem } from "../engine/work-item.ts";

/** What a Receiver's resources came to: work for Sluice's own kinds, and what could not be annotated (RH-003). */
export type Triggered = { items: WorkItem[]; errors: unknown[] };

/** A resource that its Receiver's own words or the flags of the cluster forbid: asking again does not help. */
export class ResourceRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ResourceRefused";
  }
}

/**
 * Asks for the reconciliation of every resource of a Receiver by the annotation that Flux writes (RH-003 to RH-006). One
 * resource's error does not stop the others. `pushed` is what the request says of a push.
 */
export async function triggerResources(
  { clusterId, cluster, settings }: { clusterId: string; cluster: ClusterClient; settings: Settings },
  receiver: Receiver,
  now: Date,
  signal: AbortSignal,
  pushed?: Pushed,
): Promise<Triggered> {
  const namespace = receiver.metadata.namespace ?? "";
  const requestedAt = requestTime(now);
  const results = await Promise.allSettled(
    receiver.spec.resources.map(async (resource) => {
      const references = await referencesTo(cluster, resource, namespace, settings, signal);
      return Promise.allSettled(references.map((reference) => annotate(cluster, reference, requestedAt, signal)));
    }),
  );
  const attempts = results.flatMap((result) => (result.status === "fulfilled" ? result.value : [result]));
  const cause = {
    type: "webhook",
    receiver: `${namespace}/${receiver.metadata.name}`,
    token: requestedAt,
    ...(pushed === undefined ? {} : { pushed }),
  } as const;
  return {
    items: attempts.flatMap((attempt): WorkItem[] => {
      if (attempt.status === "rejected") return [];
      const { kind, namespace: of = "", name, apiVersion } = attempt.value;
      const known = kindNamed(kind);
      if (known === undefined || groupOf(known.apiVersion) !== groupOf(apiVersion)) return [];
      return [{ cluster: clusterId, kind: known.kind, namespace: of, name, cause }];
    }),
    errors: attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason] : [])),
  };
}

/** RH-004: the API versions that a resource has where it names none. */
const apiVersions: Record<string, string> = {
  Bucket: "source.toolkit.fluxcd.io/v1",
  GitRepository: "source.toolkit.fluxcd.io/v1",
  HelmChart: "source.toolkit.fluxcd.io/v1",
  HelmRepository: "source.toolkit.fluxcd.io/v1",
  OCIRepository: "source.toolkit.fluxcd.io/v1",
  ExternalArtifact: "source.toolkit.fluxcd.io/v1",
  Kustomization: "kustomize.toolkit.fluxcd.io/v1",
  HelmRelease: "helm.toolkit.fluxcd.io/v2",
  ImageRepository: "image.toolkit.fluxcd.io/v1",
  ImagePolicy: "image.toolkit.fluxcd.io/v1",
  ImageUpdateAutomation: "image.toolkit.fluxcd.io/v1",
  ArtifactGenerator: "source.extensions.fluxcd.io/v1beta1",
};

async function referencesTo(
  cluster: ClusterClient,
  resource: Receiver["spec"]["resources"][number],
  receiverNamespace: string,
  settings: Settings,
  signal: AbortSignal,
): Promise<ObjectReference[]> {
  const { kind, name, matchLabels } = resource;
  const namespace = resource.namespace ?? receiverNamespace;
  if (settings.noCrossNamespaceRefs && namespace !== receiverNamespace)
    throw new ResourceRefused("cross-namespace references are not allowed");
  const apiVersion = resource.apiVersion || apiVersions[kind];
  if (apiVersion === undefined) throw new ResourceRefused(`apiVersion must be specified for kind "${kind}"`);
  if (name !== "*") return [{ apiVersion, kind, namespace, name }];
  if (matchLabels === undefined) throw new ResourceRefused("matchLabels field not set when using wildcard '*' as name");
  const labelSelector = Object.entries(matchLabels)
    .map(([label, value]) => `${label}=${value}`)
    .join(",");
  const found = await listMetadata(cluster, { apiVersion, kind, namespace, labelSelector }, signal);
  return found.map(({ metadata }) => ({ apiVersion, kind, namespace, name: metadata.name }));
}

/** RH-006. The manager is the one that Flux's controller has, which the admission webhook lets pass: the work is enqueued here. */
async function annotate(
  cluster: ClusterClient,
  reference: ObjectReference,
  requestedAt: string,
  signal: AbortSignal,
): Promise<ObjectReference> {
  const merge = { metadata: { annotations: { [requestedAtAnnotation]: requestedAt } } };
  await patchObject(cluster, reference, { merge }, { fieldManager: "notification-controller" }, signal);
  return reference;
}

/** RFC 3339 with nanoseconds, of which the clock gives the first three digits: two requests never share one. */
function requestTime(now: Date): string {
  return `${now.toISOString().slice(0, -1)}${String(randomInt(1_000_000)).padStart(6, "0")}Z`;
}

function groupOf(apiVersion: string): string {
  return apiVersion.slice(0, Math.max(apiVersion.indexOf("/"), 0));
}
