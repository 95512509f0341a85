import type { KubernetesObject } from "../api/object.ts";
import { ApiError, isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { pathOf } from "./kinds.ts";
import type { Kind, WorkItem } from "./work-item.ts";

/** The kinds that name their source by `spec.sourceRef`, by the kinds that they take (KS-007, HC-001). */
const sourceUsers: Readonly<Record<string, Kind[]>> = {
  GitRepository: ["Kustomization", "HelmChart"],
  Bucket: ["Kustomization", "HelmChart"],
  OCIRepository: ["Kustomization"],
  ExternalArtifact: ["Kustomization"],
  HelmRepository: ["HelmChart"],
};

type SourceUser = KubernetesObject & {
  spec?: {
    sourceRef?: { kind?: string; name?: string; namespace?: string };
    dependsOn?: { name: string; namespace?: string }[];
    suspend?: boolean;
  };
  status?: {
    lastAttemptedRevision?: string;
    observedSourceArtifactRevision?: string;
    conditions?: { type: string; status: string }[];
  };
};

type Source = { kind: string; namespace: string; name: string };

/** What a source has got: its revision, and its resourceVersion since. */
type News = { revision: string; state: string };

/**
 * Hands on the work that a new revision of a source makes (KS-007, KS-008): every user of it that has not yet attempted that
 * revision (HC-004), those that others depend on first. Found by field selector where the CRD offers it, else by a filtered LIST.
 * A kind whose objects cannot be listed keeps nothing from those of another; it throws in the end.
 */
export async function handToUsers(
  cluster: ClusterClient,
  clusterId: string,
  source: Source,
  news: News,
  hand: (items: WorkItem[]) => Promise<void>,
): Promise<void> {
  const kinds = sourceUsers[source.kind] ?? [];
  const handed = await Promise.allSettled(
    kinds.map(async (kind) => hand(await usersOfKind(cluster, clusterId, kind, source, news))),
  );
  for (const outcome of handed) if (outcome.status === "rejected") throw outcome.reason;
}

async function usersOfKind(
  cluster: ClusterClient,
  clusterId: string,
  kind: Kind,
  source: Source,
  { revision, state }: News,
): Promise<WorkItem[]> {
  const users = await listUsers(cluster, kind, source.name);
  const interested = users.filter(
    (user) => uses(user, source) && !hasAttempted(user, revision) && user.spec?.suspend !== true,
  );
  return inDependencyOrder(interested).map((user) => ({
    cluster: clusterId,
    kind,
    namespace: user.metadata.namespace ?? "",
    name: user.metadata.name,
    cause: {
      type: "source",
      source: `${source.kind}/${source.namespace}/${source.name}`,
      revision,
      state,
      user: user.metadata.resourceVersion ?? "",
    },
  }));
}

async function listUsers(cluster: ClusterClient, kind: Kind, sourceName: string): Promise<SourceUser[]> {
  const path = pathOf(kind);
  try {
    const list = await cluster.request<{ items: SourceUser[] }>({
      method: "GET",
      path,
      query: { fieldSelector: `spec.sourceRef.name=${sourceName}` },
    });
    return list.items;
  } catch (error) {
    // Not every cluster has all kinds.
    if (isNotFound(error)) return [];
    if (!(error instanceof ApiError) || error.statusCode !== 400) throw error;
    return (await cluster.request<{ items: SourceUser[] }>({ method: "GET", path })).items;
  }
}

function uses(user: SourceUser, source: Source): boolean {
  const reference = user.spec?.sourceRef;
  return (
    reference?.kind === source.kind &&
    reference.name === source.name &&
    (reference.namespace || user.metadata.namespace) === source.namespace
  );
}

function hasAttempted(user: SourceUser, revision: string): boolean {
  const isTrue = (type: string) =>
    user.status?.conditions?.some((condition) => condition.type === type && condition.status === "True");
  const { lastAttemptedRevision, observedSourceArtifactRevision } = user.status ?? {};
  // A chart that could not be made of a revision is looked at again when there is another (HC-004, HC-012).
  if (observedSourceArtifactRevision === revision) return true;
  return lastAttemptedRevision === revision && (isTrue("Ready") === true || isTrue("Reconciling") === true);
}

/**
 * Topological order by `dependsOn`; objects of a cycle come last, in the order given. They are all handed on, so that each
 * can say for itself that its dependency is not ready.
 */
export function inDependencyOrder<O extends SourceUser>(objects: readonly O[]): O[] {
  const key = (namespace: string | undefined, name: string) => `${namespace ?? ""}/${name}`;
  const remaining = new Map(objects.map((object) => [key(object.metadata.namespace, object.metadata.name), object]));
  const ordered: O[] = [];
  for (let progress = true; progress && remaining.size > 0; ) {
    progress = false;
    for (const [id, object] of remaining) {
      const waits = (object.spec?.dependsOn ?? []).some((dependency) =>
        remaining.has(key(dependency.namespace || object.metadata.namespace, dependency.name)),
      );
      if (waits) continue;
      ordered.push(object);
      remaining.delete(id);
      progress = true;
    }
  }
  return [...ordered, ...remaining.values()];
}
