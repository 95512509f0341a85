import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { isNotFound } from "./api-error.ts";
import type { ApiRequest, ClusterClient } from "./client.ts";
import { pathOf, resourceOf } from "./discovery.ts";
import { checkPathNames } from "./path-segment.ts";

/** An object's identity and metadata without its content (PartialObjectMetadata). */
export type ObjectMetadata = Pick<KubernetesObject, "apiVersion" | "kind" | "metadata">;

/** Reads one object. Throws ApiError (`isNotFound` where it is absent) and NoKindMatch. */
export async function getObject<T = KubernetesObject>(
  client: ClusterClient,
  reference: ObjectReference,
  signal?: AbortSignal,
): Promise<T> {
  return send<T>(client, { method: "GET" }, reference, signal);
}

/** Reads one object, or undefined where it is absent. Throws ApiError and NoKindMatch. */
export async function findObject<T = KubernetesObject>(
  client: ClusterClient,
  reference: ObjectReference,
  signal?: AbortSignal,
): Promise<T | undefined> {
  try {
    return await getObject<T>(client, reference, signal);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Reads the metadata of one object, or undefined where it is absent. Throws ApiError and NoKindMatch. */
export async function findMetadata(
  client: ClusterClient,
  reference: ObjectReference,
  signal?: AbortSignal,
): Promise<ObjectMetadata | undefined> {
  const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
  try {
    const { metadata } = await send<ObjectMetadata>(client, { method: "GET", accept }, reference, signal);
    return { apiVersion: reference.apiVersion, kind: reference.kind, metadata };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** What to list: a kind, in one namespace or (without one) in all. Selectors are in Kubernetes' own syntax. */
export type Listing = {
  apiVersion: string;
  kind: string;
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
};

/**
 * Objects a page of a LIST of everything. One with a selector is not paged: the API server answers it from its cache,
 * whereas it reads and decodes all objects of the kind from its store for a page.
 */
const pageSize = 500;

/** Reads all objects of a kind, page by page. Throws ApiError and NoKindMatch. */
export async function listObjects<T = KubernetesObject>(
  client: ClusterClient,
  listing: Listing,
  signal?: AbortSignal,
): Promise<T[]> {
  return list<T>(client, listing, "application/json", signal);
}

/** Reads the metadata of all objects of a kind, page by page. Throws ApiError and NoKindMatch. */
export async function listMetadata(
  client: ClusterClient,
  listing: Listing,
  signal?: AbortSignal,
): Promise<ObjectMetadata[]> {
  const items = await list<ObjectMetadata>(
    client,
    listing,
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    signal,
  );
  return items.map(({ metadata }) => ({ apiVersion: listing.apiVersion, kind: listing.kind, metadata }));
}

async function list<T>(
  client: ClusterClient,
  listing: Listing,
  accept: string,
  signal: AbortSignal | undefined,
): Promise<T[]> {
  const { namespace, labelSelector, fieldSelector } = listing;
  const resource = await resourceOf(client, listing, signal);
  const items: T[] = [];
  const limit = labelSelector === undefined && fieldSelector === undefined ? pageSize : undefined;
  let proceed: string | undefined;
  do {
    const page: { items?: T[] | null; metadata?: { continue?: string } } = await client.request({
      method: "GET",
      path: pathOf(resource, { namespace, name: "" }),
      query: { labelSelector, fieldSelector, limit, continue: proceed },
      accept,
      ...(signal === undefined ? {} : { signal }),
    });
    for (const item of page.items ?? []) items.push(item);
    proceed = page.metadata?.continue;
  } while (proceed !== undefined && proceed !== "");
  return items;
}

/** Creates an object and returns it as it was stored. Throws ApiError (`AlreadyExists`) and NoKindMatch. */
export async function createObject<T = KubernetesObject>(
  client: ClusterClient,
  object: KubernetesObject,
  signal?: AbortSignal,
): Promise<T> {
  const resource = await resourceOf(client, object, signal);
  return client.request<T>({
    method: "POST",
    path: pathOf(resource, { namespace: object.metadata.namespace, name: "" }),
    body: object,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** A server-side apply: who applies, whether conflicts are taken over, whether it is only tried, and sent no more than once. */
export type ServerSideApply = { fieldManager: string; force?: boolean; dryRun?: boolean; once?: boolean };

/** Applies an object server-side (KS-140) and returns it as it is, or in a dry run would be, stored. Throws ApiError and NoKindMatch. */
export async function applyObject<T = KubernetesObject>(
  client: ClusterClient,
  object: KubernetesObject,
  { fieldManager, force, dryRun, once = false }: ServerSideApply,
  signal?: AbortSignal,
): Promise<T> {
  const request = {
    method: "PATCH",
    query: { fieldManager, force: force === true ? true : undefined, dryRun: dryRun === true ? "All" : undefined },
    contentType: "application/apply-patch+yaml",
    body: object,
    once,
  } as const;
  return send<T>(client, request, referenceTo(object), signal);
}

/** A patch that is no apply: RFC 6902 operations, or an RFC 7386 merge patch, of the object or a subresource such as `status`. */
export type ObjectPatch = { json: readonly JsonPatchOperation[] } | { merge: unknown };
export type JsonPatchOperation = { op: "add" | "remove" | "replace" | "test"; path: string; value?: unknown };

/** Patches an object or its subresource and returns it as it was stored. Throws ApiError and NoKindMatch. */
export async function patchObject<T = KubernetesObject>(
  client: ClusterClient,
  reference: ObjectReference,
  patch: ObjectPatch,
  { fieldManager, subresource }: { fieldManager: string; subresource?: string },
  signal?: AbortSignal,
): Promise<T> {
  const [contentType, body] =
    "json" in patch ? ["application/json-patch+json", patch.json] : ["application/merge-patch+json", patch.merge];
  return send<T>(
    client,
    { method: "PATCH", query: { fieldManager }, contentType, body },
    reference,
    signal,
    subresource,
  );
}

/**
 * Deletes an object in the background; one with this uid only, where it is given. True where the answer says that it is gone;
 * otherwise it may still be going. Throws ApiError and NoKindMatch.
 */
export async function deleteObject(
  client: ClusterClient,
  reference: ObjectReference,
  options: { uid?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  const preconditions = options.uid === undefined ? {} : { preconditions: { uid: options.uid } };
  const body = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background", ...preconditions };
  const answer = await send<KubernetesObject>(client, { method: "DELETE", body }, reference, options.signal);
  // What goes at once is answered with a Status, but for some kinds, and what finalizers hold with the object as it is now.
  return answer.kind === "Status" && reference.kind !== "Status";
}

/** The name of an object, apart from its content. */
export function referenceTo({ apiVersion, kind, metadata }: ObjectMetadata): ObjectReference {
  const { namespace, name } = metadata;
  return { apiVersion, kind, name, ...(namespace === undefined || namespace === "" ? {} : { namespace }) };
}

async function send<T>(
  client: ClusterClient,
  request: Omit<ApiRequest, "path">,
  reference: ObjectReference,
  signal: AbortSignal | undefined,
  subresource?: string,
): Promise<T> {
  checkPathNames(reference);
  const path = pathOf(await resourceOf(client, reference, signal), reference);
  return client.request<T>({
    ...request,
    path: subresource === undefined ? path : `${path}/${subresource}`,
    ...(signal === undefined ? {} : { signal }),
  });
}
