import { admissionWebhook } from "../api/install/admission-webhook.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { admissionToken } from "../engine/admission.ts";
import { applyInstallObjects, applyOwn, type Say } from "./install-objects.ts";
import { requireKnownGates } from "./known-gates.ts";
import { readWatched } from "./watched-configuration.ts";

/** What to install: the id the cluster is known by, and where its API server finds Sluice. */
export type InstallOptions = {
  clusterId: string;
  /** Without it the schedule alone finds changes, each within a minute. */
  admission?: {
    /** `https://host[:port]`, without trailing slash, as the API server reaches it. */
    endpoint: string;
    /** The deployment's admission secret, which the cluster's token is made of. */
    seed: string;
    /** PEM of the authority that signed the endpoint's certificate, if it is not publicly trusted. */
    certificateAuthority?: string;
  };
  say?: Say;
};

/**
 * Applies CRDs, placeholders, RBAC and the admission webhook, server-side, by the field manager `sluice`. Applying again
 * changes nothing: a team's own edits of placeholder args and replicas belong to other managers and are kept. What the webhook
 * calls for follows the placeholders' flags as they are at the time. Throws a sentence, before anything is changed, for gates that a
 * placeholder's controller would not start with (DEF-004).
 */
export async function installInto(client: ClusterClient, options: InstallOptions): Promise<void> {
  const say = options.say ?? (() => undefined);
  await requireKnownGates(client);
  await applyInstallObjects(client, say);
  if (options.admission === undefined) return;
  const { endpoint, seed, certificateAuthority } = options.admission;
  const webhook = admissionWebhook({
    clusterId: options.clusterId,
    endpoint,
    token: admissionToken(seed, options.clusterId),
    watched: await readWatched(client, options.clusterId, say),
    ...(certificateAuthority === undefined ? {} : { caBundle: Buffer.from(certificateAuthority).toString("base64") }),
  });
  await applyOwn(client, webhook, say);
}
