import type { Watched } from "../api/install/admission-webhook.ts";
import { runtimeNamespace } from "../api/install/labels.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { createSettingsReader } from "../engine/settings.ts";
import type { Logger } from "../platform/ports.ts";
import { messageOf } from "../text/error-message.ts";
import { parseObjectSelector } from "../text/label-selector.ts";
import type { Say } from "./install-objects.ts";

const log: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

/**
 * Which ConfigMaps and Secrets the cluster has to tell of (KS-009), by the flags of its placeholders: their
 * `--watch-configs-label-selector`, or none where the gate `DisableConfigWatchers` is on. The admission webhook holds
 * it from one installation to the next. Throws where the flag is no label selector, and ApiError.
 */
export async function readWatched(client: ClusterClient, clusterId: string, say: Say): Promise<Watched> {
  const clock = { now: () => new Date() };
  const read = createSettingsReader({ clock, log, runtimeNamespace, freshSeconds: 60 });
  // One selector is all that a webhook has: that of the controller whose objects refer to most of them counts for all.
  const component = "kustomize-controller";
  const { settings } = await read(clusterId, client, component);
  if (settings.featureGates.DisableConfigWatchers === true) {
    say(`No ConfigMap or Secret wakes who refers to it: ${component} has the gate DisableConfigWatchers.`);
    return "none";
  }
  const text = settings.watchConfigsLabelSelector;
  if (text.trim() === "")
    say(
      `Every ConfigMap and Secret is told of at each change: --watch-configs-label-selector of ${component} is empty.`,
    );
  try {
    return parseObjectSelector(text);
  } catch (error) {
    throw new Error(
      `--watch-configs-label-selector of the placeholder ${component} is '${text}', which is no label selector: ${messageOf(error)}. Correct the Deployment's args and install again`,
    );
  }
}
