import type { IncomingMessage } from "node:http";
import { pipeline, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { ask } from "./ask.ts";
import { AskError } from "./ask-error.ts";

/**
 * `limit` is in bytes of the decoded body; `redirects` is how many are followed; `signal` ends waiting and reading; `attempts` is
 * how often it is asked at most (4).
 */
export type DownloadOptions = { limit: number; signal: AbortSignal; redirects: number; attempts?: number };

/** Waits before the second, third and fourth attempt, in milliseconds: what lasts longer is the caller's next look's business. */
const backOff = [200, 600, 1_500];

/** What a server said in the end, redirects followed. The body is empty unless the status is of 200 to 299. */
export type Answer = { status: number; statusText: string; body: Uint8Array; tag?: string };

/**
 * The body of an http or https address, or undefined where the server says that there is none (404). An answer of 5xx or 429 and
 * a connection that fails are tried again (KS-026). Throws a sentence for any other answer, for one redirect too many, and
 * for a body beyond the limit. Query and user of the address may be secret and are in no message.
 */
export async function download(url: string, options: DownloadOptions): Promise<Uint8Array | undefined> {
  const { status, statusText, body } = await get(url, options);
  if (status === 200) return body;
  if (status === 404) return undefined;
  throw new Error(`${named(new URL(url))} answered ${status} ${statusText}`.trimEnd());
}

/**
 * Asks an http or https address, again as `download` does. With `knownTag`, the entity tag of what the caller has, the
 * server may answer 304 (RFC 9110). Throws a sentence where there is no answer, and as `download` for redirects and the limit.
 */
export async function get(url: string, options: DownloadOptions & { knownTag?: string }): Promise<Answer> {
  const pauses = backOff.slice(0, (options.attempts ?? backOff.length + 1) - 1);
  for (let attempt = 0; ; attempt++) {
    const pause = pauses[attempt];
    try {
      const answer = await getOnce(url, options);
      const mayPass = answer.status >= 500 || answer.status === 429;
      if (!mayPass || pause === undefined || options.signal.aborted) return answer;
    } catch (error) {
      if (pause === undefined || !(error instanceof Temporary) || options.signal.aborted) throw error;
    }
    await sleep(pause, undefined, { signal: options.signal });
  }
}

/** A failure that may be gone at the next attempt. */
class Temporary extends Error {}

async function getOnce(address: string, options: DownloadOptions & { knownTag?: string }): Promise<Answer> {
  let url = new URL(address);
  for (let left = options.redirects; ; left--) {
    if (url.protocol !== "http:" && url.protocol !== "https:")
      throw new Error(`${named(url)} is neither an http nor an https address`);
    const response = await request(url, options);
    const { location } = response.headers;
    if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined) {
      return answerOf(response, url, options.limit);
    }
    response.destroy();
    if (left === 0) throw new Error(`${named(url)} redirects more than ${options.redirects} times`);
    url = new URL(location, url);
  }
}

async function request(
  url: URL,
  { signal, knownTag }: { signal: AbortSignal; knownTag?: string },
): Promise<IncomingMessage> {
  try {
    const headers = knownTag === undefined ? {} : { "if-none-match": knownTag };
    return await ask({ method: "GET", url, headers, signal });
  } catch (error) {
    if (signal.aborted) throw new Error(`${named(url)} did not answer in time`, { cause: error });
    const words = error instanceof AskError ? error.words : String(error);
    const message = `${named(url)} could not be reached: ${words}`;
    const isFinal = error instanceof AskError && error.code === "address-refused";
    throw isFinal ? new Error(message, { cause: error }) : new Temporary(message);
  }
}

async function answerOf(response: IncomingMessage, url: URL, limit: number): Promise<Answer> {
  const { statusCode: status = 0, statusMessage: statusText = "" } = response;
  const { etag } = response.headers;
  const tag = etag === undefined ? {} : { tag: etag };
  if (status >= 200 && status <= 299) return { status, statusText, body: await read(response, url, limit), ...tag };
  response.destroy();
  return { status, statusText, body: new Uint8Array(), ...tag };
}

async function read(response: IncomingMessage, url: URL, limit: number): Promise<Uint8Array> {
  const tooLarge = () => new Error(`${named(url)} is larger than ${limit} bytes`);
  const packed = response.headers["content-encoding"]?.toLowerCase() === "gzip";
  const chunks: Uint8Array[] = [];
  let size = packed ? 0 : Number(response.headers["content-length"] ?? 0);
  try {
    if (size > limit) throw tooLarge();
    size = 0;
    // What goes wrong in either stream is met by who reads the second one.
    const body: Readable = packed ? pipeline(response, createGunzip(), () => undefined) : response;
    for await (const chunk of body) {
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (size > limit) throw error;
    throw new Temporary(`${named(url)} ended before it was whole`, { cause: error });
  } finally {
    response.destroy();
  }
  return Buffer.concat(chunks, size);
}

function named(url: URL): string {
  return `${url.origin === "null" ? url.protocol : url.origin}${url.pathname}`;
}
