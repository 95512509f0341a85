import { setTimeout as sleep } from "node:timers/promises";
import { installObjects } from "../api/install/install.ts";
import type { KubernetesObject } from "../api/object.ts";
import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { applyObject, findMetadata, getObject, referenceTo } from "../cluster/objects.ts";

/** Tells whoever installs what happens: one line an event. */
export type Say = (line: string) => void;

/** Field manager of everything that is installed. */
export const fieldManager = "sluice";

/** How long a CustomResourceDefinition may take until the API server serves it, in milliseconds. */
const establishedWithinMilliseconds = 30_000;

/**
 * Applies namespace, CRDs, RBAC and placeholders, server-side, and waits until the kinds are served. Applying again changes
 * nothing. A placeholder that somebody else changed (args, replicas, image) is theirs and stays as it is; one that runs owns
 * its kinds, which is said. Throws ApiError where the API server refuses, and where a kind is not served in time.
 */
export async function applyInstallObjects(client: ClusterClient, say: Say): Promise<void> {
  const objects = installObjects();
  const namespaces = objects.filter(({ kind }) => kind === "Namespace");
  const definitions = objects.filter(({ kind }) => kind === "CustomResourceDefinition");
  const others = objects.filter((object) => !namespaces.includes(object) && !definitions.includes(object));
  for (const object of namespaces) await applyOwn(client, object, say);
  await Promise.all(definitions.map((object) => applyOwn(client, object, say)));
  await Promise.all(definitions.map((definition) => established(client, definition)));
  // Placeholders last: with them Sluice begins to work here.
  await Promise.all(others.map((object) => applyOwn(client, object, say)));
  await tellWhoOwns(client, others, say);
}

/**
 * Applies one object of an installation, and says whether that changed anything. A Deployment's fields are never taken from another
 * manager.
 */
export async function applyOwn(client: ClusterClient, object: KubernetesObject, say: Say): Promise<void> {
  const force = object.kind !== "Deployment";
  const title = `${object.kind}/${object.metadata.name}`;
  try {
    const before = await findMetadata(client, referenceTo(object));
    const { metadata } = await applyObject(client, object, { fieldManager, force });
    const same = before !== undefined && before.metadata.resourceVersion === metadata.resourceVersion;
    say(`${title} ${same ? "unchanged" : "applied"}`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.statusCode === 422 && error.message.includes("status.storedVersions"))
      throw new Error(
        `${error.message}. Objects may still be stored in an old version: bring Flux up to date and run \`flux migrate\` first`,
      );
    if (force || error.statusCode !== 409) throw error;
    say(`${title} was changed by somebody else and is left as it is`);
  }
}

type Definition = KubernetesObject & { status?: { conditions?: { type: string; status: string; message?: string }[] } };

async function established(client: ClusterClient, { apiVersion, kind, metadata }: KubernetesObject): Promise<void> {
  const giveUp = Date.now() + establishedWithinMilliseconds;
  for (;;) {
    const { status } = await getObject<Definition>(client, { apiVersion, kind, name: metadata.name });
    const conditions = status?.conditions ?? [];
    if (conditions.some((condition) => condition.type === "Established" && condition.status === "True")) return;
    if (Date.now() > giveUp) {
      const why = conditions.flatMap(({ type, message }) => (message === undefined ? [] : [`${type}: ${message}`]));
      throw new Error(
        `CustomResourceDefinition ${metadata.name} is not served after ${establishedWithinMilliseconds / 1000} s: ${why.join("; ")}`,
      );
    }
    await sleep(50);
  }
}

async function tellWhoOwns(client: ClusterClient, objects: KubernetesObject[], say: Say): Promise<void> {
  for (const { apiVersion, kind, metadata } of objects) {
    if (kind !== "Deployment" || metadata.namespace === undefined) continue;
    const reference = { apiVersion, kind, namespace: metadata.namespace, name: metadata.name };
    const { spec } = await getObject<{ spec: { replicas: number } }>(client, reference);
    if (spec.replicas > 0) {
      say(
        `${metadata.name} runs in this cluster and owns its kinds: Sluice leaves them alone until its Deployment in ${metadata.namespace} is scaled to 0`,
      );
    }
  }
}
