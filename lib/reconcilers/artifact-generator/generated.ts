import type { ArtifactGenerator, GeneratedArtifact } from "../../api/artifact-generator.ts";
import type { ExternalArtifact } from "../../api/external-artifact.ts";
import { isNotFound } from "../../cluster/api-error.ts";
import { concurrently } from "../../cluster/concurrently.ts";
import { pathOf } from "../../engine/kinds.ts";
import type { Context } from "../../engine/reconciler.ts";
import { artifactKey } from "../artifact-storage.ts";
import { removeHistory } from "../source/artifact-history.ts";

/** The label that names, by uid, the generator that has made an ExternalArtifact (AG-019). */
export const generatorLabel = "source.extensions.fluxcd.io/generator";

/** The ExternalArtifacts in the cluster that a generator has made. */
export async function listGenerated({ metadata }: ArtifactGenerator, context: Context): Promise<ExternalArtifact[]> {
  try {
    const list = await context.cluster.request<{ items: ExternalArtifact[] }>({
      method: "GET",
      path: pathOf("ExternalArtifact", metadata.namespace),
      query: { labelSelector: `${generatorLabel}=${metadata.uid ?? ""}` },
      signal: context.signal,
    });
    return list.items;
  } catch (error) {
    // A cluster without the kind has none.
    if (isNotFound(error)) return [];
    throw error;
  }
}

/** Removes artifacts with their objects (AG-024): from the store first, so that nothing of them is left where the second step fails. */
export async function removeGenerated(
  references: readonly Pick<GeneratedArtifact, "namespace" | "name">[],
  context: Context,
): Promise<void> {
  await concurrently(references, 10, async ({ namespace, name }) => {
    const object = { kind: "ExternalArtifact", metadata: { namespace, name } };
    const stored = await context.artifacts.list(artifactKey(context.clusterId, object, ""));
    await context.artifacts.remove(stored.map(({ key }) => key));
    await removeHistory(context, object);
    try {
      await context.cluster.request({ method: "DELETE", path: pathOf("ExternalArtifact", namespace, name) });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  });
}
