import { runtimeNamespace } from "../api/install/labels.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { gatesOf, isPlaceholder, listPlaceholders } from "../engine/settings.ts";

/**
 * Refuses gates of a placeholder that its controller does not know or cannot read, as the controller would (DEF-004): what a team
 * means by such a gate would not happen, in silence. Throws a sentence that says where to correct what. A cluster without placeholders has none,
 * and a controller that runs in the cluster itself has refused its own.
 */
export async function requireKnownGates(client: ClusterClient): Promise<void> {
  const deployments = await listPlaceholders(client, runtimeNamespace);
  const told = deployments.filter(isPlaceholder).flatMap((deployment) => {
    const { problems } = gatesOf(deployment);
    return problems.length === 0 ? [] : [`${deployment.metadata.name}: ${problems.join("; ")}`];
  });
  if (told.length > 0)
    throw new Error(
      `${told.join("\n")}\nNo controller of Flux starts with such gates: correct --feature-gates in the args of the Deployment in ${runtimeNamespace}. Nothing was changed`,
    );
}
