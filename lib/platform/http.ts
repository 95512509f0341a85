import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { AddressRefused, tenantAddress } from "./tenant-address.ts";

/** `limit` is in bytes of the decoded body; `redirects` is how many are followed; `signal` ends waiting and reading. */
export type DownloadOptions = { limit: number; signal: AbortSignal; redirects: number };

/** Waits before the second, third and fourth attempt, in milliseconds: what lasts longer is the caller's next look's business. */
const backOff = [200, 600, 1_500];

/**
 * The body of an http or https address, or undefined where the server says that there is none (404). An answer of 5xx or 429 and
 * a connection that fails are tried again (KS-026). Throws a sentence for any other answer, for one redirect too many, and
 * for a body beyond the limit. Query and user of the address may be secret and are in no message.
 */
export async function download(url: string, options: DownloadOptions): Promise<Uint8Array | undefined> {
  for (let attempt = 0; ; attempt++) {
    const pause = backOff[attempt];
    try {
      return await fetchOnce(url, options);
    } catch (error) {
      if (pause === undefined || !(error instanceof Temporary) || options.signal.aborted) throw error;
    }
    await sleep(pause, undefined, { signal: options.signal });
  }
}

/** A failure that may be gone at the next attempt. */
class Temporary extends Error {}

async function fetchOnce(address: string, options: DownloadOptions): Promise<Uint8Array | undefined> {
  let url = new URL(address);
  for (let left = options.redirects; ; left--) {
    if (url.protocol !== "http:" && url.protocol !== "https:")
      throw new Error(`${named(url)} is neither an http nor an https address`);
    const response = await request(url, options.signal);
    const { location } = response.headers;
    if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined) {
      return await bodyOf(response, url, options.limit);
    }
    response.destroy();
    if (left === 0) throw new Error(`${named(url)} redirects more than ${options.redirects} times`);
    url = new URL(location, url);
  }
}

async function request(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  try {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const headers = { "user-agent": "sluice" };
    const asking = send(url, { headers, agent: false, signal, ...tenantAddress(url) });
    return await new Promise((resolve, reject) => {
      asking.once("response", resolve);
      asking.on("error", reject);
      asking.end();
    });
  } catch (error) {
    if (signal.aborted) throw new Error(`${named(url)} did not answer in time`, { cause: error });
    const message = `${named(url)} could not be reached: ${error instanceof Error ? error.message : String(error)}`;
    throw error instanceof AddressRefused ? new Error(message, { cause: error }) : new Temporary(message);
  }
}

async function bodyOf(response: IncomingMessage, url: URL, limit: number): Promise<Uint8Array | undefined> {
  const { statusCode = 0, statusMessage = "" } = response;
  if (statusCode === 200) return read(response, url, limit);
  response.destroy();
  if (statusCode === 404) return undefined;
  const message = `${named(url)} answered ${statusCode} ${statusMessage}`.trimEnd();
  throw statusCode >= 500 || statusCode === 429 ? new Temporary(message) : new Error(message);
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
