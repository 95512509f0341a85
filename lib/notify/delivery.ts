import { AddressRefused } from "../platform/tenant-address.ts";
import { messageOf } from "../text/error-message.ts";
import { PostRefused, post, type Transport } from "./post.ts";
import type { ProviderRequest } from "./providers/provider-type.ts";

/** What came of one attempt: sent; failed for good; or to be tried again, and when at the earliest, where the service said so. */
export type Delivery =
  | { sent: true }
  | { sent: false; retry: false; error: string }
  | { sent: false; retry: true; error: string; retryAfter?: number; timedOut: boolean };

/** Sends one request and judges the answer (HC-001 to HC-003). Never throws: what went wrong is in the result, in Flux's words. */
export async function deliver(request: ProviderRequest, transport: Transport, seconds: number): Promise<Delivery> {
  const signal = AbortSignal.timeout(seconds * 1000);
  try {
    const answer = await post(request, transport, signal);
    const { status } = answer;
    if (status === 429 || (status >= 500 && status !== 501) || status === 0) {
      const error = `request failed with status code ${status}: ${excerpt(answer.body)}`;
      const { retryAfter } = answer;
      return { sent: false, retry: true, error, timedOut: false, ...(retryAfter === undefined ? {} : { retryAfter }) };
    }
    const plain =
      status >= 200 && status < 300 ? undefined : `request failed with status code ${status}: ${excerpt(answer.body)}`;
    const refusal = request.refusal === undefined ? plain : request.refusal(answer);
    return refusal === undefined ? { sent: true } : { sent: false, retry: false, error: `request failed: ${refusal}` };
  } catch (error) {
    if (signal.aborted)
      return {
        sent: false,
        retry: true,
        error: "failed to execute request: context deadline exceeded",
        timedOut: true,
      };
    const why = messageOf(error);
    if (error instanceof PostRefused || error instanceof AddressRefused)
      return { sent: false, retry: false, error: `failed to execute request: ${why}` };
    return { sent: false, retry: true, error: `failed to execute request: ${why}`, timedOut: false };
  }
}

/** Attempts a delivery has: the waits between them add up to an hour (SV-003). */
export const attempts = 12;

/** The attempt after which Flux would have given up within the default time-out: a user is told then (HC-002). */
export const attemptsOfFlux = 4;

/** How long to wait after a failed attempt (1 is the first), in seconds: HC-002 for as long as Flux tries, then longer and longer. */
export function waitSeconds(attempt: number, retryAfter: number | undefined): number {
  if (retryAfter !== undefined) return Math.min(Math.max(retryAfter, 1), 900);
  return attempt < attemptsOfFlux ? 2 ** attempt : Math.min(30 * 2 ** (attempt - attemptsOfFlux), 900);
}

/** An answer's body may be a page: its beginning says what is wrong. */
function excerpt(body: string): string {
  return body.length <= 1000 ? body : `${body.slice(0, 1000)} …`;
}
