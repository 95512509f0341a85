import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { AddressRefused, tenantAddress } from "./tenant-address.ts";

/** One request to a service. What headers and body hold may be secret; the address must not be. */
export type ServiceRequest = { method: "GET" | "POST"; url: URL; headers: Record<string, string>; body?: string };

/** What a service answered, whatever the status. */
export type ServiceAnswer = { status: number; headers: IncomingHttpHeaders; body: string };

/** Sends a request and resolves with the answer. Rejects where there is none, with a sentence that holds no secret. */
export type Exchange = (request: ServiceRequest, signal: AbortSignal) => Promise<ServiceAnswer>;

/**
 * `limit` is in bytes of the answer; `seconds` is what one attempt may take; `again` says that an answer besides 429 and 5xx
 * may be better at the next attempt. `authority` (PEM) is trusted instead of the public ones; `agent` connects.
 */
export type ExchangeOptions = {
  limit?: number;
  seconds?: number;
  again?: (answer: ServiceAnswer) => boolean;
  authority?: string;
  agent?: Agent;
};

/** Waits before the second and third attempt, in milliseconds: what lasts longer is the caller's next look's business. */
const backOff = [200, 800];

/**
 * An exchange with services whose address a tenant may have chosen: guarded as `tenantAddress` says, follows no redirect (an
 * address that the service chooses would be given the credentials), and tries again what may be gone at the next attempt.
 * Connections are kept some seconds for the next request of the same exchange: a build may decrypt hundreds of files.
 */
export function serviceExchange(options: ExchangeOptions = {}): Exchange {
  const { again = () => false } = options;
  const connections: Connections = { https: options.agent ?? new Agent(kept), http: new HttpAgent(kept) };
  return async (request, signal) => {
    for (let attempt = 0; ; attempt++) {
      const pause = backOff[attempt];
      try {
        const answer = await once(request, options, connections, signal);
        const better = answer.status === 429 || answer.status >= 500 || again(answer);
        if (pause === undefined || !better) return answer;
      } catch (error) {
        if (pause === undefined || signal.aborted || !(error instanceof Unreached)) throw error;
      }
      await sleep(pause, undefined, { signal });
    }
  };
}

/** No answer came; another attempt may bring one. */
class Unreached extends Error {}

type Connections = { https: Agent; http: HttpAgent };
const kept = { keepAlive: true, timeout: 15_000, maxFreeSockets: 2 };

async function once(
  request: ServiceRequest,
  options: ExchangeOptions,
  connections: Connections,
  signal: AbortSignal,
): Promise<ServiceAnswer> {
  const { url, method, headers, body } = request;
  const { limit = 1024 * 1024, seconds = 10, authority } = options;
  const named = `${url.origin}${url.pathname}`;
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new Error(`${url.protocol}// is neither an http nor an https address`);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  try {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const asking = send(url, {
      method,
      headers: { "user-agent": "sluice", ...headers, "content-length": Buffer.byteLength(body ?? "") },
      agent: url.protocol === "https:" ? connections.https : connections.http,
      signal: patience,
      ...tenantAddress(url),
      ...(authority === undefined ? {} : { ca: authority }),
    });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      asking.once("response", resolve);
      asking.on("error", reject);
      asking.end(body);
    });
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: await textOf(response, named, limit),
    };
  } catch (error) {
    if (error instanceof TooLarge) throw error;
    if (signal.aborted || patience.aborted) throw new Unreached(`${named} did not answer in time`, { cause: error });
    const message = `${named} could not be reached: ${error instanceof Error ? error.message : String(error)}`;
    throw isFinal(error) ? new Error(message, { cause: error }) : new Unreached(message);
  }
}

class TooLarge extends Error {}

/** An address that must not be reached, or a certificate that is not trusted: another attempt ends alike. */
function isFinal(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return error instanceof AddressRefused || /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT)/.test(code);
}

async function textOf(response: IncomingMessage, named: string, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      size += chunk.length;
      if (size > limit) throw new TooLarge(`the answer of ${named} is larger than ${limit} bytes`);
      chunks.push(chunk);
    }
  } finally {
    response.destroy();
  }
  return Buffer.concat(chunks, size).toString("utf8");
}
