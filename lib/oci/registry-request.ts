import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, readBody } from "../platform/ask.ts";
import type { Outbound } from "../platform/outbound.ts";
import { authorize, parseChallenge, type RegistryCredentials } from "./authentication.ts";
import { RegistryError } from "./registry-error.ts";
import { type RepositoryName, requestHost } from "./repository-name.ts";

/** Statuses that may be better at the next attempt (OCI-023). */
const temporary = new Set([408, 429, 500, 502, 503, 504]);
/** Waits before the second, third and fourth attempt, in milliseconds. */
const backOff = [200, 600, 1_500];
const redirects = new Set([301, 302, 303, 307, 308]);
const redirectLimit = 5;
const errorLimit = 64 * 1024;

/** Sends requests to one repository. */
export type RegistryRequests = {
  /**
   * Asks for a path below the repository, authorised as the registry wants it, redirects followed without credentials to other hosts.
   * Resolves with an answer whose status is one of those that are wanted, whose body is the caller's. Throws RegistryError otherwise.
   */
  send(
    method: "GET" | "HEAD",
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
    wanted: readonly number[],
  ): Promise<IncomingMessage>;
  /** Where the repository is: `https://host/v2/path/`. */
  base(): URL;
};

/** How one repository is reached. */
export type RequestOptions = {
  repository: RepositoryName;
  outbound: Outbound;
  insecure: boolean;
  credentials: RegistryCredentials | undefined;
  userAgent: string;
};

/** Requests to one repository. With `insecure` it is spoken to in plain HTTP where it does not speak TLS (OCI-022). */
export function registryRequests(options: RequestOptions): RegistryRequests {
  const { repository, insecure, credentials, userAgent } = options;
  const outbound: Outbound =
    insecure && options.outbound.tls === undefined ? { ...options.outbound, skipVerification: true } : options.outbound;
  let scheme: "https" | "http" = "https";
  let authorization: string | undefined;
  const base = () => new URL(`${scheme}://${requestHost(repository.host)}/v2/${repository.path}/`);
  const scope = `repository:${repository.path}:pull`;

  async function once(
    method: string,
    url: URL,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const own = url.origin === base().origin;
    const sent = {
      "user-agent": userAgent,
      ...headers,
      ...(own && authorization !== undefined ? { authorization } : {}),
    };
    return ask({ method, url, headers: sent, signal }, outbound);
  }

  /** The first request of all finds out which protocol is spoken. */
  async function reach(
    method: string,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const url = new URL(path, base());
    try {
      return await once(method, url, headers, signal);
    } catch (error) {
      if (!insecure || scheme === "http" || signal.aborted || !speaksNoTls(error)) throw error;
      scheme = "http";
      return once(method, new URL(path, base()), headers, signal);
    }
  }

  async function authorised(
    method: string,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const answer = await reach(method, path, headers, signal);
    if (answer.statusCode !== 401) return answer;
    const challenge = parseChallenge(answer.headers["www-authenticate"]);
    if (challenge === undefined) return answer;
    const granted = await authorize(challenge, {
      credentials,
      scope,
      isSecure: scheme === "https",
      outbound,
      signal,
      userAgent,
    });
    if (granted === undefined || granted === authorization) return answer;
    answer.destroy();
    authorization = granted;
    return reach(method, path, headers, signal);
  }

  async function followed(
    method: string,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    let answer = await authorised(method, path, headers, signal);
    let from = new URL(path, base());
    for (let left = redirectLimit; redirects.has(answer.statusCode ?? 0); left--) {
      const { location } = answer.headers;
      if (location === undefined) return answer;
      answer.destroy();
      if (left === 0) throw new RegistryError(answer.statusCode ?? 0, [], `stopped after ${redirectLimit} redirects`);
      if (!URL.canParse(location, from.href))
        throw new RegistryError(answer.statusCode ?? 0, [], "the registry redirects to what is not a URL");
      const to = new URL(location, from);
      if (from.protocol === "https:" && to.protocol !== "https:")
        throw new RegistryError(
          answer.statusCode ?? 0,
          [],
          `the registry redirects from https to ${to.protocol.slice(0, -1)}`,
        );
      answer = await once(method, to, headers, signal);
      from = to;
    }
    return answer;
  }

  return {
    base,
    send: async (method, path, headers, signal, wanted) => {
      for (let attempt = 0; ; attempt++) {
        const pause = backOff[attempt];
        try {
          const answer = await followed(method, path, headers, signal);
          const status = answer.statusCode ?? 0;
          if (wanted.includes(status)) return answer;
          if (pause === undefined || !temporary.has(status)) throw await refusal(answer, method, new URL(path, base()));
          answer.destroy();
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          if (error instanceof RegistryError) throw error;
          if (pause === undefined || !mayPass(error))
            throw new RegistryError(0, [], error instanceof Error ? error.message : String(error), { cause: error });
        }
        await sleep(pause, undefined, { signal });
      }
    },
  };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function mayPass(error: unknown): boolean {
  return codeOf(error) === "unreachable";
}

/** A server of plain HTTP answers a TLS greeting with anything but TLS. */
function speaksNoTls(error: unknown): boolean {
  return codeOf(error) === "tls" || codeOf(error) === "unreachable";
}

/** As go-containerregistry tells it: the request, the status, and the registry's own words. */
async function refusal(answer: IncomingMessage, method: string, url: URL): Promise<RegistryError> {
  const status = answer.statusCode ?? 0;
  let text = "";
  try {
    text = (await readBody(answer, errorLimit)).toString("utf8");
  } catch {
    // The status says enough.
  }
  const errors = errorsOf(text);
  const told = `${method} ${url.origin}${url.pathname}`;
  const words =
    errors.length === 0
      ? `unexpected status code ${status} ${answer.statusMessage ?? ""}`.trimEnd()
      : errors.map(({ code, message }) => `${code}: ${message}`).join("; ");
  return new RegistryError(
    status,
    errors.map(({ code }) => code),
    `${told}: ${words}`,
  );
}

function errorsOf(text: string): { code: string; message: string }[] {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("errors" in value) || !Array.isArray(value.errors)) return [];
    return value.errors.slice(0, 10).flatMap((entry: unknown) => {
      if (typeof entry !== "object" || entry === null || !("code" in entry)) return [];
      const message = "message" in entry && typeof entry.message === "string" ? entry.message : "";
      return [{ code: String(entry.code).slice(0, 100), message: message.slice(0, 500) }];
    });
  } catch {
    return [];
  }
}
