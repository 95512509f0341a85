import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesObject } from "../api/object.ts";
import { messageOf } from "../text/error-message.ts";
import { isFields } from "../text/fields.ts";
import { ApiError, isNotFound } from "./api-error.ts";
import type { ApplyOptions } from "./apply.ts";
import type { ClusterClient } from "./client.ts";
import { pathOf, resourceOf } from "./discovery.ts";
import { isMarked } from "./object-metadata.ts";
import { deleteObject, findMetadata, referenceTo } from "./objects.ts";

/** Kinds whose names are not free, so that a new object cannot be tried beside the old one; their deletion also takes what they hold. */
const fixedNames = new Set(["CustomResourceDefinition", "Namespace", "APIService"]);
/** How long the end of an object is looked for in place, in milliseconds. */
const leavingMilliseconds = 1000;

/**
 * Whether an object may be deleted to be made anew (KS-148): the whole set is forced, or the object, as it is or as it is
 * wanted, is marked so. A definition or a namespace takes what it holds with it, so that only its own mark counts.
 */
export function mayRecreate(object: KubernetesObject, live: KubernetesObject, { group, force }: ApplyOptions): boolean {
  const isMarkedSo = isMarked(object, `${group}/force`, "enabled") || isMarked(live, `${group}/force`, "enabled");
  return isMarkedSo || (force === true && !fixedNames.has(object.kind));
}

/** What became of the old object. */
export type Room =
  /** `isTried`: it has been shown that the new object would be accepted. */
  | { outcome: "gone"; isTried: boolean }
  /** Something holds it, such as a finalizer. */
  | { outcome: "leaving" }
  /** The new object would be refused too: the old one was not deleted. Without an error where that cannot be told. */
  | { outcome: "invalid"; error?: ApiError }
  | { outcome: "undeletable"; error: string };

/**
 * Deletes the live object so that the wanted one can take its place, once a dry run under another name has shown that it
 * would be accepted (SN-18).
 */
export async function makeRoom(
  client: ClusterClient,
  object: KubernetesObject,
  live: KubernetesObject,
  { fieldManager, signal }: ApplyOptions,
): Promise<Room> {
  const reference = referenceTo(object);
  let isTried = false;
  if (live.metadata.deletionTimestamp === undefined) {
    isTried = !fixedNames.has(object.kind);
    const refused = isTried ? await tryCreate(client, object, fieldManager, signal) : undefined;
    if (refused !== undefined) return refused;
    try {
      if (await deleteObject(client, reference, { uid: live.metadata.uid, signal }))
        return { outcome: "gone", isTried };
    } catch (error) {
      if (!isNotFound(error)) {
        return { outcome: "undeletable", error: messageOf(error) };
      }
    }
  }
  const end = Date.now() + leavingMilliseconds;
  for (let pause = 10; ; pause = Math.min(pause * 2, 200)) {
    const present = await findMetadata(client, reference, signal);
    if (present === undefined || present.metadata.uid !== live.metadata.uid) return { outcome: "gone", isTried };
    if (Date.now() + pause > end) return { outcome: "leaving" };
    await sleep(pause);
  }
}

async function tryCreate(
  client: ClusterClient,
  object: KubernetesObject,
  fieldManager: string,
  signal: AbortSignal | undefined,
): Promise<Room | undefined> {
  const { name, namespace } = object.metadata;
  const other = `${name.slice(0, 40).replace(/[^a-z0-9]+$/, "")}-${randomBytes(4).toString("hex")}`;
  try {
    await client.request({
      method: "POST",
      path: pathOf(await resourceOf(client, object, signal), { namespace, name: "" }),
      query: { dryRun: "All", fieldManager },
      body: withoutTaken({ ...object, metadata: { ...object.metadata, name: other } }),
      ...(signal === undefined ? {} : { signal }),
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.reason !== "Invalid") return { outcome: "invalid" };
    const message = error.message.replaceAll(other, name);
    return { outcome: "invalid", error: new ApiError(error.statusCode, error.reason, message, error.causes) };
  }
}

/** A Service without the addresses and ports that the old one holds until it goes. */
function withoutTaken(object: KubernetesObject): KubernetesObject {
  if (object.kind !== "Service" || !isFields(object.spec)) return object;
  const { clusterIP, clusterIPs, healthCheckNodePort: _port, ports, ...spec } = object.spec;
  const isHeadless = clusterIP === "None";
  const free = Array.isArray(ports)
    ? ports.map((port: unknown) => {
        if (!isFields(port)) return port;
        const { nodePort: _nodePort, ...rest } = port;
        return rest;
      })
    : ports;
  return {
    ...object,
    spec: {
      ...spec,
      ...(free === undefined ? {} : { ports: free }),
      ...(isHeadless ? { clusterIP, ...(clusterIPs === undefined ? {} : { clusterIPs }) } : {}),
    },
  };
}
