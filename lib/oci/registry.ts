import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { readBody } from "../platform/ask.ts";
import type { Outbound } from "../platform/outbound.ts";
import { openSpool, type Spool } from "../platform/spool.ts";
import type { RegistryCredentials } from "./authentication.ts";
import { isAbsent, RegistryError } from "./registry-error.ts";
import { registryRequests } from "./registry-request.ts";
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

/** Bounds of what a registry sends: a manifest and a page of tags in bytes, and how many tags and pages there may be. */
const limits = { manifest: 8 * 1024 * 1024, page: 8 * 1024 * 1024, pages: 10_000, tags: 1_000_000 };

/** A client of one repository (OCI distribution specification 1.1). Nothing is asked before the first call. */
export function openRegistry({
  repository,
  outbound,
  insecure = false,
  credentials,
  userAgent = "flux/v2",
}: RegistryOptions): Registry {
  const { send, base } = registryRequests({ repository, outbound, insecure, credentials, userAgent });

  const resolve: Registry["resolve"] = async (reference, signal) => {
    const answer = await send(
      "HEAD",
      `manifests/${reference}`,
      { accept: manifestTypes },
      signal,
      [200, 405, 404, 400, 501],
    );
    answer.resume();
    const digest = answer.headers["docker-content-digest"];
    const size = Number(answer.headers["content-length"]);
    if (answer.statusCode === 200 && typeof digest === "string" && isDigest(digest) && Number.isFinite(size))
      return { mediaType: answer.headers["content-type"] ?? "", digest, size };
    return (await manifest(reference, signal)).descriptor;
  };

  const manifest: Registry["manifest"] = async (reference, signal) => {
    const answer = await send("GET", `manifests/${reference}`, { accept: manifestTypes }, signal, [200]);
    const bytes = await within(answer, limits.manifest, signal);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const told = answer.headers["docker-content-digest"];
    const expected = isDigest(reference) ? reference : typeof told === "string" && isDigest(told) ? told : digest;
    const computed = digestLike(expected, bytes);
    if (computed !== expected)
      throw new RegistryError(
        200,
        [],
        `manifest digest: "${computed}" does not match requested digest: "${expected}" for "${name(reference)}"`,
      );
    const mediaType = (answer.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
    return { descriptor: { mediaType, digest: expected, size: bytes.length }, bytes };
  };

  const name = (reference: string) =>
    `${repository.host}/${repository.path}${isDigest(reference) ? "@" : ":"}${reference}`;

  return {
    repository,
    resolve,
    manifest,
    blob: async (digest, limit, signal) => {
      if (!isDigest(digest)) throw new RegistryError(0, [], `${JSON.stringify(digest.slice(0, 200))} is not a digest`);
      const answer = await send("GET", `blobs/${digest}`, {}, signal, [200]);
      return spooled(answer, digest, limit, signal);
    },
    tags: async (signal) => {
      const tags: string[] = [];
      let path = "tags/list?n=1000";
      for (let page = 0; page < limits.pages; page++) {
        const answer = await send("GET", path, { accept: "application/json" }, signal, [200]);
        const listed = parseJson(await within(answer, limits.page, signal));
        tags.push(...textsOf(listed.tags));
        if (tags.length > limits.tags)
          throw new RegistryError(200, [], `the repository has more than ${limits.tags} tags`);
        const next = nextPage(answer.headers.link, base());
        if (next === undefined || next === path) return tags;
        path = next;
      }
      throw new RegistryError(200, [], "the registry's list of tags does not end");
    },
    referrers: async (digest, signal) => {
      const answer = await send("GET", `referrers/${digest}`, { accept: indexType }, signal, [200, 404, 400, 405, 501]);
      const type = (answer.headers["content-type"] ?? "").split(";")[0]?.trim();
      if (answer.statusCode === 200 && type === indexType)
        return descriptorsOf(parseJson(await within(answer, limits.manifest, signal)));
      answer.destroy();
      try {
        return descriptorsOf(parseJson((await manifest(digest.replace(":", "-"), signal)).bytes));
      } catch (error) {
        if (isAbsent(error)) return [];
        throw error;
      }
    },
  };
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
    throw new RegistryError(0, [], error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function spooled(answer: IncomingMessage, digest: string, limit: number, signal: AbortSignal): Promise<Spool> {
  const spool = openSpool();
  const hash = createHash(digest.slice(0, digest.indexOf(":")));
  try {
    for await (const chunk of answer) {
      if (!(chunk instanceof Uint8Array)) continue;
      if (spool.size + chunk.length > limit)
        throw new RegistryError(200, [], `the blob ${digest} is larger than ${limit} bytes`);
      hash.update(chunk);
      spool.write(Buffer.from(chunk));
    }
    const computed = `${digest.slice(0, digest.indexOf(":"))}:${hash.digest("hex")}`;
    if (computed !== digest)
      throw new RegistryError(
        200,
        [],
        `error verifying sha256 checksum after reading ${spool.size} bytes; got "${computed}", want "${digest}"`,
      );
    return spool;
  } catch (error) {
    answer.destroy();
    spool.close();
    if (signal.aborted) throw signal.reason;
    if (error instanceof RegistryError) throw error;
    throw new RegistryError(0, [], error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** A page after this one, as a path below the repository (RFC 8288); undefined for an address elsewhere. */
function nextPage(link: string | string[] | undefined, base: URL): string | undefined {
  const [, target] = /<([^>]*)>\s*;\s*rel="?next"?/i.exec(Array.isArray(link) ? link.join(", ") : (link ?? "")) ?? [];
  if (target === undefined || !URL.canParse(target, base.href)) return undefined;
  const url = new URL(target, base);
  return url.origin === base.origin && url.pathname.startsWith(base.pathname)
    ? `${url.pathname.slice(base.pathname.length)}${url.search}`
    : undefined;
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
