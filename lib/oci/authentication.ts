import { ask, readBody } from "../platform/ask.ts";
import type { Outbound } from "../platform/outbound.ts";
import { RegistryError } from "./registry-error.ts";

/** What a registry is shown. An identity token is a refresh token of the OAuth 2.0 flow. */
export type RegistryCredentials = { username: string; password: string } | { identityToken: string };

/** What a registry asks for, as RFC 9110's `WWW-Authenticate` has it. */
export type Challenge = { scheme: string; parameters: ReadonlyMap<string, string> };

/** Reads the first challenge of a header that names Basic or Bearer; undefined where there is none. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const match = /(?:^|,\s*)(basic|bearer)(?:\s+|$)(.*)$/is.exec((header ?? "").slice(0, 8192));
  if (match?.[1] === undefined) return undefined;
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, bare] of (match[2] ?? "").matchAll(/([a-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))/gi))
    parameters.set(name.toLowerCase(), quoted ?? bare ?? "");
  return { scheme: match[1].toLowerCase(), parameters };
}

/** The `Authorization` of basic access (RFC 7617). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

const answerLimit = 256 * 1024;

/**
 * Answers a challenge: with the credentials themselves, or with a token from where the registry says (distribution, "Token
 * Authentication Specification"). The realm must be reached over TLS where the registry is. Throws RegistryError.
 */
export async function authorize(
  challenge: Challenge,
  {
    credentials,
    scope,
    isSecure,
    outbound,
    signal,
    userAgent,
  }: {
    credentials: RegistryCredentials | undefined;
    scope: string;
    isSecure: boolean;
    outbound: Outbound;
    signal: AbortSignal;
    userAgent: string;
  },
): Promise<string | undefined> {
  if (challenge.scheme === "basic") {
    return credentials !== undefined && "username" in credentials
      ? basicAuthorization(credentials.username, credentials.password)
      : undefined;
  }
  const realm = challenge.parameters.get("realm") ?? "";
  if (!URL.canParse(realm)) throw new RegistryError(401, [], "the registry names no realm to get a token from");
  const url = new URL(realm);
  if (isSecure && url.protocol !== "https:" && credentials !== undefined)
    throw new RegistryError(
      401,
      [],
      `the registry asks for credentials to be sent to ${url.origin}, which is not secure`,
    );
  const service = challenge.parameters.get("service") ?? "";
  const headers: Record<string, string> = { "user-agent": userAgent };
  let body: string | undefined;
  if (credentials !== undefined && "identityToken" in credentials) {
    headers["content-type"] = "application/x-www-form-urlencoded";
    body = new URLSearchParams({
      ...{ grant_type: "refresh_token", service, client_id: "flux", scope },
      refresh_token: credentials.identityToken,
    }).toString();
  } else {
    if (service !== "") url.searchParams.set("service", service);
    url.searchParams.set("scope", scope);
    if (credentials !== undefined)
      headers.authorization = basicAuthorization(credentials.username, credentials.password);
  }
  const answer = await ask(
    { method: body === undefined ? "GET" : "POST", url, headers, signal, ...(body === undefined ? {} : { body }) },
    outbound,
  );
  const text = (await readBody(answer, answerLimit)).toString("utf8");
  const status = answer.statusCode ?? 0;
  if (status !== 200)
    throw new RegistryError(status, [], `${url.origin}${url.pathname} gave no token: it answered ${status}`);
  const token = tokenOf(text);
  if (token === undefined) throw new RegistryError(401, [], `${url.origin}${url.pathname} gave no token`);
  return `Bearer ${token}`;
}

function tokenOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const found =
      "token" in value && value.token ? value.token : "access_token" in value ? value.access_token : undefined;
    return typeof found === "string" && /^[\x21-\x7e]+$/.test(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
