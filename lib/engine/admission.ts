import { isDeepStrictEqual } from "node:util";
import { isFields } from "../text/fields.ts";
import { kinds, requestedAtAnnotation } from "./kinds.ts";
import type { ReferredKind } from "./references.ts";
import { tokenOf } from "./token.ts";
import type { Cause, Overwritten, WorkItem } from "./work-item.ts";

/** The part of the path of a cluster's admission calls that nobody can guess (design, decision 5): 256 bits from the deployment's seed. */
export function admissionToken(seed: string, clusterId: string): string {
  return tokenOf(seed, `admission/${clusterId}`);
}

/** The part of an AdmissionReview (admission.k8s.io/v1) that Sluice reads. It is a hint: workers read the object anew (TM-002). */
export type AdmissionRequest = {
  uid: string;
  operation: string;
  group: string;
  version: string;
  kind: string;
  namespace: string;
  name: string;
  subResource: string;
  dryRun: boolean;
  fieldManager: string;
  username: string;
  /** The deletion insists on a uid, as programs do: Sluice's prune and the garbage collector, which no manager names. */
  insistsOnUid: boolean;
  object: Reviewed | undefined;
  oldObject: Reviewed | undefined;
};

type Fields = { [field: string]: unknown };
type Reviewed = Fields & {
  metadata: Fields & { labels: Record<string, string>; annotations: Record<string, string> };
};

/** Reads an AdmissionReview. Undefined for anything else. */
export function parseAdmissionReview(review: unknown): AdmissionRequest | undefined {
  if (!isFields(review) || review.kind !== "AdmissionReview" || !isFields(review.request)) return undefined;
  const { request } = review;
  const uid = textOf(request.uid);
  const kind = isFields(request.kind) ? request.kind : {};
  const object = reviewedOf(request.object);
  const oldObject = reviewedOf(request.oldObject);
  if (uid === "") return undefined;
  return {
    uid,
    operation: textOf(request.operation),
    group: textOf(kind.group),
    version: textOf(kind.version),
    kind: textOf(kind.kind),
    namespace: textOf(request.namespace),
    name: textOf(request.name) || textOf(object?.metadata.name) || textOf(oldObject?.metadata.name),
    subResource: textOf(request.subResource),
    dryRun: request.dryRun === true,
    fieldManager: isFields(request.options) ? textOf(request.options.fieldManager) : "",
    username: isFields(request.userInfo) ? textOf(request.userInfo.username) : "",
    insistsOnUid:
      isFields(request.options) &&
      isFields(request.options.preconditions) &&
      textOf(request.options.preconditions.uid) !== "",
    object,
    oldObject,
  };
}

/** The answer to a review: always yes (design, decision 5). */
export function allow(uid: string): Fields {
  return { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: { uid, allowed: true } };
}

/**
 * What a change in a cluster makes worth a look: the object itself if it is of Sluice's kinds and what it asks for changed,
 * and the Kustomization whose labels the object carries or carried. Dry runs, subresources, what Sluice writes itself and what
 * Kubernetes derives from other objects (SV-03) are none.
 */
export function admissionWork(clusterId: string, request: AdmissionRequest): WorkItem[] {
  if (request.dryRun) return [];
  if (request.subResource === "status") return publishedWork(clusterId, request);
  if (request.subResource !== "" || isDerived(request)) return [];
  if (!["CREATE", "UPDATE", "DELETE"].includes(request.operation)) return [];
  if (ownManagers.has(request.fieldManager) && !byInClusterController(request)) return [];
  const items = [...ownKindWork(clusterId, request), ...driftWork(clusterId, request)];
  return items.filter(({ namespace, name }) => isName(namespace) && isName(name));
}

/** Who writes in Sluice's name: the managers of finalizers and status, and those of applied objects (KS-140). */
const ownManagers = new Set([
  "sluice",
  "kustomize-controller",
  ...Object.values(kinds).flatMap(({ component, fieldManager }) => [component, fieldManager]),
]);

/** A Flux controller in the cluster writes with the same managers, but is somebody else (design, decision 2). */
function byInClusterController({ group, kind, username }: AdmissionRequest): boolean {
  return ownKind(group, kind) !== undefined && username.startsWith("system:serviceaccount:");
}

function ownKind(group: string, kind: string) {
  return Object.values(kinds).find(
    (known) => known.kind === kind && known.apiVersion.slice(0, known.apiVersion.indexOf("/")) === group,
  );
}

function ownKindWork(clusterId: string, request: AdmissionRequest): WorkItem[] {
  const known = ownKind(request.group, request.kind);
  const cause = known === undefined ? undefined : causeOf(request);
  if (known === undefined || cause === undefined) return [];
  return [{ cluster: clusterId, kind: known.kind, namespace: request.namespace, name: request.name, cause }];
}

/** EA-002: another producer's ExternalArtifact is about to offer something else. Its own status is the only one that calls. */
function publishedWork(clusterId: string, request: AdmissionRequest): WorkItem[] {
  const { uid, group: apiGroup, kind, namespace, name, object, oldObject } = request;
  const known = ownKind(apiGroup, kind);
  const { overwritten } = overwrittenOf(request);
  if (known?.kind !== "ExternalArtifact" || overwritten === undefined || !isName(namespace) || !isName(name)) return [];
  if (isDeepStrictEqual(object?.status, oldObject?.status)) return [];
  return [{ cluster: clusterId, kind: known.kind, namespace, name, cause: { type: "published", uid, overwritten } }];
}

/** SV-01: the call comes before the object is stored, so it names the state that the worker has to wait for. */
function causeOf({ operation, object, oldObject }: AdmissionRequest): Cause | undefined {
  const current = object?.metadata;
  const old = oldObject?.metadata;
  const uid = textOf(current?.uid) || textOf(old?.uid);
  if (operation === "DELETE" || (current?.deletionTimestamp !== undefined && old?.deletionTimestamp === undefined))
    return { type: "admission", uid, deleted: true };
  if (current === undefined) return undefined;
  const generation = typeof current.generation === "number" ? current.generation : undefined;
  const requestedAt = current.annotations[requestedAtAnnotation];
  const reached = generation !== undefined && generation !== old?.generation;
  const requested = requestedAt !== undefined && requestedAt !== old?.annotations[requestedAtAnnotation];
  if (!reached && !requested && operation !== "CREATE") return undefined;
  return {
    type: "admission",
    uid,
    ...(reached ? { generation } : {}),
    ...(requested ? { requestedAt } : {}),
  };
}

/** Each call is a state of its own: its uid keeps a second edit from being taken for the first one delivered again. */
function driftWork(clusterId: string, request: AdmissionRequest): WorkItem[] {
  const { object, oldObject } = request;
  if (request.operation === "DELETE" && request.insistsOnUid) return [];
  if (object !== undefined && oldObject !== undefined && isDeepStrictEqual(wanted(object), wanted(oldObject)))
    return [];
  const owners = new Map([object, oldObject].flatMap(ownerOf));
  return [...owners.values()].map(({ namespace, name }) => ({
    cluster: clusterId,
    kind: "Kustomization",
    namespace,
    name,
    cause: {
      type: "drift",
      uid: request.uid,
      by: request.username.slice(0, 200),
      object: `${request.kind}/${request.namespace}/${request.name}`.slice(0, 600),
      ...overwrittenOf(request),
    },
  }));
}

/**
 * The ConfigMap or Secret whose change, creation or deletion a call tells of: who refers to it looks at it again (KS-009), whoever
 * wrote it. Undefined for every other call. `labels` are those it has, and had.
 */
export function changedReference(request: AdmissionRequest):
  | {
      reference: { kind: ReferredKind; namespace: string; name: string };
      labels: Readonly<Record<string, string>>[];
      cause: Extract<Cause, { type: "reference" }>;
    }
  | undefined {
  const { uid, group: apiGroup, kind, namespace, name, object, oldObject } = request;
  if (request.dryRun || request.subResource !== "" || apiGroup !== "") return undefined;
  if ((kind !== "ConfigMap" && kind !== "Secret") || !isName(namespace) || !isName(name)) return undefined;
  const resourceVersion = textOf(oldObject?.metadata.resourceVersion);
  const overwritten = { apiVersion: "v1", kind, namespace, name, resourceVersion };
  return {
    reference: { kind, namespace, name },
    labels: [object, oldObject].flatMap((reviewed) => (reviewed === undefined ? [] : [reviewed.metadata.labels])),
    cause: { type: "reference", uid, object: `${kind}/${namespace}/${name}`, overwritten },
  };
}

/** By the resourceVersion before it a worker knows whether the change is stored; what is new has none. */
function overwrittenOf({ group: apiGroup, version, kind, namespace, name, oldObject }: AdmissionRequest): {
  overwritten?: Overwritten;
} {
  const resourceVersion = textOf(oldObject?.metadata.resourceVersion);
  if (resourceVersion === "" || version === "" || kind === "" || name === "") return {};
  const apiVersion = apiGroup === "" ? version : `${apiGroup}/${version}`;
  return { overwritten: { apiVersion, kind, namespace, name, resourceVersion } };
}

const group = "kustomize.toolkit.fluxcd.io";

function ownerOf(reviewed: Reviewed | undefined): [string, { namespace: string; name: string }][] {
  const name = reviewed?.metadata.labels[`${group}/name`];
  const namespace = reviewed?.metadata.labels[`${group}/namespace`];
  return name === undefined || namespace === undefined ? [] : [[`${namespace}/${name}`, { namespace, name }]];
}

/** What somebody can want of an object: all of it but its status, its bookkeeping and a request to reconcile it. */
function wanted(reviewed: Reviewed): unknown {
  const { status: _status, metadata, ...content } = reviewed;
  const { labels, annotations, finalizers, ownerReferences, deletionTimestamp } = metadata;
  const { [requestedAtAnnotation]: _requested, ...others } = annotations;
  return { ...content, labels, annotations: others, finalizers, ownerReferences, deletionTimestamp };
}

/** Endpoints and EndpointSlices carry the labels of their Service and are written all the time. */
function isDerived({ group: apiGroup, kind }: AdmissionRequest): boolean {
  return (
    ["discovery.k8s.io", "coordination.k8s.io", "events.k8s.io"].includes(apiGroup) ||
    (apiGroup === "" && ["Endpoints", "Event"].includes(kind))
  );
}

function isName(text: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{0,252}$/.test(text);
}

function reviewedOf(value: unknown): Reviewed | undefined {
  if (!isFields(value)) return undefined;
  const metadata = isFields(value.metadata) ? value.metadata : {};
  return {
    ...value,
    metadata: { ...metadata, labels: textMapOf(metadata.labels), annotations: textMapOf(metadata.annotations) },
  };
}

function textMapOf(value: unknown): Record<string, string> {
  if (!isFields(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
