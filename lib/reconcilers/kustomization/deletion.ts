import type { Kustomization, KustomizationStatus } from "../../api/kustomization.ts";
import type { ObjectReference } from "../../api/object.ts";
import { ApiError } from "../../cluster/api-error.ts";
import { formatInventory, readableReferencesOf, referencesOf } from "../../cluster/inventory.ts";
import { findMetadata, findObject } from "../../cluster/objects.ts";
import { PruneFailed, pruneObjects } from "../../cluster/prune.ts";
import { formatSubject } from "../../cluster/subject.ts";
import type { Again, EventRecord } from "../../engine/reconciler.ts";
import type { Continuation } from "../../engine/work-item.ts";
import { forgetRemoteCluster } from "../remote-cluster.ts";
import { formatChange } from "./changes.ts";
import { Halt } from "./halt.ts";
import { group, ownerLabels, type Pass, publish } from "./pass.ts";
import { readRecord, removeRecord } from "./record.ts";
import { openTarget, remoteOwner } from "./target.ts";

/** How often the end of deleted objects is looked for (KS-178). */
const terminationSeconds = 2;

type Finalized =
  | { done: true; events: EventRecord[] }
  | { done: false; events: EventRecord[]; again: Again; status?: KustomizationStatus };

/**
 * Deletes what a Kustomization has applied, before it goes itself: KS-178 to KS-182. Neither source nor dependencies nor a
 * build are needed (KS-046, KS-179).
 */
export async function deleteInventory(pass: Pass, continuation: Continuation | undefined): Promise<Finalized> {
  const { object, context } = pass;
  pass.revision = object.status?.lastAppliedRevision;
  pass.originRevision = object.status?.lastAppliedOriginRevision;
  const deadline = continuation?.state?.terminationDeadline;
  const objects = typeof deadline === "number" ? [] : await applied(pass);
  if (typeof deadline !== "number" && (!deletesObjects(object) || objects.length === 0)) return gone(pass);
  try {
    await openTarget(pass);
  } catch (error) {
    // What is in a cluster that cannot be reached is not given up: the finalizer stays (KS-181).
    if (!(error instanceof Halt)) throw error;
    context.log.warn("the cluster of a deleted Kustomization cannot be reached", { error: error.message });
    return failed(pass);
  }
  if (typeof deadline === "number") return waitForTermination(pass, deadline, continuation?.attempt ?? 1);
  if (!(await accountExists(pass))) {
    const lines = objects.map(formatSubject).join("\n");
    publish(pass, { type: "Warning", message: `unable to prune objects: \n${lines}` });
    return gone(pass);
  }
  try {
    const entries = await pruneObjects(pass.target, objects, {
      group,
      ownerLabels: ownerLabels(object),
      concurrency: context.settings.concurrentSsa,
      signal: context.signal,
    });
    if (entries.length > 0) publish(pass, { type: "Normal", message: entries.map(formatChange).join("\n") });
  } catch (error) {
    if (!(error instanceof PruneFailed)) throw error;
    context.log.warn("pruning for a deleted Kustomization failed", { error: error.message });
    return failed(pass);
  }
  if (object.spec.deletionPolicy !== "WaitForTermination") return gone(pass);
  return waitForTermination(pass, context.clock.now().getTime() + pass.timeoutMilliseconds, 1);
}

function failed(pass: Pass): Finalized {
  publish(pass, { type: "Warning", message: "pruning for deleted resource failed" });
  return { done: false, events: pass.events, again: { backOff: true } };
}

/** KS-178: a suspended Kustomization deletes nothing; else the policy decides, by default as `prune` says. */
function deletesObjects({ spec }: Kustomization): boolean {
  if (spec.suspend === true) return false;
  switch (spec.deletionPolicy ?? "MirrorPrune") {
    case "MirrorPrune":
      return spec.prune;
    case "Delete":
    case "WaitForTermination":
      return true;
    case "Orphan":
      return false;
  }
}

/** What is in the inventory, and what a pass that did not end had begun to apply (SN-13). */
async function applied({ object, context }: Pass): Promise<ObjectReference[]> {
  const inventory = readableReferencesOf(object.status?.inventory?.entries ?? []);
  const begun = readableReferencesOf((await readRecord(context, object, "any"))?.begun ?? []);
  return referencesOf(formatInventory([...inventory, ...begun]));
}

/**
 * KS-180: without the account to act as, nothing can be deleted in its name. It is one of the target's (KS-216), where whoever the
 * kubeconfig says may not be allowed to see it.
 */
async function accountExists({ impersonates, context, remote }: Pass): Promise<boolean> {
  if (impersonates === undefined) return true;
  const [, , namespace = "", name = ""] = impersonates.split(":");
  const account = { apiVersion: "v1", kind: "ServiceAccount", namespace, name };
  try {
    return (await findObject(remote?.client ?? context.cluster, account, context.signal)) !== undefined;
  } catch (error) {
    if (remote !== undefined && error instanceof ApiError && error.statusCode === 403) return true;
    throw error;
  }
}

async function waitForTermination(pass: Pass, deadline: number, looks: number): Promise<Finalized> {
  const { context, target } = pass;
  const objects = await applied(pass);
  const found = await Promise.all(objects.map((reference) => findMetadata(target, reference, context.signal)));
  const remaining = found.filter((metadata) => metadata?.metadata.deletionTimestamp !== undefined);
  if (remaining.length === 0) return gone(pass);
  if (context.clock.now().getTime() >= deadline) {
    publish(pass, { type: "Warning", message: "failed to wait for resources termination" });
    return gone(pass);
  }
  const continuation = { attempt: looks + 1, state: { terminationDeadline: deadline } };
  return { done: false, events: pass.events, again: { afterSeconds: terminationSeconds, continuation } };
}

async function gone(pass: Pass): Promise<Finalized> {
  forgetRemoteCluster(remoteOwner(pass), pass.context);
  await removeRecord(pass.context, pass.object);
  return { done: true, events: pass.events };
}
