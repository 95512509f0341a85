import type { ArtifactGenerator } from "../../api/artifact-generator.ts";
import { findCondition } from "../../api/condition.ts";
import type { ExternalArtifact } from "../../api/external-artifact.ts";
import { concurrently } from "../../cluster/concurrently.ts";
import type { Context } from "../../engine/reconciler.ts";
import { ownArtifactKey, storedProblem } from "../artifact-storage.ts";
import { isWanted } from "./external-object.ts";

/** Why the artifacts are made anew (AG-008). */
export type Drift =
  | "NotReady"
  | "GenerationChanged"
  | "SourcesChanged"
  | "ArtifactsChanged"
  | "ArtifactMissing"
  | "ArtifactCorrupted"
  | "ExternalArtifactsChanged";

/**
 * Whether what was made is no longer what is to be (AG-008): undefined where all is as it was left. An artifact that the store no
 * longer holds as it was is removed from it. A pass that began and did not end has to be made up for, too.
 */
export async function detectDrift(
  object: ArtifactGenerator,
  context: Context,
  observedSourcesDigest: string,
  inCluster: readonly ExternalArtifact[],
): Promise<Drift | undefined> {
  const { metadata, spec, status = {} } = object;
  const { conditions = [], inventory = [] } = status;
  const ready = findCondition(conditions, "Ready");
  if (ready?.status === "False") return "NotReady";
  if (ready?.observedGeneration !== metadata.generation) return "GenerationChanged";
  if (ready?.status !== "True") return "NotReady";
  if (status.observedSourcesDigest !== observedSourcesDigest) return "SourcesChanged";
  if ((spec.pathPattern ?? "") === "" && inventory.length !== spec.artifacts.length) return "ArtifactsChanged";
  const problems = await concurrently(inventory, 10, ({ namespace, name, digest, filename }) =>
    storageDrift(context, namespace, name, { digest, path: filename }),
  );
  const problem = problems.find((found) => found !== undefined);
  if (problem !== undefined) return problem;
  const isKnown = ({ metadata: { namespace, name }, status: offered }: ExternalArtifact): boolean =>
    inventory.some(
      (known) => known.name === name && known.namespace === namespace && known.digest === offered?.artifact?.digest,
    );
  const isKept =
    inCluster.length === inventory.length && inCluster.every((found) => isKnown(found) && isWanted(found, object));
  return isKept ? undefined : "ExternalArtifactsChanged";
}

async function storageDrift(
  context: Context,
  namespace: string,
  name: string,
  { digest, path }: { digest: string; path: string },
): Promise<Drift | undefined> {
  const owner = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "ExternalArtifact", metadata: { namespace, name } };
  const problem = await storedProblem(context, owner, { digest, path, revision: "", url: "", lastUpdateTime: "" });
  if (problem === undefined) return undefined;
  if (problem === "missing") return "ArtifactMissing";
  await context.artifacts.remove([ownArtifactKey(context.clusterId, owner, { path })]);
  return "ArtifactCorrupted";
}
