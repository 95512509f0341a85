import type { ClusterClient } from "../../lib/cluster/client.ts";
import { createObject } from "../../lib/cluster/objects.ts";
import { mayReadPlaceholders } from "./controller-client.ts";

/**
 * Makes a notification-controller Deployment in a namespace that a test takes for the one of the controllers, so that flags and
 * ownership can be tried without touching what other tests go by. No kubelet runs it, however many replicas it wants.
 */
export async function makePlaceholder(
  client: ClusterClient,
  namespace: string,
  args: string[],
  replicas = 0,
): Promise<void> {
  const name = "notification-controller";
  const labels = { app: name };
  await mayReadPlaceholders(client, namespace);
  await createObject(client, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace, name, labels: { "app.kubernetes.io/part-of": "flux" } },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "manager", image: "none", args }] } },
    },
  });
}
