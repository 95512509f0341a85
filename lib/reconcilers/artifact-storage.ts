import type { Artifact } from "../api/artifact.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Context } from "../engine/reconciler.ts";

/**
 * Where the store keeps a file of an object's artifacts: `<cluster>/<kind>/<namespace>/<name>/<file>`. What follows the
 * cluster is `status.artifact.path` (ART-002). An empty file name gives the prefix of all of the object's files.
 */
export function artifactKey(clusterId: string, object: KubernetesObject, file: string): string {
  return `${clusterId}/${object.kind.toLowerCase()}/${object.metadata.namespace ?? ""}/${object.metadata.name}/${file}`;
}

/** The stable address of an artifact (ART-003, design decision 8). */
export function artifactUrl(context: Pick<Context, "endpoint" | "clusterId">, path: string): string {
  return `${context.endpoint}/artifacts/${context.clusterId}/${path}`;
}

/** The store's key behind an address of `artifactUrl`, or undefined for an artifact that somebody else serves. */
export function keyOfArtifactUrl(endpoint: string, url: string): string | undefined {
  const prefix = `${endpoint}/artifacts/`;
  return url.startsWith(prefix) ? url.slice(prefix.length) : undefined;
}

/** Whether the store still holds an artifact, by one HEAD: the keys are never overwritten with other content (SN-002). */
export async function isStored(
  context: Context,
  object: KubernetesObject,
  artifact: Artifact,
): Promise<"stored" | "missing" | "different"> {
  const file = artifact.path.slice(artifact.path.lastIndexOf("/") + 1);
  const found = await context.artifacts.head(artifactKey(context.clusterId, object, file));
  if (found === undefined) return "missing";
  return artifact.size === undefined || found.size === artifact.size ? "stored" : "different";
}

/**
 * Removes artifacts of an object that are older than the retention time, and the oldest beyond the retention count; the
 * current one always stays (ART-015). Returns how many went. A failure is the next collection's business.
 */
export async function collectGarbage(context: Context, object: KubernetesObject, currentKey: string): Promise<number> {
  try {
    const now = context.clock.now().getTime();
    const stored = await context.artifacts.list(artifactKey(context.clusterId, object, ""));
    const others = stored
      .filter(({ key }) => key !== currentKey)
      .sort((a, b) => b.modified.getTime() - a.modified.getTime());
    const { artifactRetentionRecords, artifactRetentionSeconds } = context.settings;
    const stale = others.filter(
      ({ modified }, index) =>
        index >= artifactRetentionRecords - 1 || now - modified.getTime() > artifactRetentionSeconds * 1000,
    );
    if (stale.length > 0) await context.artifacts.remove(stale.slice(0, 1000).map(({ key }) => key));
    return stale.length;
  } catch (error) {
    context.log.warn("artifacts could not be collected", {
      error: error instanceof Error ? error.message : String(error),
    });
    return 0;
  }
}
