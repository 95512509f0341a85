import { createHash, createHmac } from "node:crypto";
import type { KubernetesObject, ManagedFieldsEntry, ObjectMeta } from "../api/object.ts";
import { isFields } from "../text/fields.ts";
import type { ApplyOptions } from "./apply.ts";
import { textsAt } from "./unstructured.ts";

/**
 * Digest of an object as it is wanted, and of what else decides how it is applied. A Secret's is keyed, as a plain digest
 * would let content be guessed from it; without a key it has none.
 */
export function digestOf(
  object: KubernetesObject,
  options: Pick<ApplyOptions, "digestKey" | "overrideManagers" | "ignore" | "migrateApiVersion">,
): string | undefined {
  const { ignore = [], migrateApiVersion = false } = options;
  const how = ignore.length > 0 || migrateApiVersion ? [{ ignore, migrateApiVersion }] : [];
  return keyedDigest(object, [object, options.overrideManagers ?? [], ...how], options.digestKey);
}

/** What drift is looked for in (KS-141): labels, annotations, and anything outside metadata and status. */
export function comparable(object: KubernetesObject): unknown {
  const { metadata: _metadata, status: _status, ...content } = object;
  const labels = textsAt(object, "metadata", "labels");
  const annotations = textsAt(object, "metadata", "annotations");
  return { content, labels, annotations };
}

/** Digest of what drift is looked for in; of a Secret as `digestOf` does it. */
export function contentDigestOf(object: KubernetesObject, key: string | undefined): string | undefined {
  return keyedDigest(object, comparable(object), key);
}

function keyedDigest(object: KubernetesObject, value: unknown, key: string | undefined): string | undefined {
  const isSecret = object.apiVersion === "v1" && object.kind === "Secret";
  if (isSecret && key === undefined) return undefined;
  const hash = isSecret && key !== undefined ? createHmac("sha256", key) : createHash("sha256");
  return hash.update(formatCanonical(value)).digest("base64url");
}

/** Annotations that the API server makes up when it writes a whole object, so that metadata read alone does not have them. */
const synthetic = new Set(["deprecated.daemonset.template.generation"]);

/**
 * Digest of all that tells in an object's metadata whether somebody changed it (design, "State"): generation, labels,
 * annotations and who manages which fields. What belongs to the object's status is left out: its writers come and go without
 * touching what was applied. Kinds without a generation (ConfigMap, Secret) show a changed value by its new owner, or, where
 * `fieldManager` itself wrote, by the time of its entry.
 */
export function fingerprintOf(metadata: ObjectMeta, fieldManager: string): string {
  const managedFields = metadata.managedFields ?? [];
  const ofStatus = managedFields.filter(({ subresource }) => subresource === "status");
  const tells = {
    uid: metadata.uid,
    generation: metadata.generation,
    deleting: metadata.deletionTimestamp !== undefined,
    labels: withoutKeys(metadata.labels, metadataKeys(ofStatus, "f:labels")),
    annotations: withoutKeys(metadata.annotations, new Set([...metadataKeys(ofStatus, "f:annotations"), ...synthetic])),
    managers: managedFields.flatMap((entry) => describeManager(entry, fieldManager)).sort(),
  };
  return createHash("sha256").update(formatCanonical(tells)).digest("base64url");
}

function describeManager(entry: ManagedFieldsEntry, fieldManager: string): string[] {
  const { manager, operation, subresource, time } = entry;
  if (subresource === "status") return [];
  const { "f:status": _status, ...fields } = entry.fieldsV1 ?? {};
  if (Object.keys(fields).length === 0) return [];
  const isOwn = manager === fieldManager && operation === "Apply";
  return [formatCanonical({ manager, operation, subresource, fields, ...(isOwn ? { time } : {}) })];
}

/** Labels or annotations that a writer of the status set along with it, such as a Deployment's revision. */
function metadataKeys(entries: readonly ManagedFieldsEntry[], field: "f:labels" | "f:annotations"): Set<string> {
  const keys = entries.flatMap(({ fieldsV1 }) => {
    const metadata = fieldsV1?.["f:metadata"];
    const owned = isFields(metadata) ? metadata[field] : undefined;
    return isFields(owned) ? Object.keys(owned) : [];
  });
  return new Set(keys.map((key) => key.replace(/^f:/, "")));
}

function withoutKeys(values: Record<string, string> | undefined, keys: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([key]) => !keys.has(key)));
}

/** JSON in which the order of fields does not count. */
function formatCanonical(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) => {
    if (typeof entry === "bigint") return `${entry}n`;
    if (!isFields(entry)) return entry;
    return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
