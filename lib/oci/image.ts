import { type Descriptor, descriptorsOf, parseDescriptor, type Registry } from "./registry.ts";

/** What of an image's manifest its content is found by. */
export type ImageManifest = { annotations: Record<string, string>; layers: Descriptor[] };

const indexTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];
/** Indexes in indexes, and layers of one manifest. */
const limits = { depth: 3, layers: 10_000, annotations: 256 * 1024 };

/**
 * The bytes of an image's manifest: of an index, those of its child for linux/amd64, where a child without a platform counts
 * as one (OCI-014). Throws RegistryError, and a sentence where there is no such child.
 */
export async function fetchImage(registry: Registry, digest: string, signal: AbortSignal): Promise<Buffer> {
  let wanted = digest;
  for (let depth = 0; ; depth++) {
    const { bytes, descriptor } = await registry.manifest(wanted, signal);
    if (!indexTypes.includes(descriptor.mediaType)) return bytes;
    const { host, path } = registry.repository;
    const child = childOf(bytes);
    if (child === undefined) throw new Error(`no child with platform linux/amd64 in index ${host}/${path}@${wanted}`);
    if (depth === limits.depth) throw new Error(`the index ${digest} has too many indexes in each other`);
    wanted = child.digest;
  }
}

function childOf(bytes: Buffer): Descriptor | undefined {
  const { manifests } = fieldsOf(bytes);
  const children: unknown[] = Array.isArray(manifests) ? manifests : [];
  const child = children.find((one) => {
    if (typeof one !== "object" || one === null) return false;
    const platform = "platform" in one ? one.platform : undefined;
    if (platform === undefined || platform === null) return true;
    if (typeof platform !== "object" || !("os" in platform) || !("architecture" in platform)) return false;
    return platform.os === "linux" && platform.architecture === "amd64";
  });
  return child === undefined ? undefined : descriptorsOf({ manifests: [child] })[0];
}

/** Reads a manifest: its annotations verbatim (OCI-013), and its layers. Throws a sentence. */
export function parseImage(bytes: Buffer): ImageManifest {
  const { annotations, layers } = fieldsOf(bytes);
  const listed: unknown[] = Array.isArray(layers) ? layers : [];
  if (listed.length > limits.layers) throw new Error(`the manifest has more than ${limits.layers} layers`);
  return {
    annotations: annotationsOf(annotations ?? {}),
    layers: listed.map((layer, index) => {
      const descriptor = parseDescriptor(layer);
      if (descriptor === undefined) throw new Error(`layer[${index}] is not a descriptor`);
      return descriptor;
    }),
  };
}

/** They become a part of an object's status, which has its own bound in the cluster. */
function annotationsOf(value: unknown): Record<string, string> {
  const entries: [string, unknown][] = typeof value === "object" && value !== null ? Object.entries(value) : [];
  const texts = entries.map(([name, text]): [string, string] => {
    if (typeof text !== "string") throw new Error(`the annotation ${JSON.stringify(name.slice(0, 100))} is not a text`);
    return [name, text];
  });
  const size = texts.reduce((sum, [name, text]) => sum + Buffer.byteLength(name) + Buffer.byteLength(text), 0);
  if (size > limits.annotations) throw new Error(`the annotations are larger than ${limits.annotations} bytes`);
  return Object.fromEntries(texts);
}

function fieldsOf(bytes: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // What follows says so.
  }
  throw new Error("the manifest is not a JSON object");
}

/** The layer whose content is wanted: the first of a media type, or the first (OCI-009). Throws Flux's sentence where there is none. */
export function selectLayer({ layers }: ImageManifest, mediaType: string | undefined): Descriptor {
  const [first] = layers;
  if (first === undefined) throw new Error("no layers found in artifact");
  if (mediaType === undefined || mediaType === "") return first;
  const found = layers.find((layer) => layer.mediaType === mediaType);
  if (found === undefined) throw new Error(`failed to find layer with media type '${mediaType}' in artifact`);
  return found;
}
