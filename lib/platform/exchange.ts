import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { AnswerTooLarge, ask, readBody } from "./ask.ts";
import { AskError } from "./ask-error.ts";
import type { Outbound } from "./outbound.ts";

/** One request to a service. What headers and body hold may be secret; the address must not be. */
export type ServiceRequest = { method: "GET" | "POST"; url: URL; headers: Record<string, string>; body?: string };

/** What a service answered, whatever the status. */
export type ServiceAnswer = { status: number; headers: IncomingHttpHeaders; body: string };

/** Sends a request and resolves with the answer. Rejects where there is none, with a sentence that holds no secret. */
export type Exchange = (request: ServiceRequest, signal: AbortSignal) => Promise<ServiceAnswer>;

/**
 * `limit` is in bytes of the answer; `seconds` is what one attempt may take; `again` says that an answer besides 429 and 5xx
 * may be better at the next attempt. `outbound` says how services are reached, by the environment's proxies unless it has one.
 */
export type ExchangeOptions = {
  limit?: number;
  seconds?: number;
  again?: (answer: ServiceAnswer) => boolean;
  outbound?: Outbound;
};

/** Waits before the second and third attempt, in milliseconds: what lasts longer is the caller's next look's business. */
const backOff = [200, 800];

/**
 * An exchange with services whose address a tenant may have chosen: guarded as `tenantAddress` says, follows no redirect (an
 * address that the service chooses would be given the credentials), and tries again what may be gone at the next attempt.
 * Connections are kept for the next request: a build may decrypt hundreds of files.
 */
export function serviceExchange(options: ExchangeOptions = {}): Exchange {
  const { again = () => false } = options;
  return async (request, signal) => {
    for (let attempt = 0; ; attempt++) {
      const pause = backOff[attempt];
      try {
        const answer = await once(request, options, signal);
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

async function once(
  { url, method, headers, body }: ServiceRequest,
  { limit = 1024 * 1024, seconds = 10, outbound = {} }: ExchangeOptions,
  signal: AbortSignal,
): Promise<ServiceAnswer> {
  const named = `${url.origin}${url.pathname}`;
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new Error(`${url.protocol}// is neither an http nor an https address`);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  try {
    const sent = body ?? (method === "POST" ? "" : undefined);
    const answer = await ask(
      {
        method,
        url,
        headers,
        signal: patience,
        silence: seconds * 1000,
        ...(sent === undefined ? {} : { body: sent }),
      },
      outbound,
    );
    const text = (await readBody(answer, limit)).toString("utf8");
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: text };
  } catch (error) {
    if (error instanceof AnswerTooLarge) throw new Error(`the answer of ${named} is larger than ${limit} bytes`);
    if (signal.aborted || patience.aborted) throw new Unreached(`${named} did not answer in time`, { cause: error });
    const words = error instanceof AskError ? error.words : error instanceof Error ? error.message : String(error);
    const message = `${named} could not be reached: ${words}`;
    // An address that must not be reached, or a certificate that is not trusted: another attempt ends alike.
    const isFinal = error instanceof AskError && (error.code === "tls" || error.code === "address-refused");
    throw isFinal ? new Error(message, { cause: error }) : new Unreached(message);
  }
}
