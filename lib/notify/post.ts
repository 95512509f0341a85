import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect as connectTls, type SecureContextOptions } from "node:tls";
import { tenantAddress } from "../platform/tenant-address.ts";
import { openTunnel, proxyAuthorization } from "./proxy.ts";

/** How a service is reached: its authority (PEM; then no other is trusted), a client certificate, a proxy. */
export type Transport = { authority?: string; certificate?: string; key?: string; proxy?: URL };

/** A service's answer; `retryAfter` is what it asked for, in seconds (HC-002). */
export type PostAnswer = { status: number; body: string; retryAfter?: number };

/** The service could not be reached, and another attempt would end alike (HC-002): a certificate, a scheme, redirects without end. */
export class PostRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PostRefused";
  }
}

/** Most redirects that are followed, as net/http has it. */
const redirects = 10;
/** Bytes of an answer that are read. */
const answerBytes = 64 * 1024;

type Post = { url: string; headers: Record<string, string>; body: string };

/**
 * Sends one POST and reads the answer. Redirects are followed as net/http does: 307 and 308 post again, the others get; to
 * another host nothing goes that could be a credential. Throws PostRefused, AddressRefused, the signal's reason, and errors of
 * the connection.
 */
export async function post(message: Post, transport: Transport, signal: AbortSignal): Promise<PostAnswer> {
  let url = new URL(message.url);
  let { headers, body }: { headers: Record<string, string>; body: string | undefined } = message;
  for (let hop = 0; ; hop++) {
    const answer = await exchange(url, headers, body, transport, signal);
    const { status, location } = answer;
    if (location === undefined || ![301, 302, 303, 307, 308].includes(status)) return answer;
    if (hop === redirects) throw new PostRefused(`stopped after ${redirects} redirects`);
    const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    if (next === undefined) throw new PostRefused("redirected to an address that is none");
    if (next.host !== url.host || next.protocol !== url.protocol)
      headers = { "content-type": headers["content-type"] ?? "" };
    if (status !== 307 && status !== 308) body = undefined;
    url = next;
  }
}

type Exchanged = PostAnswer & { location?: string };

async function exchange(
  url: URL,
  headers: Record<string, string>,
  body: string | undefined,
  transport: Transport,
  signal: AbortSignal,
): Promise<Exchanged> {
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new PostRefused(`unsupported protocol scheme "${url.protocol.slice(0, -1)}"`);
  const { authority, certificate, key, proxy } = transport;
  const secure: SecureContextOptions = {
    ...(authority === undefined ? {} : { ca: authority }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  };
  const options: RequestOptions = {
    method: body === undefined ? "GET" : "POST",
    headers: {
      "user-agent": "sluice/0.1.0",
      ...headers,
      ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
    },
    agent: false,
    signal,
    ...secure,
  };
  let outgoing: ClientRequest;
  if (proxy === undefined) {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    outgoing = send(url, { ...options, ...tenantAddress(url) });
  } else if (url.protocol === "https:") {
    const socket = await openTunnel(proxy, url, signal);
    outgoing = httpsRequest(url, {
      ...options,
      createConnection: () => connectTls({ ...secure, socket, servername: url.hostname, host: url.hostname }),
    });
  } else {
    const send = proxy.protocol === "https:" ? httpsRequest : httpRequest;
    outgoing = send(proxy, {
      ...options,
      ...tenantAddress(proxy),
      path: url.href,
      headers: { ...options.headers, host: url.host, ...proxyAuthorization(proxy) },
    });
  }
  return answerOf(outgoing, body);
}

function answerOf(outgoing: ClientRequest, body: string | undefined): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    outgoing.once("error", (error) => reject(isCertificateError(error) ? new PostRefused(error.message) : error));
    outgoing.once("response", (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        if (size < answerBytes) chunks.push(chunk.subarray(0, answerBytes - size));
        size += chunk.length;
        if (size > 16 * answerBytes) outgoing.destroy();
      });
      response.once("error", reject);
      response.once("close", () => {
        const { statusCode = 0, headers } = response;
        const retryAfter = secondsOf(headers["retry-after"]);
        resolve({
          status: statusCode,
          body: Buffer.concat(chunks).toString("utf8"),
          ...(retryAfter === undefined ? {} : { retryAfter }),
          ...(headers.location === undefined ? {} : { location: headers.location }),
        });
      });
    });
    outgoing.end(body);
  });
}

/** RFC 9110, 10.2.3: seconds or a date. */
function secondsOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,6}$/.test(header)) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1000);
}

function isCertificateError(error: Error): boolean {
  const code = "code" in error ? String(error.code) : "";
  return /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_)/.test(code);
}
