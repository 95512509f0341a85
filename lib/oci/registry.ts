import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { readBody } from "../platform/ask.ts";
import type { Outbound } from "../platform/outbound.ts";
import { openSpool, type Spool } from "../platform/spool.ts";
import type { RegistryCredentials } from "./authentication.ts";
import { isAbsent, RegistryError } from "./registry-error.ts";
import { registryError, registryRequests } from "./registry-request.ts";
import { type RepositoryName, requestHost } from "./repository-name.ts";

/** A manifest, or what is stored in its place, as a registry describes it. */
export type Descriptor = {
  mediaType: string;
  digest: string;
  size: number;
  artifactType?: string;
  annotations?: Record<string, string>;
};

/** One repository of one registry. Every method throws RegistryError, and the signal's reason where it is aborted. */
export type Registry = {
  repository: RepositoryName;
  /** What a tag or a digest stands for now, by HEAD, or by GET where the registry has none (OCI-003). */
  resolve(reference: string, signal: AbortSignal): Promise<Descriptor>;
  /** A manifest's bytes; those of a digest are checked against it. */
  manifest(reference: string, signal: AbortSignal): Promise<{ descriptor: Descriptor; bytes: Buffer }>;
  /** A blob, checked against its digest. The spool is the caller's to close. */
  blob(digest: string, limit: number, signal: AbortSignal): Promise<Spool>;
  /** All tags, of all pages. */
  tags(signal: AbortSignal): Promise<string[]>;
  /** What refers to a manifest: by the API of OCI 1.1, else by the tag that stands in for it. */
  referrers(digest: string, signal: AbortSignal): Promise<Descriptor[]>;
};

/** How a repository is reached. `insecure` speaks plain HTTP where TLS is not spoken (OCI-022). */
export type RegistryOptions = {
  repository: RepositoryName;
  outbound: Outbound;
  insecure?: boolean;
  credentials?: RegistryCredentials;
  userAgent?: string;
};

const manifestTypes = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

const indexType = "application/vnd.oci.image.index.v1+json";

/** Bounds of what a registry sends: a manifest and a page of tags in bytes, and how many pages, tags and referrers there may be. */
const limits = { manifest: 8 * 1024 * 1024, page: 8 * 1024 * 1024, pages: 10_000, tags: 1_000_000, referrers: 10_000 };

/** A client of one repository (OCI distribution specification 1.1). Nothing is asked before the first call. */
export function openRegistry({
  repository,
  outbound,
  insecure = false,
  credentials,
  userAgent = "flux/v2",
}: RegistryOptions): Registry {
  const { send, base } = registryRequests({ repository, outbound, insecure, credentials, userAgent });
  const named = (reference: string) =>
    `${repository.host}/${repository.path}${isDigest(reference) ? "@" : ":"}${reference}`;

  const manifest: Registry["manifest"] = async (reference, signal) => {
    const path = `manifests/${checkedReference(reference)}`;
    const answer = await send("GET", path, { accept: manifestTypes }, signal, [200]);
    const bytes = await within(answer, limits.manifest, signal);
    // What a registry says of a tag's digest is not worth checking: many say something else. What was asked for is.
    const digest = digestLike(isDigest(reference) ? reference : "sha256:", bytes);
    if (isDigest(reference) && digest !== reference)
      throw new RegistryError(
        200,
        [],
        `manifest digest: "${digest}" does not match requested digest: "${reference}" for "${named(reference)}"`,
      );
    return { descriptor: { mediaType: contentType(answer), digest, size: bytes.length }, bytes };
  };

  return {
    repository,
    resolve: async (reference, signal) => {
      try {
        const path = `manifests/${checkedReference(reference)}`;
        const answer = await send("HEAD", path, { accept: manifestTypes }, signal, [200]);
        answer.resume();
        const digest = answer.headers["docker-content-digest"];
        const size = Number(answer.headers["content-length"] ?? "none");
        const isIt = !isDigest(reference) || digest === reference;
        if (typeof digest === "string" && isDigest(digest) && isIt && Number.isSafeInteger(size))
          return { mediaType: contentType(answer), digest, size };
      } catch (error) {
        // A GET may be allowed where a HEAD is not, and says why where it is not either.
        if (!(error instanceof RegistryError) || error.status === 0) throw error;
      }
      return (await manifest(reference, signal)).descriptor;
    },
    manifest,
    blob: async (digest, limit, signal) => {
      if (!isDigest(digest)) throw new RegistryError(0, [], `${JSON.stringify(digest.slice(0, 200))} is not a digest`);
      const answer = await send("GET", `blobs/${digest}`, {}, signal, [200]);
      return spooled(answer, digest, limit, signal);
    },
    tags: async (signal) => {
      const tags: string[] = [];
      await eachPage("tags/list?n=1000", "application/json", [200], signal, async (answer) => {
        tags.push(...textsOf(parseJson(await within(answer, limits.page, signal)).tags));
        if (tags.length > limits.tags)
          throw new RegistryError(200, [], `the repository has more than ${limits.tags} tags`);
        return true;
      });
      return tags;
    },
    referrers: async (digest, signal) => {
      const found: Descriptor[] = [];
      let hasApi = true;
      const path = `referrers/${checkedReference(digest)}`;
      await eachPage(path, indexType, [200, 404, 400, 405, 501], signal, async (answer) => {
        hasApi = answer.statusCode === 200 && contentType(answer) === indexType;
        if (hasApi) found.push(...descriptorsOf(parseJson(await within(answer, limits.manifest, signal))));
        else answer.destroy();
        if (found.length > limits.referrers)
          throw new RegistryError(200, [], `the manifest has more than ${limits.referrers} referrers`);
        return hasApi;
      });
      if (hasApi) return found;
      try {
        return descriptorsOf(parseJson((await manifest(digest.replace(":", "-"), signal)).bytes));
      } catch (error) {
        if (isAbsent(error)) return [];
        throw error;
      }
    },
  };

  /** Follows the links from page to page, for as long as `take` wants more. */
  async function eachPage(
    first: string,
    accept: string,
    wanted: readonly number[],
    signal: AbortSignal,
    take: (answer: IncomingMessage) => Promise<boolean>,
  ): Promise<void> {
    const seen = new Set<string>();
    for (let path: string | undefined = first; path !== undefined; ) {
      if (seen.has(path) || seen.size === limits.pages)
        throw new RegistryError(200, [], "the registry's list does not end");
      seen.add(path);
      const answer: IncomingMessage = await send("GET", path, { accept }, signal, wanted);
      path = (await take(answer)) ? nextPage(answer.headers.link, new URL(path, base()), base()) : undefined;
    }
  }
}

/** A tag or a digest, as it is written into a path. Throws RegistryError for what is neither. */
function checkedReference(reference: string): string {
  if (isDigest(reference) || /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/.test(reference)) return reference;
  throw new RegistryError(0, [], `could not parse reference: ${JSON.stringify(reference.slice(0, 200))}`);
}

function contentType({ headers }: IncomingMessage): string {
  return (headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
}

/** `sha256:<64 hex>` and its like of the other algorithms that registries know. */
export function isDigest(text: string): boolean {
  return /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/.test(text);
}

function digestLike(expected: string, bytes: Buffer): string {
  const algorithm = expected.slice(0, expected.indexOf(":"));
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** The address of a repository, for messages. */
export function repositoryUrl({ host, path }: RepositoryName): string {
  return `${requestHost(host)}/${path}`;
}

async function within(answer: IncomingMessage, limit: number, signal: AbortSignal): Promise<Buffer> {
  try {
    return await readBody(answer, limit);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw registryError(error);
  }
}

async function spooled(answer: IncomingMessage, digest: string, limit: number, signal: AbortSignal): Promise<Spool> {
  const spool = openSpool();
  const algorithm = digest.slice(0, digest.indexOf(":"));
  const hash = createHash(algorithm);
  const tooLarge = () => new RegistryError(200, [], `the blob ${digest} is larger than ${limit} bytes`);
  try {
    if (Number(answer.headers["content-length"] ?? 0) > limit) throw tooLarge();
    for await (const chunk of answer) {
      if (!(chunk instanceof Uint8Array)) continue;
      if (spool.size + chunk.length > limit) throw tooLarge();
      hash.update(chunk);
      spool.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    }
    const computed = `${algorithm}:${hash.digest("hex")}`;
    if (computed !== digest)
      throw new RegistryError(
        200,
        [],
        `error verifying ${algorithm} checksum after reading ${spool.size} bytes; got "${computed}", want "${digest}"`,
      );
    return spool;
  } catch (error) {
    answer.destroy();
    spool.close();
    if (signal.aborted) throw signal.reason;
    throw registryError(error);
  }
}

/** The page after one, as a path below the repository (RFC 8288). Throws for an address elsewhere: a part is not the whole. */
function nextPage(link: string | string[] | undefined, page: URL, base: URL): string | undefined {
  const [, target] = /<([^>]*)>\s*;\s*rel="?next"?/i.exec(Array.isArray(link) ? link.join(", ") : (link ?? "")) ?? [];
  if (target === undefined || target === "") return undefined;
  const url = URL.parse(target, page.href);
  if (url === null || url.host !== base.host || !url.pathname.startsWith(base.pathname))
    throw new RegistryError(200, [], "the registry's list goes on at another address");
  return `${url.pathname.slice(base.pathname.length)}${url.search}`;
}

type Fields = { [name: string]: unknown };

function parseJson(bytes: Buffer): Fields {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // What follows says so.
  }
  throw new RegistryError(200, [], "the registry's answer is not a JSON object");
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** The descriptors of an index; what is not one is left out. */
export function descriptorsOf({ manifests }: Fields): Descriptor[] {
  return (Array.isArray(manifests) ? manifests : []).flatMap((entry) => parseDescriptor(entry) ?? []);
}

/** A descriptor of the OCI image specification; undefined for anything else. */
export function parseDescriptor(value: unknown): Descriptor | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { mediaType, digest, size, artifactType, annotations } = { ...value } as Fields;
  if (typeof mediaType !== "string" || typeof digest !== "string" || !isDigest(digest) || typeof size !== "number")
    return undefined;
  return {
    mediaType,
    digest,
    size,
    ...(typeof artifactType === "string" ? { artifactType } : {}),
    ...annotationsOf(annotations),
  };
}

/** Annotations of a descriptor or a manifest: texts by name. */
export function annotationsOf(value: unknown): { annotations?: Record<string, string> } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return { annotations: Object.fromEntries(entries) };
}
