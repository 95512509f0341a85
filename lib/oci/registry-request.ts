import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, readBody } from "../platform/ask.ts";
import { AskError } from "../platform/ask-error.ts";
import { type Outbound, withoutCertificate } from "../platform/outbound.ts";
import { messageOf } from "../text/error-message.ts";
import { authorize, parseChallenge, type RegistryCredentials } from "./authentication.ts";
import { RegistryError, refusal } from "./registry-error.ts";
import { isLocalHost, type RepositoryName, requestHost } from "./repository-name.ts";

/** Statuses that may be better at the next attempt (OCI-023); the last two are of nginx and Cloudflare. */
const temporary = new Set([408, 429, 500, 502, 503, 504, 499, 522]);
/** Waits before the second, third and fourth attempt, in milliseconds, and the longest that a registry may ask for in place. */
const backOff = [200, 600, 1_500];
const patience = 5_000;
const redirects = new Set([301, 302, 303, 307, 308]);
const redirectLimit = 5;
const discardLimits = { bytes: 64 * 1024, milliseconds: 1_000 };

/** Sends requests to one repository. */
export type RegistryRequests = {
  /**
   * Asks for a path below the repository, authorised as the registry wants it, redirects followed without credentials to other hosts.
   * Resolves with an answer whose status is one of those that are wanted, whose body is the caller's. Throws RegistryError otherwise,
   * and the signal's reason where it is aborted.
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

type Sending = { method: string; path: string; headers: Record<string, string>; signal: AbortSignal };

/** Requests to one repository. With `insecure` it is spoken to in plain HTTP where it does not speak TLS (OCI-022). */
export function registryRequests(options: RequestOptions): RegistryRequests {
  const { repository, outbound, credentials, userAgent } = options;
  const mayBePlain = options.insecure || isLocalHost(repository.host);
  const hasPort = /:\d+$/.test(repository.host);
  let scheme: "https" | "http" = "https";
  let authorization: string | undefined;
  const base = () => new URL(`${scheme}://${requestHost(repository.host)}/v2/${repository.path}/`);

  function once(sending: Sending, url: URL, shown: string | undefined, way = outbound): Promise<IncomingMessage> {
    const { method, signal } = sending;
    const headers = { "user-agent": userAgent, ...sending.headers };
    return ask(
      { method, url, headers: { ...headers, ...(shown === undefined ? {} : { authorization: shown }) }, signal },
      way,
    );
  }

  /** The first request of all finds out which protocol is spoken. */
  async function reach(sending: Sending): Promise<IncomingMessage> {
    try {
      return await once(sending, new URL(sending.path, base()), authorization);
    } catch (error) {
      if (!mayBePlain || scheme === "http" || sending.signal.aborted || !speaksNoTls(error, hasPort)) throw error;
      scheme = "http";
      return once(sending, new URL(sending.path, base()), authorization);
    }
  }

  async function authorised(sending: Sending): Promise<IncomingMessage> {
    const answer = await reach(sending);
    const challenge = answer.statusCode === 401 ? parseChallenge(answer.headers["www-authenticate"]) : undefined;
    if (challenge === undefined) return answer;
    const scope = `repository:${repository.path}:pull`;
    const isSecure = scheme === "https";
    const { signal } = sending;
    const granted = await authorize(challenge, { credentials, scope, isSecure, outbound, signal, userAgent });
    if (granted === undefined || granted === authorization) return answer;
    await discard(answer);
    authorization = granted;
    return reach(sending);
  }

  /** Where a registry sends to another one, which has tokens for everybody. Credentials and certificate stay with the first. */
  async function elsewhere(sending: Sending, url: URL): Promise<IncomingMessage> {
    const foreign = withoutCertificate(outbound);
    const answer = await once(sending, url, undefined, foreign);
    const challenge = answer.statusCode === 401 ? parseChallenge(answer.headers["www-authenticate"]) : undefined;
    if (challenge?.scheme !== "bearer") return answer;
    const { signal } = sending;
    const who = { credentials: undefined, scope: undefined, isSecure: url.protocol === "https:" };
    const granted = await authorize(challenge, { ...who, outbound: foreign, signal, userAgent });
    await discard(answer);
    return once(sending, url, granted, foreign);
  }

  async function followed(sending: Sending): Promise<IncomingMessage> {
    let answer = await authorised(sending);
    let from = new URL(sending.path, base());
    for (let left = redirectLimit; redirects.has(answer.statusCode ?? 0); left--) {
      const status = answer.statusCode ?? 0;
      const { location } = answer.headers;
      if (location === undefined) return answer;
      await discard(answer);
      if (left === 0) throw new RegistryError(status, [], `stopped after ${redirectLimit} redirects`);
      if (!URL.canParse(location, from.href))
        throw new RegistryError(status, [], "the registry redirects to what is not a URL");
      const to = new URL(location, from);
      // What is asked for by its digest is known by it, however it comes.
      const isKnown = /^(?:blobs|manifests)\/sha\d+:/.test(sending.path) && to.protocol === "http:";
      if (to.protocol !== "https:" && from.protocol === "https:" && !isKnown)
        throw new RegistryError(status, [], `the registry redirects from https to ${to.protocol.slice(0, -1)}`);
      answer = await (to.origin === base().origin ? once(sending, to, authorization) : elsewhere(sending, to));
      from = to;
    }
    return answer;
  }

  return {
    base,
    send: async (method, path, headers, signal, wanted) => {
      const sending = { method, path, headers, signal };
      for (let attempt = 0; ; attempt++) {
        const pause = backOff[attempt];
        let failed: RegistryError;
        try {
          const answer = await followed(sending);
          if (wanted.includes(answer.statusCode ?? 0)) return answer;
          failed = await refusal(answer, method, new URL(path, base()));
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          failed = registryError(error);
        }
        if (pause === undefined || !mayPass(failed) || failed.retryAfter > patience) throw failed;
        await sleep(Math.max(pause, failed.retryAfter), undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    },
  };
}

/** Reads what nobody wants, so that the connection serves the next request; a server that goes on loses it. */
async function discard(answer: IncomingMessage): Promise<void> {
  const timer = setTimeout(() => answer.destroy(), discardLimits.milliseconds);
  await readBody(answer, discardLimits.bytes).catch(() => answer.destroy());
  clearTimeout(timer);
}

/** What failed on the way, as an error of the registry. */
export function registryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  return new RegistryError(0, [], messageOf(error), { cause: error });
}

/** As go-containerregistry tells it: statuses of the moment, and connections that were lost. */
function mayPass({ status, cause }: RegistryError): boolean {
  if (temporary.has(status)) return true;
  return cause instanceof AskError && /EOF|reset by peer|broken pipe|does not answer/.test(cause.words);
}

/** A server of plain HTTP answers a greeting in TLS with anything but TLS. A certificate that is not trusted is no such answer. */
function speaksNoTls(error: unknown, hasPort: boolean): boolean {
  if (!(error instanceof AskError)) return false;
  if (error.code === "tls") return /HTTP response to HTTPS client|^tls: handshake failure/.test(error.words);
  if (error.code !== "unreachable") return false;
  return /EOF|reset by peer|broken pipe/.test(error.words) || (!hasPort && error.words.includes("connection refused"));
}
