import { ask, readBody } from "../platform/ask.ts";
import type { Outbound } from "../platform/outbound.ts";
import { RegistryError, refusal } from "./registry-error.ts";

/** What a registry is shown. An identity token is a refresh token of the OAuth 2.0 flow, a registry token what that flow ends with. */
export type RegistryCredentials =
  | { username: string; password: string }
  | { identityToken: string }
  | { registryToken: string };

/** What a registry asks for, as RFC 9110's `WWW-Authenticate` has it. */
export type Challenge = { scheme: string; parameters: ReadonlyMap<string, string> };

/** Reads the first challenge of a header that names Basic or Bearer; undefined where there is none. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const match = /(?:^|,\s*)(basic|bearer)(?:\s+|$)(.*)$/is.exec((header ?? "").slice(0, 8192));
  if (match?.[1] === undefined) return undefined;
  const parameters = new Map<string, string>();
  for (const [, name = "", quoted, bare] of (match[2] ?? "").matchAll(/([a-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))/gi)) {
    // What comes a second time is another challenge's.
    if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), quoted ?? bare ?? "");
  }
  return { scheme: match[1].toLowerCase(), parameters };
}

/** The `Authorization` of basic access (RFC 7617). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

const answerLimit = 256 * 1024;
const scopeLimit = 2048;

/** How a challenge is answered. `scope` is what is asked for besides what the registry itself names. */
export type Answering = {
  credentials: RegistryCredentials | undefined;
  scope: string | undefined;
  /** Whether the registry is spoken to over TLS: then its tokens are, too. */
  isSecure: boolean;
  outbound: Outbound;
  signal: AbortSignal;
  userAgent: string;
};

/**
 * The `Authorization` that answers a challenge: the credentials themselves, or a token from where the registry says (distribution, "Token
 * Authentication Specification"). Undefined where there is nothing to answer with. Throws RegistryError, and AskError where nobody
 * answers.
 */
export async function authorize(challenge: Challenge, answering: Answering): Promise<string | undefined> {
  const { credentials, isSecure } = answering;
  if (challenge.scheme === "basic") {
    return credentials !== undefined && "username" in credentials
      ? basicAuthorization(credentials.username, credentials.password)
      : undefined;
  }
  if (credentials !== undefined && "registryToken" in credentials) return `Bearer ${credentials.registryToken}`;
  const realm = challenge.parameters.get("realm") ?? "";
  if (!URL.canParse(realm)) throw new RegistryError(401, [], "malformed www-authenticate, missing realm");
  const url = new URL(realm);
  if (url.protocol !== "https:" && (isSecure || url.protocol !== "http:"))
    throw new RegistryError(
      401,
      [],
      `invalid realm in www-authenticate: realm scheme "${url.protocol.slice(0, -1)}" not allowed for a secure registry; use https`,
    );
  const service = challenge.parameters.get("service") ?? "";
  // What the registry itself asks for comes first: some look at no more.
  const scopes = [...new Set([challenge.parameters.get("scope")?.slice(0, scopeLimit), answering.scope])].filter(
    (scope) => scope !== undefined && scope !== "",
  );
  if (credentials !== undefined && "identityToken" in credentials) {
    const form = new URLSearchParams({
      ...{ grant_type: "refresh_token", service, client_id: "flux", scope: scopes.join(" ") },
      refresh_token: credentials.identityToken,
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return tokenFrom(answering, { method: "POST", url, headers, body: form.toString() });
  }
  if (service !== "") url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope ?? "");
  const headers =
    credentials === undefined ? {} : { authorization: basicAuthorization(credentials.username, credentials.password) };
  return tokenFrom(answering, { method: "GET", url, headers });
}

async function tokenFrom(
  { outbound, signal, userAgent }: Answering,
  request: { method: string; url: URL; headers: Record<string, string>; body?: string },
): Promise<string> {
  const headers = { "user-agent": userAgent, accept: "application/json", ...request.headers };
  const answer = await ask({ ...request, headers, signal }, outbound);
  if (answer.statusCode !== 200) throw await refusal(answer, request.method, request.url);
  const token = tokenOf((await readBody(answer, answerLimit)).toString("utf8"));
  if (token !== undefined) return `Bearer ${token}`;
  const { origin, pathname } = request.url;
  throw new RegistryError(401, [], `${request.method} ${origin}${pathname}: no token in bearer response`);
}

function tokenOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const accessToken = "access_token" in value ? value.access_token : undefined;
    const found = accessToken || ("token" in value ? value.token : undefined);
    return typeof found === "string" && /^[\x21-\x7e]+$/.test(found) ? found : undefined;
  } catch {
    return undefined;
  }
}
