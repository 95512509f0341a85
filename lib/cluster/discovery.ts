import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { isFields } from "../text/fields.ts";
import type { ClusterClient } from "./client.ts";
import { knownResource } from "./known-resources.ts";
import { groupOf } from "./order.ts";

/** How an API server serves one kind: its name in paths, and whether its objects live in namespaces. */
export type Resource = { apiVersion: string; kind: string; plural: string; namespaced: boolean };

/** The API server serves no such kind. The message is the one of apimachinery's NoKindMatchError. */
export class NoKindMatch extends Error {
  constructor(apiVersion: string, kind: string) {
    super(`no matches for kind "${kind}" in version "${apiVersion}"`);
    this.name = "NoKindMatch";
  }
}

/**
 * The API server does not know at present what it serves in a version of an API, as who serves that does not answer (an
 * APIService that is down): nothing may be concluded from the absence of a kind. The message is client-go's.
 */
export class DiscoveryFailed extends Error {
  constructor(apiVersion: string) {
    const cause = `${apiVersion}: stale GroupVersion discovery: ${apiVersion}`;
    super(`unable to retrieve the complete list of server APIs: ${cause}`);
    this.name = "DiscoveryFailed";
  }
}

/** What was learnt of one API server, shared by every identity that talks to it. */
type Discovery = {
  resources: Map<string, Resource>;
  preferred: Map<string, string>;
  /** Versions of APIs of which the API server had nothing, or something old, to say. */
  stale: Set<string>;
  readAt: number;
  /** Kinds of definitions that were just applied, which what is served may not show yet; `at` is milliseconds since 1970. */
  learnt: Map<string, { resource: Resource; at: number }>;
  /** The reading under way, which all who ask meanwhile share. */
  reading?: Promise<void> | undefined;
};

const discoveries = new WeakMap<ClusterClient, Discovery>();

/** How long what was discovered is believed, in milliseconds: definitions come and go seldom, and a miss asks again anyway. */
const believedMilliseconds = 10 * 60_000;
/** How soon a miss may ask again, in milliseconds: an unknown kind in every pass must not become a flood. */
const againMilliseconds = 200;
/** How long a definition that was applied here speaks for itself, in milliseconds: by then it is served, or is not. */
const learntMilliseconds = 60_000;

function discoveryOf(client: ClusterClient): Discovery {
  const known = discoveries.get(client);
  if (known !== undefined) return known;
  const fresh: Discovery = {
    resources: new Map(),
    preferred: new Map(),
    stale: new Set(),
    learnt: new Map(),
    readAt: Number.NEGATIVE_INFINITY,
  };
  discoveries.set(client, fresh);
  return fresh;
}

/** Lets `other`, the same API server under another identity, use what `client` discovers. Returns `other`. */
export function shareDiscovery(client: ClusterClient, other: ClusterClient): ClusterClient {
  discoveries.set(other, discoveryOf(client));
  return other;
}

/**
 * How the API server serves a kind. The kinds of Kubernetes itself need no request; others are read from aggregated discovery
 * once, and again on a miss (KS-134). Throws NoKindMatch, DiscoveryFailed, and ApiError where discovery itself is refused.
 */
export async function resourceOf(
  client: ClusterClient,
  { apiVersion, kind }: { apiVersion: string; kind: string },
  signal?: AbortSignal,
): Promise<Resource> {
  const known = knownResource(apiVersion, kind);
  if (known !== undefined) return known;
  const discovery = discoveryOf(client);
  const key = `${apiVersion} ${kind}`;
  const age = Date.now() - discovery.readAt;
  const found = age < believedMilliseconds ? discovery.resources.get(key) : undefined;
  if (found !== undefined) return found;
  const learnt = discovery.learnt.get(key);
  if (learnt !== undefined && Date.now() - learnt.at < learntMilliseconds) return learnt.resource;
  if (age > againMilliseconds) await discover(client, discovery, signal);
  const resource = discovery.resources.get(key);
  if (resource === undefined && discovery.stale.has(apiVersion)) throw new DiscoveryFailed(apiVersion);
  if (resource === undefined) throw new NoKindMatch(apiVersion, kind);
  return resource;
}

/**
 * The apiVersion in which the API server prefers to serve a kind of a group, or undefined where it serves none. Throws
 * DiscoveryFailed where it does not know, and ApiError.
 */
export async function preferredVersionOf(
  client: ClusterClient,
  { group, kind }: { group: string; kind: string },
  signal?: AbortSignal,
): Promise<string | undefined> {
  const discovery = discoveryOf(client);
  const key = `${group} ${kind}`;
  if (!discovery.preferred.has(key) && Date.now() - discovery.readAt > againMilliseconds)
    await discover(client, discovery, signal);
  const preferred = discovery.preferred.get(key);
  const stale =
    preferred === undefined ? [...discovery.stale].find((version) => groupOf(version) === group) : undefined;
  if (stale !== undefined) throw new DiscoveryFailed(stale);
  return preferred;
}

/** The path of one object; without its name where that is empty, which is the path of its collection. */
export function pathOf(
  resource: Resource,
  { namespace, name }: { namespace?: string | undefined; name: string },
): string {
  const version = resource.apiVersion.includes("/") ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const scope =
    resource.namespaced && namespace !== undefined && namespace !== ""
      ? `/namespaces/${encodeURIComponent(namespace)}`
      : "";
  return `${version}${scope}/${resource.plural}${name === "" ? "" : `/${encodeURIComponent(name)}`}`;
}

/** The path under which the API server serves an object. Throws NoKindMatch where it serves no such kind. */
export async function resourcePath(client: ClusterClient, object: KubernetesObject | ObjectReference): Promise<string> {
  const { namespace, name } =
    "metadata" in object && typeof object.metadata === "object"
      ? (object as KubernetesObject).metadata
      : (object as ObjectReference);
  return pathOf(await resourceOf(client, object), { namespace, name });
}

/**
 * Learns from a CustomResourceDefinition that was just applied what discovery will say of it in a moment (KS-134), so that
 * its objects need neither a wait nor a request. Anything else is ignored.
 */
export function learnDefinition(client: ClusterClient, definition: KubernetesObject): void {
  const spec = definition.spec;
  if (definition.kind !== "CustomResourceDefinition" || !isFields(spec) || !isFields(spec.names)) return;
  const { kind, plural } = spec.names;
  if (
    typeof spec.group !== "string" ||
    typeof kind !== "string" ||
    typeof plural !== "string" ||
    !Array.isArray(spec.versions)
  )
    return;
  const { resources, learnt } = discoveryOf(client);
  for (const version of spec.versions) {
    if (!isFields(version) || typeof version.name !== "string") continue;
    const apiVersion = `${spec.group}/${version.name}`;
    const key = `${apiVersion} ${kind}`;
    const resource = { apiVersion, kind, plural, namespaced: spec.scope === "Namespaced" };
    if (version.served === false) {
      resources.delete(key);
      learnt.delete(key);
    } else learnt.set(key, { resource, at: Date.now() });
  }
}

const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/** Reads all that is served, once for everybody who asks at the same time; a signal ends the asking, not the reading. */
async function discover(client: ClusterClient, discovery: Discovery, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  discovery.reading ??= readAll(client, discovery).finally(() => {
    discovery.reading = undefined;
  });
  await discovery.reading;
}

async function readAll(client: ClusterClient, discovery: Discovery): Promise<void> {
  const read = (path: string) => client.request<unknown>({ method: "GET", path, accept: aggregated });
  const lists = await Promise.all([read("/api"), read("/apis")]);
  discovery.resources.clear();
  discovery.preferred.clear();
  discovery.stale.clear();
  for (const list of lists) {
    for (const group of itemsOf(list)) learnGroup(discovery, group);
  }
  discovery.readAt = Date.now();
}

/** An APIGroupDiscovery: its versions are in order of preference. */
function learnGroup({ resources, preferred, stale }: Discovery, group: Record<string, unknown>): void {
  const name = isFields(group.metadata) && typeof group.metadata.name === "string" ? group.metadata.name : "";
  for (const version of recordsOf(group.versions)) {
    if (typeof version.version !== "string") continue;
    const apiVersion = name === "" ? version.version : `${name}/${version.version}`;
    if (version.freshness === "Stale") stale.add(apiVersion);
    for (const { resource, responseKind, scope } of recordsOf(version.resources)) {
      const kind = isFields(responseKind) ? responseKind.kind : undefined;
      if (typeof resource !== "string" || typeof kind !== "string") continue;
      resources.set(`${apiVersion} ${kind}`, {
        apiVersion,
        kind,
        plural: resource,
        namespaced: scope === "Namespaced",
      });
      const key = `${name} ${kind}`;
      if (!preferred.has(key)) preferred.set(key, apiVersion);
    }
  }
}

function itemsOf(list: unknown): Record<string, unknown>[] {
  return isFields(list) ? recordsOf(list.items) : [];
}

function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}
