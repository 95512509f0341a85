import { setTimeout as sleep } from "node:timers/promises";
import { admissionWebhook, installObjects } from "../api/install/install.ts";
import type { KubernetesObject } from "../api/object.ts";
import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { resourcePath } from "../cluster/discovery.ts";
import { admissionToken } from "../engine/admission.ts";

/** What to install: the id the cluster is known by, and where its API server finds Sluice. */
export type InstallOptions = {
  clusterId: string;
  admission?: { endpoint: string; seed: string; certificateAuthority?: string };
  say?: (line: string) => void;
};

/**
 * Applies CRDs, placeholders, RBAC and the admission webhook, server-side, by the field manager `sluice`. Applying again
 * changes nothing: a team's own edits of placeholder args and replicas belong to other managers and are kept.
 */
export async function installInto(client: ClusterClient, options: InstallOptions): Promise<void> {
  const objects = installObjects();
  const definitions = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
  const others = objects.filter(({ kind }) => kind !== "CustomResourceDefinition");
  await Promise.all(definitions.map((object) => applyOwn(client, object, options)));
  for (const object of others) await applyOwn(client, object, options);
  await Promise.all(definitions.map(({ metadata }) => established(client, metadata.name)));
  if (options.admission === undefined) return;
  const { endpoint, seed, certificateAuthority } = options.admission;
  const webhook = admissionWebhook({
    clusterId: options.clusterId,
    endpoint,
    token: admissionToken(seed, options.clusterId),
    ...(certificateAuthority === undefined ? {} : { caBundle: Buffer.from(certificateAuthority).toString("base64") }),
  });
  await applyOwn(client, webhook, options);
}

async function applyOwn(client: ClusterClient, object: KubernetesObject, options: InstallOptions): Promise<void> {
  const path = await resourcePath(client, object);
  const force = object.kind !== "Deployment";
  try {
    await client.request({
      method: "PATCH",
      path,
      query: { fieldManager: "sluice", force },
      contentType: "application/apply-patch+yaml",
      body: object,
    });
    options.say?.(`${object.kind}/${object.metadata.name} applied`);
  } catch (error) {
    if (force || !(error instanceof ApiError) || error.statusCode !== 409) throw error;
    options.say?.(`${object.kind}/${object.metadata.name} is managed by somebody else and was left as it is`);
  }
}

async function established(client: ClusterClient, name: string): Promise<void> {
  for (let look = 0; look < 100; look++) {
    const definition = await client.request<
      KubernetesObject & { status?: { conditions?: { type: string; status: string }[] } }
    >({
      method: "GET",
      path: `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`,
    });
    if (definition.status?.conditions?.some(({ type, status }) => type === "Established" && status === "True")) return;
    await sleep(100);
  }
  throw new Error(`CustomResourceDefinition ${name} was not established within 10 s: see its status.conditions`);
}
