import type { Alert } from "../api/alert.ts";
import type { Provider } from "../api/provider.ts";
import { isNotFound } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { findObject, getObject } from "../cluster/objects.ts";
import type { Settings } from "../engine/settings.ts";
import type { Platform } from "../platform/ports.ts";
import { parseGoDuration } from "../text/go-duration.ts";
import { type Warning, warnOf } from "./alert-events.ts";
import { mergeMetadata } from "./alert-metadata.ts";
import { attempts, attemptsOfFlux, type Delivery, deliver, waitSeconds } from "./delivery.ts";
import { describeObject, eventGroup, groupPrefixOf, type NotificationEvent } from "./event.ts";
import type { Ledger } from "./ledger.ts";
import { type DeliveryState, formatMessage, type NotificationMessage } from "./message.ts";
import { type PreparedProvider, prepareProvider } from "./provider-settings.ts";
import { ProviderInvalid, type ProviderRequest } from "./providers/provider-type.ts";
import { familyOf, providerTypes } from "./providers/provider-types.ts";

type Place = { platform: Platform; cluster: ClusterClient; settings: Settings; ledger: Ledger };
type DeliveryMessage = NotificationMessage & { delivery: DeliveryState };

const apiVersion = "notification.toolkit.fluxcd.io/v1beta3";
/** PR-009: the default of `spec.timeout`, and what an invocation has for one attempt, in seconds. */
const timeouts = { default: 15, most: 25 };

/**
 * Sends one event to one Alert's Provider. What fails and may yet succeed comes again by the delay queue: at Flux's pace at
 * first, then for an hour (HC-002, SV-003). What is wrong with Alert or Provider is a Warning on the Alert, and is not tried again.
 */
export async function sendToProvider(place: Place, message: DeliveryMessage): Promise<void> {
  const { platform, cluster, settings, ledger } = place;
  const { event, delivery } = message;
  const reference = { apiVersion, kind: "Alert", namespace: delivery.namespace, name: delivery.alert };
  const alert = await findObject<Alert>(cluster, reference);
  if (alert === undefined || alert.spec.suspend === true) return;
  const recipient = `${delivery.namespace}/${delivery.alert}`;
  if (await ledger.hasReached(message.id, recipient)) return;
  if (alert.spec.summary !== undefined && delivery.failed === 0)
    platform.log.info("spec.summary of an Alert is deprecated: use spec.eventMetadata.summary", { alert: recipient });
  const warn = (warning: Warning) => warnOf(cluster, alert, [warning], platform.clock.now());

  let prepared: Prepared | undefined;
  try {
    prepared = await prepare(cluster, settings, alert, event);
  } catch (error) {
    if (!(error instanceof ProviderInvalid)) throw error;
    const text = `failed to dispatch notification for ${describeObject(event.involvedObject)}: ${error.message}`;
    return warn({ reason: "NotificationDispatchFailed", message: text });
  }
  if (prepared === undefined) return;
  if (Object.keys(prepared.conflicts).length > 0 && delivery.failed === 0)
    await warn({ reason: "MetadataAppendFailed", message: conflictText, annotations: prepared.conflicts });

  const result = await deliver(prepared.request, prepared.provider.transport, prepared.seconds);
  if (result.sent) return ledger.noteReached(message.id, recipient);
  await afterFailure(place, message, prepared, result, warn);
}

/** MD-002. */
const conflictText =
  "metadata key conflicts detected (please refer to the Alert API docs and Flux RFC 0008 for more information)";

type Prepared = {
  request: ProviderRequest;
  provider: PreparedProvider;
  conflicts: Record<string, string>;
  seconds: number;
};

/** Everything before the request goes out; undefined where this Provider is not told of such events. Throws ProviderInvalid. */
async function prepare(
  cluster: ClusterClient,
  settings: Settings,
  alert: Alert,
  event: NotificationEvent,
): Promise<Prepared | undefined> {
  const { namespace = "", name } = alert.metadata;
  if (settings.noCrossNamespaceRefs && event.involvedObject.namespace !== namespace)
    throw new ProviderInvalid(
      `discarding event, access denied to cross-namespace sources: alert '${namespace}/${name}' can't process event from '${describeObject(event.involvedObject)}', cross-namespace references have been blocked`,
    );
  const provider = await readProvider(cluster, namespace, alert.spec.providerRef.name);
  const { spec, metadata } = provider;
  if (spec.suspend === true || !isTold(spec.type, event)) return undefined;
  if (spec.serviceAccountName !== undefined && settings.featureGates.ObjectLevelWorkloadIdentity !== true)
    throw new ProviderInvalid(
      "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller",
    );
  const merged = mergeMetadata(event, alert.spec);
  const wrong = (why: string) =>
    new ProviderInvalid(`failed to initialize notifier for provider '${metadata.name}': ${why}`);
  const type = providerTypes.get(spec.type);
  if (type === undefined) throw wrong(`failed to initialize notifier: provider ${spec.type} not supported`);
  let prepared: PreparedProvider;
  try {
    prepared = await prepareProvider(cluster, provider, AbortSignal.timeout(10_000));
  } catch (error) {
    throw error instanceof ProviderInvalid ? wrong(error.message) : error;
  }
  try {
    return {
      request: type(prepared.settings, merged.event),
      provider: prepared,
      conflicts: merged.conflicts,
      seconds: Math.min(
        spec.timeout === undefined ? timeouts.default : parseGoDuration(spec.timeout) / 1000,
        timeouts.most,
      ),
    };
  } catch (error) {
    throw error instanceof ProviderInvalid ? wrong(`failed to initialize notifier: ${error.message}`) : error;
  }
}

/** AL-001. */
async function readProvider(cluster: ClusterClient, namespace: string, name: string): Promise<Provider> {
  try {
    return await getObject<Provider>(cluster, { apiVersion, kind: "Provider", namespace, name });
  } catch (error) {
    if (isNotFound(error) && error instanceof Error)
      throw new ProviderInvalid(`failed to read provider: ${error.message}`);
    throw error;
  }
}

/** PR-021 to PR-023, MD-004: decided on the metadata before it is merged. */
function isTold(type: string, event: NotificationEvent): boolean {
  const family = familyOf(type);
  const isUpdate = event.metadata?.[`${groupPrefixOf(event)}commit_status`] === "update";
  const announces = (key: string) => (event.metadata?.[`${eventGroup}${key}`] ?? "") !== "";
  if (family === "change request") return !isUpdate && announces("change_request");
  if (family === "commit status") return announces("commit") || isUpdate || event.severity === "error";
  return family === "generic" || !isUpdate;
}

/** AL-011, HC-003: the user is told once when Flux would have given up, and again when Sluice does. */
async function afterFailure(
  { platform }: Place,
  message: DeliveryMessage,
  { provider }: Prepared,
  result: Exclude<Delivery, { sent: true }>,
  warn: (warning: Warning) => Promise<void>,
): Promise<void> {
  const { delivery, event } = message;
  const failed = delivery.failed + 1;
  const masked = mask(result.error, provider);
  const text = (why: string) => ({
    reason: "NotificationDispatchFailed",
    message: `failed to send notification for ${describeObject(event.involvedObject)}: postMessage failed: ${why}`,
  });
  const fields = {
    cluster: message.cluster,
    alert: `${delivery.namespace}/${delivery.alert}`,
    attempt: failed,
    error: masked,
  };
  if (!result.retry) {
    platform.log.error("a notification was refused", fields);
    return warn(text(masked));
  }
  const to = `POST ${provider.shownAddress}`;
  if (failed >= attempts) {
    platform.log.error("a notification is given up", fields);
    return warn(text(`failed to execute request: ${to} giving up after ${failed} attempt(s): ${masked}`));
  }
  platform.log.warn("a notification will be sent again", fields);
  const tell = !delivery.warned && (result.timedOut || failed >= attemptsOfFlux);
  const next = { ...message, delivery: { ...delivery, failed, warned: delivery.warned || tell } };
  await platform.queue.sendLater("notification", formatMessage(next), waitSeconds(failed, result.retryAfter));
  // The attempt is safe by now: a Warning that cannot be written must not bring it a second time.
  if (!tell) return;
  await warn(text(`${masked} (${to} failed ${failed} time(s) and is tried again for up to an hour)`)).catch(
    (error: unknown) => platform.log.warn("a Warning could not be written", { ...fields, error: String(error) }),
  );
}

/** AL-011, SV-018. */
function mask(text: string, { secrets }: PreparedProvider): string {
  return secrets.reduce((masked, secret) => masked.replaceAll(secret, "*****"), text);
}
