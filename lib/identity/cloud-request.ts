import { ask, readBody } from "../platform/ask.ts";
import { type Exchange, serviceExchange } from "../platform/exchange.ts";
import type { Outbound } from "../platform/outbound.ts";
import { type CloudOptions, IdentityError } from "./identity.ts";

/** One request to a cloud's API. `body` is sent as it is; headers are complete but for its length. */
export type CloudRequest = {
  method: "GET" | "POST";
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
};

/** To the clouds' public APIs, on connections that are kept for a moment. Each attempt has ten seconds, as in Flux. */
const publicExchange = serviceExchange();

/**
 * Sends one request, without following redirects: a token goes to nobody but whom it was meant for. Throws an IdentityError
 * where no answer comes.
 */
export async function askCloud(
  request: CloudRequest,
  options: CloudOptions,
): Promise<{ status: number; body: string }> {
  const { signal, certificateAuthority: authority, outbound } = options;
  if (outbound !== undefined) return askThrough(request, options, outbound);
  const exchange: Exchange = authority === undefined ? publicExchange : serviceExchange({ authority });
  const headers = { accept: "application/json", ...request.headers };
  const { method, body } = request;
  try {
    const sent = { method, url: new URL(request.url), headers, ...(body === undefined ? {} : { body }) };
    const answer = await exchange(sent, signal);
    return { status: answer.status, body: answer.body };
  } catch (error) {
    throw new IdentityError(messageOf(error), { cause: error });
  }
}

/** The most bytes of an answer, and the longest that one attempt may take in milliseconds. */
const answerLimit = 1024 * 1024;
const attemptMilliseconds = 10_000;

/** The same by the proxy and the certificates of the object that asks. The next attempt is that of its next look. */
async function askThrough(
  { method, url, headers, body }: CloudRequest,
  { signal, certificateAuthority }: CloudOptions,
  outbound: Outbound,
): Promise<{ status: number; body: string }> {
  const authorities = [outbound.tls?.certificateAuthority, certificateAuthority].filter((pem) => pem !== undefined);
  const tls = {
    ...outbound.tls,
    ...(authorities.length === 0 ? {} : { certificateAuthority: authorities.join("\n") }),
  };
  const request = {
    method,
    url: new URL(url),
    headers: {
      accept: "application/json",
      ...headers,
      ...(method === "POST" ? { "content-length": String(Buffer.byteLength(body ?? "")) } : {}),
    },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(attemptMilliseconds)]),
  };
  try {
    const answer = await ask(request, { ...outbound, tls });
    return { status: answer.statusCode ?? 0, body: (await readBody(answer, answerLimit)).toString("utf8") };
  } catch (error) {
    throw new IdentityError(messageOf(error), { cause: error });
  }
}

/** The text of an error, or what was thrown instead of one. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The JSON object that an answer holds; undefined where it holds none. */
export function parseAnswer(body: string): { [field: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a value is a JSON object. */
export function isFields(value: unknown): value is { [field: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field that must be a text that is not empty. */
export function textField(fields: { [field: string]: unknown } | undefined, name: string): string | undefined {
  const value = fields?.[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A form as OAuth 2.0 sends it (RFC 6749, appendix B). */
export function formBody(fields: Readonly<Record<string, string>>): Pick<CloudRequest, "headers" | "body"> {
  return {
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(fields).toString(),
  };
}
