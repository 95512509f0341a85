import type { KubernetesObject } from "../../api/object.ts";
import { ApiError, isNotFound } from "../../cluster/api-error.ts";
import { requestedAtAnnotation } from "../../engine/kinds.ts";
import type { Context, EventRecord, Finalizer, KindReconciler, Outcome } from "../../engine/reconciler.ts";
import type { Continuation } from "../../engine/work-item.ts";
import { messageOf } from "../../text/error-message.ts";
import { parseGoDuration } from "../../text/go-duration.ts";
import { artifactKey } from "../artifact-storage.ts";
import { type ConditionEditor, editConditions } from "../condition-editor.ts";
import { removeHistory } from "./artifact-history.ts";
import { type Attempt, beginAttempt, traceOf } from "./attempt.ts";
import { removeLatestLink } from "./latest-link.ts";
import { SharedWorkUnderWay } from "./shared-record.ts";
import { SourceFailure } from "./source-failure.ts";
import type { SourceKind, SourceObject, SourcePass, SourceResult, SourceStatus } from "./source-kind.ts";
import { temporaryFailure } from "./storage-failure.ts";
import { checkStorage, storeArtifact } from "./stored-artifact.ts";
import { hideSecrets, keepingSecrets, rememberUrl } from "./told-secrets.ts";

const group = "source.toolkit.fluxcd.io";

/** The two halves of the life of a kind of source: what all kinds share of sources.md, sections 1 and 3. */
export function sourceReconciler<S extends SourceStatus, O extends SourceObject<S>>(
  kind: SourceKind<S, O>,
): KindReconciler {
  return {
    reconcile: (object: KubernetesObject, context: Context, continuation?: Continuation) =>
      keepingSecrets(async () => {
        rememberAddresses(object);
        return reconcileSource(kind, object as O, context, continuation);
      }),
    finalize: finalizeSource,
    suspended: {
      isSuspended: ({ spec }: KubernetesObject & { spec?: { suspend?: unknown } }) => spec?.suspend === true,
      outcome: (object, context) => leftAlone(kind, object as O, context),
    },
  };
}

/**
 * SRC-020: a suspended object stays as it is. Where it was looked at before, its new generation counts as observed: who waits for it
 * need not wait for as long as it is suspended.
 */
function leftAlone<S extends SourceStatus, O extends SourceObject<S>>(
  kind: SourceKind<S, O>,
  object: O,
  { clock }: Pick<Context, "clock">,
): Outcome {
  const conditions = editConditions(object, () => clock.now());
  // A status as the API server keeps it: the schema of the kind has validated it.
  const status = { ...object.status } as S;
  if (conditions.list().length === 0) return { status, events: [] };
  conditions.remove("Stalled");
  const reconciling = conditions.get("Reconciling");
  if (reconciling !== undefined) conditions.set("Reconciling", "True", "ProgressingWithRetry", reconciling.message);
  status.observedGeneration = object.metadata.generation ?? 0;
  return settled(kind, { conditions, events: [], status });
}

/** Whether the API server will not have what was written of an object that is there, as by a policy, however often it is asked. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof ApiError) || isNotFound(error)) return false;
  return error.statusCode >= 400 && error.statusCode < 500 && error.statusCode !== 429;
}

function rememberAddresses({ spec = {} }: KubernetesObject & { spec?: { url?: unknown; endpoint?: unknown } }): void {
  for (const address of [spec.url, spec.endpoint]) if (typeof address === "string") rememberUrl(address);
}

/** SEC-012: a server may repeat the credentials that it was shown. */
function hidingSecrets(editor: ConditionEditor): ConditionEditor {
  return { ...editor, set: (type, status, reason, message) => editor.set(type, status, reason, hideSecrets(message)) };
}

/** One attempt, from the announcement that it begins to what its end says of the object. */
async function reconcileSource<S extends SourceStatus, O extends SourceObject<S>>(
  kind: SourceKind<S, O>,
  object: O,
  context: Context,
  continuation: Continuation | undefined,
): Promise<Outcome> {
  const pass = beginPass(kind, object, context);
  const attempt = beginAttempt(pass, continuation);
  const { conditions, status } = pass;
  try {
    await announceStart(pass);
  } catch (error) {
    // What passes by itself is left to the engine, which looks again at once and for the same reason.
    if (!isRefusal(error)) throw error;
    const message = messageOf(error);
    const options = { terminal: false, cause: error };
    return fail(kind, pass, new SourceFailure(undefined, "PatchOperationFailed", message, options), attempt);
  }
  if (kind.clearsStorageFailure === "start") conditions.remove("StorageOperationFailed");
  try {
    await checkStorage(pass, kind);
    conditions.remove("ArtifactOutdated");
    const before = status.artifact;
    const result = await kind.produce(pass);
    const { artifact } = status;
    const unverified = succeed(kind, pass, result, attempt);
    const produced =
      artifact === undefined ? {} : { produced: { revision: artifact.revision, isNew: artifact !== before } };
    return {
      ...settled(kind, pass),
      ...produced,
      ...(pass.wakes.length === 0 ? {} : { wake: pass.wakes }),
      ...(pass.follows.length === 0 ? {} : { follows: pass.follows }),
      ...(unverified ? { again: { backOff: true } } : {}),
    };
  } catch (error) {
    if (error instanceof SharedWorkUnderWay) return busy(kind, pass);
    const known = temporaryFailure(error) ?? (error instanceof SourceFailure ? error : kind.failureOf(error, pass));
    return fail(kind, pass, known, attempt);
  }
}

function beginPass<S extends SourceStatus, O extends SourceObject<S>>(
  kind: SourceKind<S, O>,
  object: O,
  context: Context,
): SourcePass<S, O> {
  const conditions = hidingSecrets(editConditions(object, () => context.clock.now()));
  const events: EventRecord[] = [];
  // A status as the API server keeps it: the schema of the kind has validated it.
  const status = { ...object.status } as S;
  const timeout = parseGoDuration(object.spec.timeout ?? "60s");
  const pass: SourcePass<S, O> = {
    object,
    context,
    conditions,
    events,
    status,
    signal: AbortSignal.any([context.signal, AbortSignal.timeout(timeout)]),
    waitsFor: [],
    follows: [],
    wakes: [],
    outdated: (reason, message) => {
      if (status.artifact !== undefined) conditions.set("ArtifactOutdated", "True", reason, message);
      progressing(pass, `building artifact: ${message}`);
      context.progress({ ...status, conditions: conditions.list() });
    },
    store: (file, content, artifact) => storeArtifact(pass, kind, file, content, artifact),
    trace: (reason, message) => {
      events.push({ type: "Trace", reason, message });
    },
  };
  return pass;
}

function progressing({ conditions }: { conditions: ConditionEditor }, message: string): void {
  conditions.set("Reconciling", "True", "Progressing", message);
  conditions.set("Ready", "Unknown", "Progressing", message);
}

/** SRC-008, SRC-009: a new generation or a request shows as Reconciling before the work starts. */
async function announceStart({ object, context, conditions, status }: SourcePass): Promise<void> {
  const { generation = 0, annotations } = object.metadata;
  const observed = object.status?.observedGeneration ?? -1;
  const requested = annotations?.[requestedAtAnnotation];
  const handled = (object.status as { lastHandledReconcileAt?: string } | undefined)?.lastHandledReconcileAt;
  conditions.remove("Stalled");
  if (generation === observed && (requested === undefined || requested === handled)) {
    conditions.set("Reconciling", "True", "Progressing", "reconciliation in progress");
    return;
  }
  const message =
    generation === observed
      ? "reconciliation in progress"
      : `processing object: new generation ${observed} -> ${generation}`;
  conditions.set("Reconciling", "True", "Progressing", message);
  if ((conditions.get("Ready")?.status ?? "Unknown") === "Unknown")
    conditions.set("Ready", "Unknown", "Progressing", message);
  await context.announce({ ...status, conditions: conditions.list() });
}

/**
 * SRC-011, SRC-026, SRC-027: the artifact is in storage; a new one or a recovery is told of. Returns whether a signature that
 * was not verified speaks against the object nevertheless: the attempt has failed then (SRC-013, SRC-014).
 */
function succeed<S extends SourceStatus, O extends SourceObject<S>>(
  kind: SourceKind<S, O>,
  pass: SourcePass<S, O>,
  { inStorage, event }: SourceResult,
  attempt: Attempt,
): boolean {
  const { object, conditions, events, status } = pass;
  const { artifact } = status;
  const previous = object.status;
  const recovered = kind.recoveries.some((type) => previous?.conditions?.some((known) => known.type === type));
  for (const type of kind.against) conditions.remove(type);
  for (const type of kind.recoveries) conditions.remove(type);
  conditions.set("ArtifactInStorage", "True", inStorage.reason, inStorage.message);
  status.observedGeneration = object.metadata.generation ?? 0;
  const unverified = conditions.get("SourceVerified");
  if (unverified?.status === "False") {
    const { reason, message } = unverified;
    const failure = { condition: "SourceVerified", terminal: false, waitSeconds: undefined } as const;
    events.push({ type: "Warning", reason, message, trace: traceOf(attempt, pass, failure) });
    return true;
  }
  const isNew = previous?.artifact?.digest !== artifact?.digest;
  if (artifact === undefined || (!isNew && !recovered)) return false;
  events.push({
    type: "Normal",
    reason: event.reason ?? (isNew ? "NewArtifact" : "Succeeded"),
    message: event.message,
    metadata: { [`${group}/revision`]: artifact.revision, [`${group}/digest`]: artifact.digest },
  });
  return false;
}

/** Somebody else fetches the same: the object is as it was, and is looked at again in a second, by when that may be done. */
function busy<S extends SourceStatus, O extends SourceObject<S>>(
  kind: SourceKind<S, O>,
  pass: SourcePass<S, O>,
): Outcome {
  return { ...settled(kind, pass), again: { afterSeconds: 1, continuation: {} }, unfinished: true };
}

/** SRC-015, SRC-016, SRC-019, SRC-025: a failed attempt says so and is retried, a terminal one waits for a change. */
function fail<S extends SourceStatus, O extends SourceObject<S>>(
  kind: SourceKind<S, O>,
  pass: SourcePass<S, O>,
  failure: SourceFailure,
  attempt: Attempt,
): Outcome {
  const { object, conditions, events, status, waitsFor } = pass;
  const { condition, reason, message, terminal, waitSeconds, quiet, shown } = failure;
  if (condition !== undefined)
    conditions.set(condition, condition === "SourceVerified" ? "False" : "True", shown.reason, shown.message);
  if (terminal) {
    conditions.set("Stalled", "True", reason, message);
    conditions.remove("Reconciling");
    status.observedGeneration = object.metadata.generation ?? 0;
  } else {
    const reconciling = conditions.get("Reconciling");
    conditions.set("Reconciling", "True", "ProgressingWithRetry", reconciling?.message ?? "reconciliation in progress");
  }
  events.push({ type: quiet ? "Trace" : "Warning", reason, message, trace: traceOf(attempt, pass, failure) });
  const again: Outcome["again"] =
    waitSeconds === undefined ? { backOff: true } : { afterSeconds: waitSeconds, continuation: {} };
  return {
    ...settled(kind, pass),
    ...(terminal ? {} : { again }),
    ...(waitsFor.length === 0 ? {} : { waitsFor }),
  };
}

/** SRC-012, SRC-013: Ready is the first condition that speaks against it, else it repeats what ArtifactInStorage says. */
function settled<S extends SourceStatus, O extends SourceObject<S>>(
  kind: SourceKind<S, O>,
  { conditions, events, status }: Pick<SourcePass<S, O>, "conditions" | "events" | "status">,
): Outcome {
  const unverified = conditions.get("SourceVerified");
  const against =
    unverified?.status === "False"
      ? unverified
      : kind.against.map((type) => conditions.get(type)).find((condition) => condition?.status === "True");
  const stored = conditions.get("ArtifactInStorage");
  if (against !== undefined) conditions.set("Ready", "False", against.reason, against.message);
  else if (stored !== undefined) conditions.set("Ready", "True", stored.reason, stored.message);
  const told = events.map((event) => ({ ...event, message: hideSecrets(event.message) }));
  return { status: { ...status, conditions: conditions.list() }, events: told };
}

/** Removes every stored artifact of the object, and the link to the newest (SRC-022, SRC-023). */
const finalizeSource: Finalizer = async (object, context) => {
  try {
    const stored = await context.artifacts.list(artifactKey(context.clusterId, object, ""));
    await context.artifacts.remove(stored.map(({ key }) => key));
    await Promise.all([removeLatestLink(context, object), removeHistory(context, object)]);
    const message = "garbage collected artifacts for deleted resource";
    return {
      done: true,
      events: stored.length === 0 ? [] : [{ type: "Trace", reason: "GarbageCollectionSucceeded", message }],
    };
  } catch (error) {
    const message = `garbage collection for deleted resource failed: ${messageOf(error)}`;
    return {
      done: false,
      events: [{ type: "Warning", reason: "GarbageCollectionFailed", message }],
      again: { backOff: true },
    };
  }
};
