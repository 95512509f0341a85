import type { IncomingMessage } from "node:http";
import { createGunzip } from "node:zlib";
import { indexTooLarge } from "./helm-index.ts";
import type { IndexEntry } from "./index-entry.ts";
import { type ChartRepository, requestOf } from "./repository.ts";

/** What a server said of an answer so that it can say next time that nothing has changed (RFC 9110, 8.8). */
export type Validators = { etag?: string; lastModified?: string };

/** An index as it was served. */
export type FetchedIndex = { bytes: Buffer; validators: Validators };

/**
 * Fetches a repository's index (HR-002), at most `limit` bytes (HR-007). `known` are the validators of what is there already: then
 * undefined says that the index is still that (SB-007). Throws with a sentence without secrets.
 */
export async function fetchIndex(
  repository: ChartRepository,
  known: Validators,
  limit: number,
  signal: AbortSignal,
): Promise<FetchedIndex | undefined> {
  const headers = {
    "accept-encoding": "gzip",
    ...(known.etag === undefined ? {} : { "if-none-match": known.etag }),
    ...(known.lastModified === undefined ? {} : { "if-modified-since": known.lastModified }),
  };
  const answer = await requestOf(repository, { url: indexUrl(repository.url), headers, signal });
  if (answer.statusCode === 304) {
    answer.destroy();
    return undefined;
  }
  const { etag, "last-modified": lastModified } = answer.headers;
  const bytes = await bodyOf(answer, limit, () => indexTooLarge(limit));
  return {
    bytes,
    validators: { ...(etag === undefined ? {} : { etag }), ...(lastModified === undefined ? {} : { lastModified }) },
  };
}

/**
 * Downloads the archive of a version (HC-014): its first URL, resolved against the repository's; credentials as HR-010 has them.
 * At most `limit` bytes. Throws with a sentence without secrets.
 */
export async function downloadChart(
  repository: ChartRepository,
  entry: Pick<IndexEntry, "name" | "urls">,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const [reference] = entry.urls ?? [];
  if (reference === undefined) throw new Error(`chart '${entry.name}' has no downloadable URLs`);
  const answer = await requestOf(repository, { url: chartUrl(repository.url, reference), signal });
  if (answer.statusCode !== 200) {
    answer.destroy();
    throw new Error(`the server says that the chart '${entry.name}' has not changed, which it was not asked`);
  }
  return bodyOf(answer, limit, () => new Error(`size of chart '${entry.name}' exceeds ${limit} bytes limit`));
}

/** Where a repository's index is (HR-002): path and query of its URL are kept. Throws TypeError for what is no URL. */
export function indexUrl(repository: string): URL {
  const url = new URL(repository);
  const segments = url.pathname.split("/").filter((segment) => segment !== "");
  url.pathname = `/${[...segments, "index.yaml"].join("/")}`;
  return url;
}

/** Where a chart is: a reference that is not absolute is below the repository's URL and keeps its query (HC-014). */
export function chartUrl(repository: string, reference: string): URL {
  const isAbsolute = /^[a-zA-Z][a-zA-Z0-9+.-]*:/.test(reference);
  const base = new URL(repository);
  base.pathname = `${base.pathname.replace(/\/$/, "")}/`;
  if (!URL.canParse(reference, base.href)) throw new Error("failed to parse the chart's URL");
  const url = new URL(reference, base.href);
  if (!isAbsolute) {
    url.search = base.search;
    if (url.host === base.host) {
      url.username = base.username;
      url.password = base.password;
    }
  }
  return url;
}

/** A whole body, unpacked where it was packed for the way, and no more of it than `limit` bytes. */
async function bodyOf(answer: IncomingMessage, limit: number, tooLarge: () => Error): Promise<Buffer> {
  const packed = /^(?:x-)?gzip$/i.test(answer.headers["content-encoding"] ?? "");
  if (!packed && Number(answer.headers["content-length"] ?? 0) > limit) {
    answer.destroy();
    throw tooLarge();
  }
  const unpacking = packed ? createGunzip() : undefined;
  if (unpacking !== undefined) {
    answer.once("error", (error) => unpacking.destroy(error));
    answer.once("close", () => {
      if (!answer.complete) unpacking.destroy(new Error("the connection was closed before the answer ended"));
    });
    answer.pipe(unpacking);
  }
  const body = unpacking ?? answer;
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      if (!Buffer.isBuffer(chunk)) throw new Error("the body is no bytes");
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  } finally {
    if (!answer.complete) answer.destroy();
  }
}
