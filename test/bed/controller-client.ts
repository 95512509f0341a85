import type { KubernetesObject } from "../../lib/api/object.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { applyObject } from "../../lib/cluster/objects.ts";
import { installedCluster } from "./installed.ts";

const rbac = "rbac.authorization.k8s.io/v1";

/** Who tests act as where the deployed functions that fetch, notify and schedule would. */
const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "sluice-test-controller" }];

/**
 * The installed cluster as those functions see it: with the rights that Sluice's installation gives to them and no others, so that
 * a right that is missing fails a test.
 */
export async function controllerClient(): Promise<ClusterClient> {
  const { client } = await installedCluster();
  await applyObject(
    client,
    {
      apiVersion: rbac,
      kind: "ClusterRoleBinding",
      metadata: { name: "sluice-test-controller" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "sluice-controllers-flux-system" },
      subjects,
    },
    { fieldManager: "test" },
  );
  await mayReadPlaceholders(client, "flux-system", { kind: "Role", name: "sluice-placeholders" });
  return client.as("sluice-test-controller");
}

/** Lets them read the placeholders of a namespace, as the installation does in the controllers' own. */
export async function mayReadPlaceholders(
  client: ClusterClient,
  namespace: string,
  role = { kind: "ClusterRole", name: "view" },
): Promise<KubernetesObject> {
  return applyObject(
    client,
    {
      apiVersion: rbac,
      kind: "RoleBinding",
      metadata: { namespace, name: "sluice-test-controller" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", ...role },
      subjects,
    },
    { fieldManager: "test" },
  );
}
