import type { Artifact } from "../api/artifact.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Context } from "../engine/reconciler.ts";
import { artifactToken } from "../engine/token.ts";
import { wrongDigest } from "../platform/artifact-digest.ts";
import { messageOf } from "../text/error-message.ts";

/**
 * Where the store keeps a file of an object's artifacts: `<cluster>/<kind>/<namespace>/<name>/<file>`. What follows the
 * cluster is `status.artifact.path` (ART-002). An empty file name gives the prefix of all of the object's files.
 */
export function artifactKey(
  clusterId: string,
  { kind, metadata }: Pick<KubernetesObject, "kind" | "metadata">,
  file: string,
): string {
  return `${clusterId}/${kind.toLowerCase()}/${metadata.namespace ?? ""}/${metadata.name}/${file}`;
}

/** The key of an artifact that an object's status names. Only the file counts: a status may name the path of another object. */
export function ownArtifactKey(
  clusterId: string,
  object: Pick<KubernetesObject, "kind" | "metadata">,
  { path }: Pick<Artifact, "path">,
): string {
  return artifactKey(clusterId, object, path.slice(path.lastIndexOf("/") + 1));
}

/**
 * What an artifact's status says of where it is: its path, and the stable address with a token that only this deployment can
 * make (ART-002, ART-003, TM-004, design decision 8). Throws where the deployment has no seed.
 */
export async function artifactAddress(
  { endpoint, clusterId, secrets }: Pick<Context, "endpoint" | "clusterId" | "secrets">,
  key: string,
): Promise<Pick<Artifact, "path" | "url">> {
  const url = `${endpoint}/artifacts/${await artifactToken(secrets, key)}/${key}`;
  return { path: key.slice(clusterId.length + 1), url };
}

/**
 * The store's key behind an address of `artifactAddress`, or undefined for an artifact that somebody else serves. The token is
 * not looked at: whoever takes the key from a status must know whose key it may be.
 */
export function keyOfArtifactUrl(endpoint: string, url: string): string | undefined {
  const prefix = `${endpoint}/artifacts/`;
  return url.startsWith(prefix) ? url.slice(url.indexOf("/", prefix.length) + 1) : undefined;
}

/** Bytes beyond which an artifact is not read back to be looked at: it came to the store in parts, under a key that nothing overwrites. */
const readBackLimit = 48 * 1024 * 1024;

/**
 * What is wrong with an artifact in the store, by one HEAD: the store knows the SHA-256 of what it holds (SN-002). Where it does not,
 * or the digest is of another algorithm, a small artifact costs a reading, and of a large one its size alone counts. Undefined where
 * it is as it was stored.
 */
export async function storedProblem(
  context: Pick<Context, "clusterId" | "artifacts">,
  object: KubernetesObject,
  artifact: Artifact,
): Promise<"missing" | string | undefined> {
  const key = ownArtifactKey(context.clusterId, object, artifact);
  // Statuses of old versions may have none, whatever the schema of today says (CV-007).
  const { digest = "" }: Partial<Artifact> = artifact;
  if (digest === "") return "it has no digest";
  const found = await context.artifacts.head(key, { checksum: true });
  if (found === undefined) return "missing";
  const other = `computed digest doesn't match '${digest}'`;
  if (artifact.size !== undefined && found.size !== artifact.size) return other;
  if (found.sha256 !== undefined && digest.startsWith("sha256:"))
    return `sha256:${found.sha256}` === digest ? undefined : other;
  if (artifact.size !== undefined && found.size > readBackLimit) return undefined;
  const bytes = await context.artifacts.get(key);
  if (bytes === undefined) return "missing";
  const problem = await wrongDigest(bytes, digest);
  return problem?.startsWith("computed digest ") === true ? other : problem;
}

/**
 * Removes artifacts of an object that are older than the retention time, and the oldest beyond the retention count; the
 * current one always stays (ART-015). `keep` is told before of what goes. Returns how many went. A failure is the next collection's business.
 */
export async function collectGarbage(
  context: Context,
  object: KubernetesObject,
  currentKey: string,
  keep: (keys: readonly string[]) => Promise<void>,
): Promise<number> {
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
    const keys = stale.slice(0, 1000).map(({ key }) => key);
    await keep(keys);
    if (keys.length > 0) await context.artifacts.remove(keys);
    return keys.length;
  } catch (error) {
    context.log.warn("artifacts could not be collected", {
      error: messageOf(error),
    });
    return 0;
  }
}
