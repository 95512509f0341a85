import type { ClusterClient } from "../../cluster/client.ts";
import { messageOf } from "../../text/error-message.ts";
import { openRemoteCluster, type RemoteOwner } from "../remote-cluster.ts";
import { Halt } from "./halt.ts";
import type { Pass } from "./pass.ts";

/** Whose remote cluster a Kustomization's is. */
export function remoteOwner({ object }: Pass): RemoteOwner {
  const { name, namespace = "" } = object.metadata;
  return { kind: "Kustomization", namespace, name, controller: "kustomize-controller" };
}

/**
 * Opens the cluster that `spec.kubeConfig` names and makes it the target of the pass (KS-211 to KS-217), as the service account
 * of the same namespace and name there (KS-216). Without one the target is the home cluster, which is open already. Throws a
 * Halt where it cannot be opened.
 */
export async function openTarget(pass: Pass): Promise<void> {
  const { object, context, impersonates } = pass;
  const { kubeConfig } = object.spec;
  if (kubeConfig === undefined) return;
  try {
    const opened = await openRemoteCluster(remoteOwner(pass), kubeConfig, context);
    pass.remote = opened;
    pass.target = impersonates === undefined ? opened.client : opened.client.as(impersonates);
  } catch (error) {
    if (context.signal.aborted) throw error;
    const message = messageOf(error);
    throw new Halt({
      reason: "ReconciliationFailed",
      message,
      event: { type: "Warning", message: `failed to build kube client: ${message}` },
      retry: "interval",
      started: true,
      cause: error,
    });
  }
}

/** The target of a pass whose remote cluster is not open: an object of another cluster must never be looked for at home. */
export const unopened: ClusterClient = {
  request: async () => {
    throw new Error("the remote cluster of this pass is not open");
  },
  as: () => unopened,
};
