import { setTimeout as sleep } from "node:timers/promises";

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
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) {
      return await bodyOf(response, url, options.limit);
    }
    await response.body?.cancel();
    if (left === 0) throw new Error(`${named(url)} redirects more than ${options.redirects} times`);
    url = new URL(location, url);
  }
}

async function request(url: URL, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { redirect: "manual", signal, headers: { "user-agent": "sluice" } });
  } catch (error) {
    if (signal.aborted) throw new Error(`${named(url)} did not answer in time`, { cause: error });
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Temporary(
      `${named(url)} could not be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}

async function bodyOf(response: Response, url: URL, limit: number): Promise<Uint8Array | undefined> {
  if (response.status === 200) return read(response, url, limit);
  await response.body?.cancel();
  if (response.status === 404) return undefined;
  const message = `${named(url)} answered ${response.status} ${response.statusText}`.trimEnd();
  throw response.status >= 500 || response.status === 429 ? new Temporary(message) : new Error(message);
}

async function read(response: Response, url: URL, limit: number): Promise<Uint8Array> {
  const tooLarge = () => new Error(`${named(url)} is larger than ${limit} bytes`);
  const encoded = response.headers.has("content-encoding");
  const announced = encoded ? undefined : response.headers.get("content-length");
  if (Number(announced ?? 0) > limit) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (size > limit) throw error;
    throw new Temporary(`${named(url)} ended before it was whole`, { cause: error });
  }
  return Buffer.concat(chunks, size);
}

function named(url: URL): string {
  return `${url.origin === "null" ? url.protocol : url.origin}${url.pathname}`;
}
