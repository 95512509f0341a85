import { setTimeout as sleep } from "node:timers/promises";
import { webhookName } from "../api/install/admission-webhook.ts";
import { installObjects, marks } from "../api/install/install.ts";
import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { NoKindMatch } from "../cluster/discovery.ts";
import { deleteObject, findObject, listMetadata, patchObject, referenceTo } from "../cluster/objects.ts";
import { fieldManager, type Say } from "./install-objects.ts";

/**
 * Takes Sluice out of a cluster (BS-053): the admission webhook and the placeholders first, after which it does nothing there
 * any more, then its roles and its marks on the CRDs. What Flux's controllers need stays where one of them runs. The CRDs, the
 * objects and all workloads stay; with `definitions` the CRDs and their objects go too, without any workload (BS-014).
 */
export async function removeInstallation(
  client: ClusterClient,
  options: { definitions: boolean },
  say: Say,
): Promise<void> {
  const objects = installObjects();
  const ofKind = (kind: string) => objects.filter((object) => object.kind === kind);
  await remove(client, webhook, say);
  const running: string[] = [];
  for (const placeholder of ofKind("Deployment")) {
    const live = await findObject<{ spec: { replicas: number } }>(client, referenceTo(placeholder));
    if (live !== undefined && live.spec.replicas > 0) running.push(placeholder.metadata.name);
    else await remove(client, referenceTo(placeholder), say);
  }
  if (running.length > 0)
    say(
      `${running.join(", ")} runs in this cluster: what Flux's controllers need stays, as \`flux install\` put it there`,
    );
  if (options.definitions) {
    say(`waiting ${settledMilliseconds / 1000} s, until every function knows that it has nothing more to do here`);
    await sleep(settledMilliseconds);
  }
  const kept = new Set(["Namespace", "CustomResourceDefinition", "Deployment"]);
  for (const object of objects.filter(({ kind }) => !kept.has(kind))) {
    if (running.length === 0 || object.metadata.name.startsWith("sluice-"))
      await remove(client, referenceTo(object), say);
  }
  for (const definition of ofKind("CustomResourceDefinition")) {
    if (options.definitions) await removeDefinition(client, definition, say);
    else await unmark(client, definition, say);
  }
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
async function unmark(client: ClusterClient, definition: KubernetesObject, say: Say): Promise<void> {
  const none = (names: object) => Object.fromEntries(Object.keys(names).map((name) => [name, null]));
  const [labels, annotations] = [none(marks.labels), none(marks.annotations)];
  await unlessAbsent(async () => {
    const patch = { merge: { metadata: { labels, annotations } } };
    await patchObject(client, referenceTo(definition), patch, { fieldManager });
    say(`${definition.kind}/${definition.metadata.name} stays, with its objects`);
  });
}

/** Without their finalizers the objects go at once, and nothing that they applied goes with them. */
async function removeDefinition(client: ClusterClient, definition: KubernetesObject, say: Say): Promise<void> {
  const { group, names, versions } = definition.spec as {
    group: string;
    names: { kind: string };
    versions: { name: string; storage: boolean }[];
  };
  const version = versions.find(({ storage }) => storage)?.name ?? "";
  const kind = { apiVersion: `${group}/${version}`, kind: names.kind };
  await unlessAbsent(async () => {
    for (const { metadata } of await listMetadata(client, kind)) {
      if (metadata.finalizers === undefined) continue;
      const patch = { merge: { metadata: { finalizers: null } } };
      await unlessAbsent(() => patchObject(client, referenceTo({ ...kind, metadata }), patch, { fieldManager }));
    }
  });
  await remove(client, referenceTo(definition), say);
}

async function unlessAbsent(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isNotFound(error) && !(error instanceof NoKindMatch)) throw error;
  }
}
