import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import type { KubernetesObject } from "../../lib/api/object.ts";
import type { Source } from "./kinds.ts";
import type { PostedEvent } from "./recorder.ts";
import type { Side } from "./side.ts";

/** What was seen, as lines: a place in an object, and what stands there. */
export type Observation = Map<string, string>;

/** Makes texts of two sides comparable: digests of what each has packed itself, addresses, times, temporary files. */
export type Normalize = (text: string) => string;

/** A normalizer of one side. `learn` tells it of an artifact. */
export function normalizer(): { normalize: Normalize; learn(object: Source): void } {
  const digests = new Set<string>();
  return {
    learn: ({ status }) => {
      for (const found of JSON.stringify(status ?? {}).matchAll(/"digest":"([^"]+)"/g)) digests.add(found[1] ?? "");
    },
    normalize: (text) => {
      let result = text;
      for (const digest of digests) result = result.replaceAll(digest, "<digest of the artifact>");
      return result
        .replace(
          /https?:\/\/127\.0\.0\.1:\d+\/(?:[^\s'"]*\/)?(?=(?:gitrepository|ocirepository|bucket|helmrepository|helmchart|externalartifact)\/)/g,
          "<artifacts>/",
        )
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
        .replace(/\/(?:tmp|var)\/[^\s'":,]*/g, "<file>")
        .replace(/(127\.0\.0\.1:\d+)->127\.0\.0\.1:\d+/g, "$1");
    },
  };
}

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
    for (const [index, line] of (await contentOf(side, object, artifact.path)).entries())
      note(`artifact line ${index}`, line);
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
async function contentOf(side: Side, { kind }: Source, path: string): Promise<string[]> {
  let bytes: Buffer;
  try {
    bytes = await side.artifact(kind, path);
  } catch (error) {
    return [`not there: ${String(error)}`];
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return [`${bytes.length} bytes ${hash(bytes)}`];
  const lines: string[] = [];
  try {
    for await (const entry of Readable.from([gunzipSync(bytes)]).pipe(extract())) {
      const { name, type, mode = 0, uid, gid, uname, gname, mtime, linkname } = entry.header;
      const chunks: Buffer[] = [];
      for await (const chunk of entry) if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
      const content = Buffer.concat(chunks);
      const time = kind === "HelmChart" ? "" : ` ${mtime?.getTime()}`;
      const owner = `${uid}:${gid} ${uname}:${gname}`;
      lines.push(
        `${type} ${mode.toString(8)} ${owner}${time} ${name} ${linkname ?? ""} ${content.length} ${hash(content)}`,
      );
    }
  } catch (error) {
    lines.push(`unreadable: ${String(error)}`);
  }
  return lines;
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

/** What was told of the objects of a namespace, each thing once: Events of the cluster, and notifications. */
export function observeEvents(core: KubernetesObject[], posted: PostedEvent[], normalize: Normalize): Observation {
  const seen: Observation = new Map();
  for (const event of core.filter(isCoreEvent)) {
    const annotations = shortKeys(event.metadata.annotations ?? {}, (key) => !key.startsWith("sluice.dev/"));
    const { kind, name } = event.involvedObject;
    const text = `${event.type} ${event.reason}: ${event.message} ${JSON.stringify(annotations)} ${event.reportingComponent}`;
    seen.set(normalize(`Event of ${kind}/${name}: ${text}`), "told");
  }
  for (const event of posted) {
    const { kind, name } = event.involvedObject;
    const group = event.involvedObject.apiVersion.split("/")[0] ?? "";
    const metadata = Object.entries(event.metadata ?? {}).map(([key, value]) => [key.replace(`${group}/`, ""), value]);
    const text = `${event.severity} ${event.reason}: ${event.message} ${JSON.stringify(sorted(Object.fromEntries(metadata)))} ${event.reportingController}`;
    seen.set(normalize(`notification of ${kind}/${name}: ${text}`), "told");
  }
  return seen;
}

function shortKeys(record: Record<string, string>, keep: (key: string) => boolean): Record<string, string> {
  return sorted(Object.fromEntries(Object.entries(record).filter(([key]) => keep(key))));
}

function isCoreEvent(object: KubernetesObject): object is CoreEvent {
  return "involvedObject" in object && "reason" in object;
}
