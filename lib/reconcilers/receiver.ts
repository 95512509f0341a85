import type { Receiver, ReceiverStatus } from "../api/receiver.ts";
import type { Context, EventRecord, Finalizer, Outcome, Reconciler } from "../engine/reconciler.ts";
import { isAnswer } from "../notify/is-answer.ts";
import { indexReceiver, unindexReceiver } from "../notify/receiver-index.ts";
import { receiverTypes } from "../notify/receivers/receiver-types.ts";
import { readSecretData } from "../notify/secret-data.ts";
import { webhookPath } from "../notify/webhook-path.ts";
import { messageOf } from "../text/error-message.ts";
import { formatGoDuration, parseGoDuration } from "../text/go-duration.ts";
import { type ConditionEditor, editConditions } from "./condition-editor.ts";

/** Computes the path of a Receiver from its token and makes it known (notifications.md, section 8). */
export const reconcileReceiver: Reconciler<Receiver, ReceiverStatus> = async (object, context) => {
  const conditions = editConditions(object, () => context.clock.now());
  const refusal = refusalOf(object);
  if (refusal !== undefined) return stall(object, conditions, refusal);

  conditions.remove("Stalled");
  const { namespace = "", name } = object.metadata;
  const token = await readToken(object, context);
  const previous = object.status?.webhookPath ?? "";
  if ("missing" in token) {
    if (previous !== "") await unindexReceiver(context.records, context.clusterId, previous);
    return fail(object, conditions, token.missing);
  }
  const path = webhookPath(token.value, name, namespace);
  // The index first: a path that users can see is never lost while the cluster does not answer.
  await indexReceiver(context.records, context.clusterId, path, { namespace, name });
  if (previous !== "" && previous !== path) await unindexReceiver(context.records, context.clusterId, previous);
  return succeed(object, conditions, path);
};

/** RC-012: the path belongs to nobody any more. */
export const finalizeReceiver: Finalizer<Receiver> = async (object, context) => {
  const path = object.status?.webhookPath ?? "";
  if (path !== "") await unindexReceiver(context.records, context.clusterId, path);
  return { done: true, events: [] };
};

/** RC-007, and what this release cannot do: a Receiver that it does not verify as its type demands must not look ready. */
function refusalOf({ spec }: Receiver): string | undefined {
  if (spec.type !== "generic-oidc" && spec.secretRef === undefined)
    return "secretRef is required when type is not generic-oidc";
  if (!receiverTypes.has(spec.type))
    return `spec.type '${spec.type}' cannot be used with this release of Sluice, which has ${[...receiverTypes.keys()].join(", ")}`;
  const fields = [
    spec.resourceFilter !== undefined && spec.resourceFilter !== "" && "spec.resourceFilter",
    spec.resources.some(({ filter = "" }) => filter !== "") && "spec.resources[].filter",
  ].filter((field) => typeof field === "string");
  return fields.length === 0 ? undefined : `${fields.join(", ")} cannot be used with this release of Sluice`;
}

/** RC-005, QK-008: the token, or what its Secret lacks. Throws where the API server does not answer: nothing is known then. */
async function readToken(
  { metadata, spec }: Receiver,
  context: Context,
): Promise<{ value: Uint8Array } | { missing: string }> {
  const secret = { namespace: metadata.namespace ?? "", name: spec.secretRef?.name ?? "" };
  const named = `'${secret.namespace}/${secret.name}'`;
  try {
    const value = (await readSecretData(context.cluster, secret, context.signal)).get("token");
    if (value === undefined) return { missing: `invalid ${named} secret data: required fields 'token'` };
    if (value.length === 0 && receiverTypes.get(spec.type)?.tokenProves === true)
      return { missing: `invalid ${named} secret data: field 'token' is empty and would let everybody in` };
    return { value };
  } catch (error) {
    if (!isAnswer(error)) throw error;
    const why = messageOf(error);
    return { missing: `unable to read token from secret ${named} error: ${why}` };
  }
}

/** RC-004. The event is one for the cluster alone: no Alert listens to Receivers. */
function succeed(object: Receiver, conditions: ConditionEditor, path: string): Outcome<ReceiverStatus> {
  conditions.remove("Reconciling");
  conditions.set("Ready", "True", "Succeeded", `Receiver initialized for path: ${path}`);
  const interval = formatGoDuration(parseGoDuration(object.spec.interval ?? "10m"));
  const event: EventRecord = {
    type: "Trace",
    reason: "Succeeded",
    message: `Reconciliation finished, next run in ${interval}`,
  };
  const status = { ...object.status, webhookPath: path, observedGeneration: object.metadata.generation ?? 0 };
  return { status: { ...status, conditions: conditions.list() }, events: [event] };
}

/** RC-005: the path is gone with its token, and comes back with it. */
function fail(object: Receiver, conditions: ConditionEditor, message: string): Outcome<ReceiverStatus> {
  conditions.set("Reconciling", "True", "ProgressingWithRetry", "Reconciliation in progress");
  conditions.set("Ready", "False", "TokenNotFound", message);
  const { webhookPath: _gone, ...status } = object.status ?? {};
  return {
    status: { ...status, conditions: conditions.list() },
    events: [{ type: "Warning", reason: "Failed", message }],
    again: { backOff: true },
  };
}

/** RC-006, RC-007: nothing helps but a change of the object; the path is kept, and answers 503 meanwhile. */
function stall(object: Receiver, conditions: ConditionEditor, why: string): Outcome<ReceiverStatus> {
  const message = `Reconciliation failed terminally due to configuration error: ${why}`;
  conditions.remove("Reconciling");
  conditions.set("Ready", "False", "ValidationFailed", message);
  conditions.set("Stalled", "True", "ValidationFailed", message);
  const status = { ...object.status, observedGeneration: object.metadata.generation ?? 0 };
  return {
    status: { ...status, conditions: conditions.list() },
    events: [{ type: "Warning", reason: "ValidationFailed", message }],
  };
}
