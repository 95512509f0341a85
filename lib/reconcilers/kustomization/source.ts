import type { Artifact } from "../../api/artifact.ts";
import type { Kustomization } from "../../api/kustomization.ts";
import type { KubernetesObject } from "../../api/object.ts";
import { ApiError } from "../../cluster/api-error.ts";
import { checkPathNames } from "../../cluster/path-segment.ts";
import type { Context } from "../../engine/reconciler.ts";
import { ArtifactUnavailable, fetchOfferedArtifact } from "../source/fetch-artifact.ts";
import { failure, Halt, terminal } from "./halt.ts";

/** Where the sources of Kustomizations live (KS-002). */
const collections: Record<string, string> = {
  GitRepository: "gitrepositories",
  OCIRepository: "ocirepositories",
  Bucket: "buckets",
  ExternalArtifact: "externalartifacts",
};

/** The source of a Kustomization, with the artifact that it offers now. */
export type Source = {
  kind: string;
  namespace: string;
  name: string;
  artifact: Artifact;
  originRevision: string | undefined;
};

/** Reads the source and its artifact: KS-020 to KS-024, KS-029. Throws a Halt where there is none to work with. */
export async function findSource(object: Kustomization, context: SourceContext): Promise<Source> {
  const { kind, name } = object.spec.sourceRef;
  const ownNamespace = object.metadata.namespace ?? "";
  // Empty is as if it were absent, as in Go.
  const namespace = object.spec.sourceRef.namespace || ownNamespace;
  if (context.settings.noCrossNamespaceRefs && namespace !== ownNamespace) {
    throw denied(`can't access '${kind}/${namespace}/${name}', cross-namespace references have been blocked`);
  }
  if (kind === "ExternalArtifact" && context.settings.featureGates.ExternalArtifact !== true) {
    throw denied(`can't access '${kind}/${namespace}/${name}', ExternalArtifact feature gate is disabled`);
  }
  const { artifact } = (await sourceAsTold(object, context, { kind, namespace, name })).status ?? {};
  const retry = context.settings.requeueDependencySeconds;
  if (artifact === undefined) {
    throw new Halt({
      reason: "ArtifactFailed",
      message: `Source artifact not found, retrying in ${retry}s`,
      retry: "dependency",
      started: false,
    });
  }
  return { kind, namespace, name, artifact, originRevision: artifact.metadata?.["org.opencontainers.image.revision"] };
}

type SourceContext = Pick<Context, "cluster" | "clusterId" | "settings" | "cause">;

type SourceObject = KubernetesObject & { status?: { artifact?: Artifact } };

/** Sources as this process has read them last, or reads them now; the oldest goes first. */
const lastRead = new Map<string, Promise<SourceObject>>();
const remembered = 100;

/**
 * Reads the source, unless this process knows it as it was when it woke the Kustomization, which has not changed since: hundreds
 * may be woken at once. What the source has got since wakes them again, and a late item finds a Kustomization that has moved on.
 */
async function sourceAsTold(
  object: Kustomization,
  context: SourceContext,
  { kind, namespace, name }: { kind: string; namespace: string; name: string },
): Promise<SourceObject> {
  const { cause, clusterId } = context;
  const key = `${clusterId}/${kind}/${namespace}/${name}`;
  if (cause.type === "source" && cause.user === object.metadata.resourceVersion) {
    const known = await lastRead.get(key)?.catch(() => undefined);
    if (known !== undefined && known.metadata.resourceVersion === cause.state) return known;
  }
  const source = readSource(context, kind, namespace, name);
  lastRead.delete(key);
  lastRead.set(key, source);
  for (const oldest of lastRead.keys()) if (lastRead.size > remembered) lastRead.delete(oldest);
  return source;
}

async function readSource(
  context: SourceContext,
  kind: string,
  namespace: string,
  name: string,
): Promise<SourceObject> {
  const collection = collections[kind];
  if (collection === undefined) throw denied(`source kind '${kind}' is not supported`);
  try {
    checkPathNames({ namespace, name });
    const scope = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${encodeURIComponent(namespace)}`;
    const path = `${scope}/${collection}/${encodeURIComponent(name)}`;
    return await context.cluster.request<SourceObject>({ method: "GET", path });
  } catch (error) {
    // Neither what is not there nor what is no name is a trouble of the API server.
    if (!(error instanceof ApiError) || (error.statusCode !== 404 && error.statusCode !== 400)) throw error;
    throw new Halt({
      reason: "ArtifactFailed",
      message: error.message,
      retry: "interval",
      started: false,
      cause: error,
    });
  }
}

function denied(message: string): Halt {
  return terminal("AccessDenied", message);
}

/** The bytes of a source's artifact (KS-025, KS-026). Throws a Halt for one that cannot be had now. */
export async function fetchArtifact(
  source: Source,
  context: Pick<Context, "artifacts" | "clusterId" | "endpoint" | "settings" | "signal">,
): Promise<Uint8Array> {
  try {
    return await fetchOfferedArtifact(source, context);
  } catch (error) {
    if (!(error instanceof ArtifactUnavailable)) throw error;
    const { what, message } = error;
    if (what === "missing") {
      const words = `Source is not ready, artifact not found, retrying in ${context.settings.requeueDependencySeconds}s`;
      throw new Halt({ reason: "ArtifactFailed", message: words, retry: "dependency", started: true });
    }
    throw failure("ArtifactFailed", what === "foreign" ? `failed to fetch artifact: ${message}` : message, error);
  }
}
