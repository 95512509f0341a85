import { setTimeout as sleep } from "node:timers/promises";
import { webhookName } from "../api/install/admission-webhook.ts";
import { customResourceDefinition } from "../api/install/crd.ts";
import { installObjects, marks } from "../api/install/install.ts";
import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import type { KindDefinition } from "../api/schema/definition.ts";
import { definitions } from "../api/schema/kinds.ts";
import { isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { NoKindMatch } from "../cluster/discovery.ts";
import { deleteObject, findObject, listMetadata, patchObject, referenceTo } from "../cluster/objects.ts";
import { fieldManager, type Say } from "./install-objects.ts";

/**
 * Takes Sluice out of a cluster (BS-053): the admission webhook and the placeholders first, after which it does nothing there
 * any more, then its roles and its marks on the CRDs. What Flux's controllers need stays where one of them runs. The CRDs, the
 * objects and all workloads stay; with `crds` the CRDs and their objects go too, without any workload (BS-014). Throws, and has
 * changed nothing, where a running controller would take that for its objects' deletion and prune.
 */
export async function removeInstallation(client: ClusterClient, options: { crds: boolean }, say: Say): Promise<void> {
  const objects = installObjects();
  const placeholders = objects.filter(({ kind }) => kind === "Deployment");
  const running = await whichRun(client, placeholders);
  if (options.crds && running.length > 0)
    throw new Error(
      `${running.join(", ")} runs in this cluster: remove the CRDs by \`flux uninstall\`, which stops it first`,
    );
  await remove(client, webhook, say);
  for (const placeholder of placeholders.filter(({ metadata }) => !running.includes(metadata.name)))
    await remove(client, referenceTo(placeholder), say);
  if (running.length > 0) say(`${running.join(", ")} runs in this cluster: what Flux's controllers need stays`);
  if (options.crds) {
    say(`waiting ${settledMilliseconds / 1000} s, until every function knows that it has nothing more to do here`);
    await sleep(settledMilliseconds);
  }
  const kept = new Set(["Namespace", "CustomResourceDefinition", "Deployment"]);
  for (const object of objects.filter(({ kind }) => !kept.has(kind))) {
    if (running.length === 0 || object.metadata.name.startsWith("sluice-"))
      await remove(client, referenceTo(object), say);
  }
  for (const definition of definitions) {
    if (options.crds) await removeDefinition(client, definition, say);
    else await unmark(client, definition, say);
  }
}

async function whichRun(client: ClusterClient, placeholders: KubernetesObject[]): Promise<string[]> {
  const running: string[] = [];
  for (const placeholder of placeholders) {
    const live = await findObject<{ spec: { replicas: number } }>(client, referenceTo(placeholder));
    if (live !== undefined && live.spec.replicas > 0) running.push(placeholder.metadata.name);
  }
  return running;
}

/** Who owns a component is remembered for five seconds: an object that loses its finalizer earlier could get it back. */
const settledMilliseconds = 6_000;

const webhook: ObjectReference = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  name: webhookName,
};

async function remove(client: ClusterClient, reference: ObjectReference, say: Say): Promise<void> {
  await unlessAbsent(async () => {
    await deleteObject(client, reference);
    say(`${reference.kind}/${reference.name} removed`);
  });
}

/** Whose the definition is, and that repositories leave it alone, holds no more (BS-044). */
async function unmark(client: ClusterClient, definition: KindDefinition, say: Say): Promise<void> {
  const none = (names: object) => Object.fromEntries(Object.keys(names).map((name) => [name, null]));
  const patch = { merge: { metadata: { labels: none(marks.labels), annotations: none(marks.annotations) } } };
  const reference = referenceTo(customResourceDefinition(definition));
  await unlessAbsent(async () => {
    await patchObject(client, reference, patch, { fieldManager });
    say(`${reference.kind}/${reference.name} stays, with its objects`);
  });
}

/** Without their finalizers the objects go at once, and nothing that they applied goes with them. */
async function removeDefinition(client: ClusterClient, definition: KindDefinition, say: Say): Promise<void> {
  const kind = { apiVersion: `${definition.group}/${definition.versions[0]}`, kind: definition.kind };
  const patch = { merge: { metadata: { finalizers: null } } };
  await unlessAbsent(async () => {
    for (const object of await listMetadata(client, kind)) {
      if (object.metadata.finalizers === undefined) continue;
      await unlessAbsent(() => patchObject(client, referenceTo(object), patch, { fieldManager }));
    }
  });
  await remove(client, referenceTo(customResourceDefinition(definition)), say);
}

async function unlessAbsent(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isNotFound(error) && !(error instanceof NoKindMatch)) throw error;
  }
}
