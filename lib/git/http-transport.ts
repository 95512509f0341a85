import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { AskError } from "../platform/ask-error.ts";
import { type ClientTls, type Outbound, outboundAgent, type ProxyAddress } from "../platform/outbound.ts";
import { acceptedEncoding, bodyOf } from "./answer-body.ts";
import { agent as userAgent } from "./capabilities.ts";
import { GitError } from "./git-error.ts";
import { connectionError, statusError } from "./http-error.ts";
import type { GitLimits } from "./limits.ts";
import { type Packet, parsePackets } from "./pkt-line.ts";
import type { Packets, Transport } from "./transport.ts";

/** What proves to the server who asks. */
export type HttpCredentials = { username: string; password: string } | { bearerToken: string };

/** A repository behind an `http:` or `https:` URL. User information in the URL is not used. */
export type HttpRemote = { url: string; credentials?: HttpCredentials; tls?: ClientTls; proxy?: ProxyAddress };

/** Where a repository is served after redirects, and whether the credentials are meant for that host. */
export type HttpBase = { url: string; own: boolean };

/** A transport that tells where the advertisement came from, so that a later one can begin there. */
export type HttpTransport = Transport & { base(): HttpBase };

const redirects = new Set([301, 302, 303, 307, 308]);
const redirectLimit = 5;
const suffix = "/info/refs";

/** Git's smart HTTP (gitprotocol-http) in version 2. `base` is what an earlier transport to the same remote found. */
export function httpTransport(remote: HttpRemote, limits: Pick<GitLimits, "silence">, found?: HttpBase): HttpTransport {
  let base = found ?? { url: baseUrl(remote.url), own: true };
  return {
    base: () => base,
    advertisement: async (limit, signal) => {
      for (let followed = 0; ; followed++) {
        const url = `${base.url}${suffix}?service=git-upload-pack`;
        const answer = await send(remote, base, { method: "GET", url, version: 2, silence: limits.silence, signal });
        const location = answer.headers.location;
        if (redirects.has(answer.statusCode ?? 0) && location !== undefined) {
          answer.destroy();
          if (followed === redirectLimit)
            throw new GitError("refused", `http redirect: stopped after ${redirectLimit} redirects`);
          base = redirected(base, location);
        } else return packetsOf(answer, "advertisement", limit);
      }
    },
    command: async ({ version, body, limit }, signal) => {
      const url = `${base.url}/git-upload-pack`;
      const asked = { method: "POST", url, version, body, silence: limits.silence, signal } as const;
      const answer = await send(remote, base, asked);
      return packetsOf(answer, "result", limit);
    },
  };
}

function baseUrl(text: string): string {
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new GitError(
      "unsupported",
      `repositories over ${url.protocol.slice(0, -1)} are not supported by this release of Sluice`,
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/**
 * GE-009: only the first request is redirected, only to another `/info/refs`, never from https to http; on another host or port neither
 * the credentials nor the client's certificate are shown.
 */
function redirected(base: HttpBase, location: string): HttpBase {
  const from = new URL(base.url);
  let to: URL;
  try {
    to = new URL(location, `${base.url}${suffix}`);
  } catch {
    throw new GitError("refused", "http redirect: the target is not a URL");
  }
  if (!to.pathname.endsWith(suffix)) {
    throw new GitError("refused", `http redirect: target ${JSON.stringify(to.pathname)} does not end with ${suffix}`);
  }
  const [before, after] = [from.protocol.slice(0, -1), to.protocol.slice(0, -1)];
  if (after !== "http" && after !== "https")
    throw new GitError("refused", `http redirect: unsupported scheme "${after}"`);
  if (before === "https" && after === "http") {
    throw new GitError("refused", `http redirect: changes scheme from "${before}" to "${after}"`);
  }
  return { url: `${to.origin}${to.pathname.slice(0, -suffix.length)}`, own: base.own && to.origin === from.origin };
}

type Asked = {
  method: "GET" | "POST";
  url: string;
  version: 0 | 2;
  body?: Buffer;
  silence: number;
  signal: AbortSignal;
};

async function send(remote: HttpRemote, base: HttpBase, asked: Asked): Promise<IncomingMessage> {
  const url = new URL(asked.url);
  const secure = url.protocol === "https:";
  const { certificateAuthority } = remote.tls ?? {};
  const tls = base.own ? (remote.tls ?? {}) : certificateAuthority === undefined ? {} : { certificateAuthority };
  const authorization = base.own ? authorizationOf(remote.credentials) : undefined;
  const options: RequestOptions = {
    method: asked.method,
    agent: agentFor(asked.method, url, { tls, ...(remote.proxy === undefined ? {} : { proxy: remote.proxy }) }),
    signal: asked.signal,
    timeout: asked.silence,
    headers: {
      "user-agent": userAgent,
      ...(asked.version === 2 ? { "git-protocol": "version=2" } : {}),
      "accept-encoding": acceptedEncoding,
      accept: asked.method === "GET" ? "*/*" : "application/x-git-upload-pack-result",
      ...(authorization === undefined ? {} : { authorization }),
      ...(asked.body === undefined
        ? {}
        : { "content-type": "application/x-git-upload-pack-request", "content-length": asked.body.length }),
    },
  };
  for (let attempt = 1; ; attempt++) {
    const outgoing = (secure ? httpsRequest : httpRequest)(url, options);
    outgoing.once("timeout", () => outgoing.destroy(new Error(`the server was silent for ${asked.silence / 1000} s`)));
    try {
      return await new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.once("response", resolve);
        outgoing.on("error", reject);
        outgoing.end(asked.body);
      });
    } catch (error) {
      // The server may have closed an idle connection at the moment it was used again; reading twice does no harm.
      const code = error instanceof Error && "code" in error ? error.code : "";
      const idle = outgoing.reusedSocket && (code === "ECONNRESET" || code === "EPIPE");
      if (!idle || attempt === 3)
        throw asked.signal.aborted ? asked.signal.reason : connectionError(error, asked.method, url);
    }
  }
}

/** The connections of these certificates and this proxy (GIT-055, GE-014, GE-015). */
function agentFor(method: string, url: URL, outbound: Outbound): ReturnType<typeof outboundAgent> {
  try {
    return outboundAgent(outbound, url.protocol === "https:" ? "https:" : "http:");
  } catch (error) {
    // OpenSSL's own words may quote what it could not read: these are not.
    if (error instanceof AskError && error.code === "tls") throw new GitError("invalid", error.words, { cause: error });
    throw connectionError(error, method, url);
  }
}

function authorizationOf(credentials: HttpCredentials | undefined): string | undefined {
  if (credentials === undefined) return undefined;
  if ("bearerToken" in credentials) return `Bearer ${credentials.bearerToken}`;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`, "utf8").toString("base64")}`;
}

/** The packets of an answer, if it is one of Git's. */
async function packetsOf(answer: IncomingMessage, kind: "advertisement" | "result", limit: number): Promise<Packets> {
  const status = answer.statusCode ?? 0;
  const type = (answer.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (status !== 200 || type !== `application/x-git-upload-pack-${kind}`) throw await statusError(answer, type ?? "");
  return read(answer, limit);
}

async function* read(answer: IncomingMessage, limit: number): AsyncGenerator<Packet, void, undefined> {
  let last: Packet | undefined;
  try {
    for await (const packet of parsePackets(bodyOf(answer, limit))) {
      last = packet;
      yield packet;
    }
  } finally {
    // A reader stops at the last flush; what follows it is the end of the body, and the connection is good for another request.
    if (last?.type === "flush" && !answer.readableEnded) {
      answer.resume();
      setTimeout(() => answer.complete || answer.destroy(), 1000).unref();
    } else if (!answer.readableEnded) answer.destroy();
  }
}
