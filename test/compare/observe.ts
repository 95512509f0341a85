import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import type { KubernetesObject } from "../../lib/api/object.ts";
import { rewrites } from "./allowed.ts";
import type { Source } from "./kinds.ts";
import type { PostedEvent } from "./recorder.ts";
import type { Side } from "./side.ts";

/** What was seen, as lines: a place in an object, and what stands there. */
export type Observation = Map<string, string>;

/** Makes texts of two sides comparable: digests of what each has packed itself, addresses, times, temporary files. */
export type Normalize = (text: string) => string;

/** A normalizer of one side. `learn` tells it of an object. */
export function normalizer(): { normalize: Normalize; learn(object: Source): void } {
  const names = new Map<string, string>();
  return {
    learn: ({ status, metadata }) => {
      if (metadata.uid !== undefined) names.set(metadata.uid, "<uid>");
      for (const found of JSON.stringify(status ?? {}).matchAll(/"digest":"([^"]+)"/g))
        names.set(found[1] ?? "", "<digest of the artifact>");
    },
    normalize: (text) => {
      let result = text.replace(artifactAddress, "<artifacts>/");
      for (const [name, told] of names) result = result.replaceAll(name, told);
      result = result
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
        // Where the controllers unpack.
        .replace(/\/tmp\/[^\s'":,]*\/source-(?:controller|watcher)\/tmp\/[^\s'":,/]+/g, "")
        .replace(/ on [\d.]+:53: no such host/g, ": no such host");
      for (const { from, to } of rewrites) result = result.replace(from, to);
      return result;
    },
  };
}

const artifactAddress =
  /https?:\/\/127\.0\.0\.1:\d+\/(?:[^\s'"]*\/)?(?=(?:gitrepository|ocirepository|bucket|helmrepository|helmchart|externalartifact)\/)/g;

/** What is compared of an object: what its status and its metadata say, and what its artifact holds. */
export async function observe(side: Side, object: Source, normalize: Normalize): Promise<Observation> {
  const seen: Observation = new Map();
  const note = (place: string, value: unknown) => {
    if (value === undefined) return;
    seen.set(place, normalize(typeof value === "string" ? value : JSON.stringify(value)));
  };
  const { conditions = [], artifact, lastHandledReconcileAt, ...status } = object.status ?? {};
  for (const { type, status: truth, reason, message, observedGeneration } of conditions) {
    note(`status.conditions[${type}]`, `${truth} ${reason}: ${message}`);
    note(`status.conditions[${type}].observedGeneration`, observedGeneration);
  }
  note("status.lastHandledReconcileAt", lastHandledReconcileAt === undefined ? undefined : "<handled>");
  for (const [field, value] of Object.entries(status)) {
    if (Array.isArray(value))
      for (const [index, item] of value.entries()) noteFields(note, `status.${field}[${index}]`, item);
    else note(`status.${field}`, value);
  }
  if (artifact !== undefined) {
    noteFields(note, "status.artifact", { ...artifact, algorithm: artifact.digest.split(":")[0] });
    const entries = await contentOf(side, object, artifact.path);
    note("artifact entries in order", entries.map(({ name }) => name).join(" "));
    for (const { name, line } of entries) note(`artifact entry ${name}`, line);
  }
  const { metadata } = object;
  note("metadata.finalizers", metadata.finalizers);
  note("metadata.labels", metadata.labels && sorted(metadata.labels));
  note(
    "metadata.ownerReferences",
    metadata.ownerReferences?.map(({ kind, name }) => `${kind}/${name}`),
  );
  const managers = (metadata.managedFields ?? []).map(
    ({ manager, operation, subresource = "", apiVersion }) => `${manager} ${operation} ${apiVersion} ${subresource}`,
  );
  note("metadata.managedFields", [...new Set(managers)].sort());
  if (object.kind === "ExternalArtifact") note("spec", object.spec);
  return seen;
}

/** Bytes and digest of what was compressed are each side's own. */
const own = new Set(["size", "digest", "lastUpdateTime"]);

function noteFields(note: (place: string, value: unknown) => void, place: string, value: unknown): void {
  if (typeof value !== "object" || value === null) note(place, value);
  else for (const [field, content] of Object.entries(value)) if (!own.has(field)) note(`${place}.${field}`, content);
}

function sorted(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A line for each entry of an archive, or one for anything else. */
async function contentOf(side: Side, { kind }: Source, path: string): Promise<{ name: string; line: string }[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(side.fileOf(kind, path));
  } catch (error) {
    return [{ name: "", line: error instanceof Error && "code" in error ? `not there: ${error.code}` : String(error) }];
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return [{ name: "", line: `${bytes.length} bytes ${hash(bytes)}` }];
  const entries: { name: string; line: string }[] = [];
  try {
    for await (const entry of Readable.from([gunzipSync(bytes)]).pipe(extract())) {
      const { name, type, mode = 0, uid, gid, uname, gname, mtime, linkname } = entry.header;
      const chunks: Buffer[] = [];
      for await (const chunk of entry) if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
      const content = Buffer.concat(chunks);
      // What Flux's checkout keeps of a submodule beside its files leads to nothing (GIT-105).
      if (side.name === "flux" && name.endsWith("/.git")) continue;
      const time = kind === "HelmChart" ? "" : ` ${mtime?.getTime()}`;
      const owner = `${uid}:${gid} ${uname}:${gname}`;
      const line = `${type} ${mode.toString(8)} ${owner}${time} ${linkname ?? ""} ${content.length} ${hash(content)}`;
      entries.push({ name, line });
    }
  } catch (error) {
    entries.push({ name: "", line: `unreadable: ${String(error)}` });
  }
  return entries;
}

function hash(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

type CoreEvent = KubernetesObject & {
  involvedObject: { kind: string; name: string };
  type: string;
  reason: string;
  message: string;
  reportingComponent?: string;
};

/** What was told of the objects of a namespace, each thing once with all its metadata: Events of the cluster, and notifications. */
export function observeEvents(core: KubernetesObject[], posted: PostedEvent[], normalize: Normalize): Observation {
  const told = new Map<string, Set<string>>();
  const add = (text: string, metadata: Record<string, string>) => {
    const place = normalize(text);
    told.set(place, (told.get(place) ?? new Set()).add(normalize(JSON.stringify(metadata))));
  };
  for (const event of core.filter(isCoreEvent)) {
    const annotations = Object.entries(event.metadata.annotations ?? {}).filter(
      ([key]) => !key.startsWith("sluice.dev/"),
    );
    const { kind, name } = event.involvedObject;
    add(
      `Event of ${kind}/${name}: ${event.type} ${event.reason}: ${event.message} (${event.reportingComponent})`,
      sorted(Object.fromEntries(annotations)),
    );
  }
  const before = new Set<string>();
  for (const event of posted) {
    const { kind, name } = event.involvedObject;
    const metadata = forwarded(event);
    // The notification controller passes on no message about a revision again within minutes.
    const limited = `${kind}/${name} ${event.message} ${metadata.revision}`;
    if (before.has(limited)) continue;
    before.add(limited);
    const text = `${event.severity} ${event.reason}: ${event.message} (${event.reportingController})`;
    add(`notification of ${kind}/${name}: ${text}`, metadata);
  }
  return new Map([...told].map(([place, metadata]) => [place, [...metadata].sort().join(" | ")]));
}

/** What the notification controller passes on of an event's metadata: keys of the object's group but digests, and of events. */
function forwarded({ involvedObject, metadata = {} }: PostedEvent): Record<string, string> {
  const group = `${involvedObject.apiVersion.split("/")[0]}/`;
  const passed = Object.entries(metadata).map(
    ([key, value]) => [key.replace(group, "").replace("event.toolkit.fluxcd.io/", ""), value] as const,
  );
  return sorted(Object.fromEntries(passed.filter(([key]) => key !== "digest" && key !== "checksum")));
}

function isCoreEvent(object: KubernetesObject): object is CoreEvent {
  return "involvedObject" in object && "reason" in object;
}
