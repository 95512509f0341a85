import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { type CloudOptions, IdentityError } from "./identity.ts";

/** One request to a cloud's API. `body` is sent as it is; headers are complete but for its length. */
export type CloudRequest = {
  method: "GET" | "POST";
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
};

/** How long one request may take, as in Flux: what hangs must not eat the time of the pass. */
const requestMilliseconds = 10_000;
/** Tokens and descriptions of clusters are some kilobytes. */
const answerLimit = 1024 * 1024;

/**
 * Sends one request, without following redirects: a token goes to nobody but whom it was meant for. Throws an
 * IdentityError where no answer comes.
 */
export async function askCloud(
  request: CloudRequest,
  { signal, certificateAuthority }: CloudOptions,
): Promise<{ status: number; body: string }> {
  const url = new URL(request.url);
  // Only an endpoint that the operator names can be a plain one, as that of a cloud on the same machine.
  const send = url.protocol === "http:" ? httpRequest : httpsRequest;
  const ending = AbortSignal.any([signal, AbortSignal.timeout(requestMilliseconds)]);
  try {
    const asking = send(url, {
      agent: false,
      method: request.method,
      signal: ending,
      ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
      headers: {
        accept: "application/json",
        "user-agent": "sluice",
        ...request.headers,
        ...(request.body === undefined ? {} : { "content-length": Buffer.byteLength(request.body) }),
      },
    });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      asking.once("response", resolve);
      asking.on("error", reject);
      asking.end(request.body);
    });
    return { status: response.statusCode ?? 0, body: await read(response) };
  } catch (error) {
    const why =
      ending.aborted && !signal.aborted ? `no answer within ${requestMilliseconds / 1000} s` : messageOf(error);
    throw new IdentityError(`${url.origin}${url.pathname} could not be asked: ${why}`, { cause: error });
  }
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > answerLimit) throw new Error(`the answer is larger than ${answerLimit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
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
