import type { Kustomization, KustomizationStatus } from "../../api/kustomization.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import type { Context, EventRecord, Outcome } from "../../engine/reconciler.ts";
import { formatGoDuration, parseGoDuration } from "../../text/go-duration.ts";
import { type ConditionEditor, editConditions } from "../condition-editor.ts";
import type { OpenedCluster } from "../remote-cluster.ts";
import { unopened } from "./target.ts";

/** Prefix of the labels and annotations on managed objects, and of event metadata. */
export const group = "kustomize.toolkit.fluxcd.io";

/** Owner of the fields of managed objects (KS-140). */
export const fieldManager = "kustomize-controller";

/** What marks the objects of a Kustomization (KS-155). */
export function ownerLabels({ metadata }: Kustomization): Record<string, string> {
  return { [`${group}/name`]: metadata.name, [`${group}/namespace`]: metadata.namespace ?? "" };
}

/** What the steps of one pass share: the object, what it will say of itself, and whose identity applies. */
export type Pass = {
  object: Kustomization;
  context: Context;
  conditions: ConditionEditor;
  status: KustomizationStatus;
  events: EventRecord[];
  /** Objects of Sluice's own kinds that this pass wrote. */
  wake: NonNullable<Outcome["wake"]>;
  /** The cluster as the service account that the Kustomization acts as (KS-210), else as Sluice. */
  target: ClusterClient;
  /** The cluster that `spec.kubeConfig` names, once it is open; absent where the target is the home cluster. */
  remote: OpenedCluster | undefined;
  impersonates: string | undefined;
  revision: string | undefined;
  originRevision: string | undefined;
  startedAt: number;
  intervalMilliseconds: number;
  timeoutMilliseconds: number;
};

/** Starts a pass from the object as it is. */
export function beginPass(object: Kustomization, context: Context): Pass {
  // Empty is as if it were absent, as in Go: it must not be a way around the default.
  const account = object.spec.serviceAccountName || context.settings.defaultServiceAccount;
  const isRemote = object.spec.kubeConfig !== undefined;
  const impersonates = account === "" ? undefined : `system:serviceaccount:${object.metadata.namespace}:${account}`;
  return {
    object,
    context,
    conditions: editConditions(object, () => context.clock.now()),
    status: { ...object.status },
    events: [],
    wake: [],
    target: isRemote ? unopened : impersonates === undefined ? context.cluster : context.cluster.as(impersonates),
    remote: undefined,
    impersonates,
    revision: undefined,
    originRevision: undefined,
    startedAt: context.clock.now().getTime(),
    intervalMilliseconds: parseGoDuration(object.spec.interval),
    timeoutMilliseconds: timeoutMilliseconds(object),
  };
}

/** KS-191: `timeout`, else the interval less 30 s; never below 30 s. */
export function timeoutMilliseconds(object: Kustomization): number {
  const timeout =
    object.spec.timeout === undefined
      ? parseGoDuration(object.spec.interval) - 30_000
      : parseGoDuration(object.spec.timeout);
  return Math.max(timeout, 30_000);
}

/** KS-011: `retryInterval`, else the interval; seconds. */
export function retryIntervalSeconds(object: Kustomization): number {
  return parseGoDuration(object.spec.retryInterval ?? object.spec.interval) / 1000;
}

/** KS-220: what the pass is doing now; it reaches the status when the pass is slow or stops here. */
export function reportProgress(pass: Pass, doing: string): void {
  const { conditions, status, context } = pass;
  conditions.remove("Stalled");
  conditions.set("Reconciling", "True", "Progressing", progressMessage(pass, doing));
  const kept = conditions.list();
  const ready = editConditions({ ...pass.object, status: { conditions: kept } }, () => context.clock.now());
  ready.set("Ready", "Unknown", "Progressing", "Reconciliation in progress");
  context.progress({ ...status, conditions: ready.list() });
}

/** The text of Reconciling while a pass runs. */
export function progressMessage(pass: Pass, doing: string): string {
  return `${doing} for revision ${pass.revision ?? ""} with a timeout of ${formatGoDuration(pass.timeoutMilliseconds)}`;
}

/** Adds an event: its reason is what Ready says at the moment, else the severity (kustomization.md, section 14). */
export function publish(
  pass: Pass,
  event: { type: "Normal" | "Warning"; message: string; metadata?: Record<string, string>; reason?: string },
): void {
  const severity = event.type === "Warning" ? "error" : "info";
  pass.events.push({
    type: event.type,
    reason: event.reason ?? pass.conditions.get("Ready")?.reason ?? severity,
    message: event.message,
    metadata: { ...revisionMetadata(pass), ...event.metadata },
  });
}

/** The revision keys of an event (EV-005). */
export function revisionMetadata(pass: Pass): Record<string, string> {
  return {
    ...(pass.revision === undefined ? {} : { [`${group}/revision`]: pass.revision }),
    ...(pass.originRevision === undefined ? {} : { [`${group}/originRevision`]: pass.originRevision }),
  };
}
