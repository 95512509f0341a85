import type { KubernetesObject } from "../api/object.ts";
import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { pathOf } from "./kinds.ts";
import type { Kind, WorkItem } from "./work-item.ts";

/** Kinds that use a source by `spec.sourceRef`. */
const sourceUsers: Kind[] = ["Kustomization"];

type SourceUser = KubernetesObject & {
  spec?: {
    sourceRef?: { kind?: string; name?: string; namespace?: string };
    dependsOn?: { name: string; namespace?: string }[];
    suspend?: boolean;
  };
  status?: { lastAttemptedRevision?: string; conditions?: { type: string; status: string }[] };
};

/**
 * The work that a new revision of a source makes (KS-007, KS-008): every user of it that has not yet attempted that
 * revision, those that others depend on first. Found by field selector where the CRD offers it, else by a filtered LIST.
 */
export async function usersOfSource(
  cluster: ClusterClient,
  clusterId: string,
  source: { kind: Kind; namespace: string; name: string },
  { revision, state }: { revision: string; state: string },
): Promise<WorkItem[]> {
  const lists = await Promise.all(sourceUsers.map((kind) => listUsers(cluster, kind, source.name)));
  return lists.flatMap((users, index) => {
    const kind = sourceUsers[index];
    if (kind === undefined) return [];
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
  });
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
    if (!(error instanceof ApiError) || error.statusCode !== 400) throw error;
    return (await cluster.request<{ items: SourceUser[] }>({ method: "GET", path })).items;
  }
}

function uses(user: SourceUser, source: { kind: Kind; namespace: string; name: string }): boolean {
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
  return (
    user.status?.lastAttemptedRevision === revision && (isTrue("Ready") === true || isTrue("Reconciling") === true)
  );
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
