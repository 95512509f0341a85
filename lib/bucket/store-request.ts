import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, readBody, readParts } from "../platform/ask.ts";
import type { Outbound } from "../platform/outbound.ts";
import { openSpool, type Spool } from "../platform/spool.ts";
import { messageOf } from "../text/error-message.ts";
import { errorLimit, ObjectStoreError } from "./object-store.ts";

/** A request to an object store, made anew at each attempt: a signature is of its moment. */
export type StoreRequest = {
  method: "GET" | "HEAD";
  url: URL;
  /** What is sent in the place of the URL's path and query, where a URL would resolve what is in it: a key may be `../x`. */
  path?: string;
  headers(): Promise<Record<string, string>> | Record<string, string>;
};

/** Waits before the second, third and fourth attempt, in milliseconds. */
const backOff = [200, 600, 1_500];

/**
 * Asks an object store, again where the answer may be better (408, 429, 5xx, a lost connection): the head of its answer, whose
 * body is the caller's to read or to destroy. Throws ObjectStoreError where there is none.
 */
export async function askStore(
  request: StoreRequest,
  outbound: Outbound,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  for (let attempt = 0; ; attempt++) {
    const pause = backOff[attempt];
    try {
      const { method, url, path } = request;
      const sent = { method, url, ...(path === undefined ? {} : { path }), headers: await request.headers(), signal };
      const answer = await ask(sent, outbound);
      const status = answer.statusCode ?? 0;
      if (pause === undefined || (status < 500 && status !== 429 && status !== 408)) return answer;
      answer.destroy();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (pause === undefined || !mayPass(error)) throw asStoreError(error);
    }
    await sleep(pause, undefined, { signal });
  }
}

function mayPass(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "unreachable";
}

function asStoreError(error: unknown): unknown {
  if (error instanceof ObjectStoreError) return error;
  return new ObjectStoreError("", messageOf(error), { cause: error });
}

/** The text of an answer that says what is wrong. */
export async function errorText(answer: IncomingMessage): Promise<string> {
  try {
    return (await readBody(answer, errorLimit)).toString("utf8");
  } catch {
    return "";
  }
}

/** Bytes of one object that are kept in memory. */
const memoryOfObject = 4 * 1024 * 1024;

/** The body of an object within a bound: on disk where it is large. A spool is the caller's to close. Throws ObjectStoreError. */
export async function objectOf(answer: IncomingMessage, limit: number, signal: AbortSignal): Promise<Buffer | Spool> {
  if (Number(answer.headers["content-length"] ?? Number.NaN) <= memoryOfObject) return bodyOf(answer, limit, signal);
  const spool = openSpool({ memory: memoryOfObject });
  try {
    await readParts(answer, limit, (part) => spool.write(part));
  } catch (error) {
    spool.close();
    if (signal.aborted) throw signal.reason;
    throw asStoreError(error);
  }
  const whole = spool.whole();
  if (whole !== undefined) spool.close();
  return whole ?? spool;
}

/** A whole body within a bound. Throws ObjectStoreError. */
export async function bodyOf(answer: IncomingMessage, limit: number, signal: AbortSignal): Promise<Buffer> {
  try {
    return await readBody(answer, limit);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw asStoreError(error);
  }
}
