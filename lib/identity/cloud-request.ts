import { serviceExchange } from "../platform/exchange.ts";
import { messageOf } from "../text/error-message.ts";
import { isFields } from "../text/fields.ts";
import { type AccessToken, type CloudOptions, IdentityError } from "./identity.ts";

/** One request to a cloud's API. `body` is sent as it is; headers are complete but for its length. */
export type CloudRequest = {
  method: "GET" | "POST";
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
};

/**
 * Sends one request, without following redirects: a token goes to nobody but whom it was meant for. It goes by the proxy and the
 * certificates of the object that asks, where it has some (SEC-006). Each attempt has ten seconds, as in Flux. Throws an
 * IdentityError where no answer comes.
 */
export async function askCloud(
  { method, url, headers, body }: CloudRequest,
  { signal, certificateAuthority, outbound = {} }: CloudOptions,
): Promise<{ status: number; body: string }> {
  const authorities = [outbound.tls?.certificateAuthority, certificateAuthority].filter((pem) => pem !== undefined);
  const trusted = authorities.length === 0 ? {} : { certificateAuthority: authorities.join("\n") };
  const exchange = serviceExchange({ outbound: { ...outbound, tls: { ...outbound.tls, ...trusted } } });
  try {
    const sent = { method, url: new URL(url), headers: { accept: "application/json", ...headers } };
    const answer = await exchange({ ...sent, ...(body === undefined ? {} : { body }) }, signal);
    return { status: answer.status, body: answer.body };
  } catch (error) {
    throw new IdentityError(messageOf(error), { cause: error });
  }
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

/** What a token endpoint answered (RFC 6749, section 5): a token that was asked for at `askedAt`, or its complaint in bounded words. */
export type TokenAnswer = { granted: AccessToken } | { refused: { code: string; description: string } };

/** Reads the answer of a token endpoint; `askedAt` is in milliseconds since 1970. */
export function readTokenAnswer({ status, body }: { status: number; body: string }, askedAt: number): TokenAnswer {
  const fields = parseAnswer(body);
  const token = textField(fields, "access_token");
  if (status === 200 && token !== undefined)
    return { granted: { token, expiresAt: new Date(askedAt + (Number(fields?.expires_in) || 0) * 1000) } };
  const complaint = (name: string) => textField(fields, name)?.slice(0, 500).split("\n")[0]?.trimEnd() ?? "";
  return { refused: { code: complaint("error") || `status ${status}`, description: complaint("error_description") } };
}
