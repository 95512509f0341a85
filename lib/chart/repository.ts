import type { IncomingMessage } from "node:http";
import { ask } from "../platform/ask.ts";
import { type Outbound, withoutCertificate } from "../platform/outbound.ts";

/** A repository of charts behind http or https, and how it is asked. */
export type ChartRepository = {
  /** `spec.url` as the user wrote it. */
  url: string;
  outbound: Outbound;
  /** Basic authentication. Not used where one of the two is empty. */
  credentials?: { username: string; password: string };
  /** Whether other hosts get the credentials, too, where the index or a redirect names them (HR-010). */
  passCredentials: boolean;
};

/** A request to a repository or to where its index leads. */
export type RepositoryRequest = {
  url: URL;
  headers?: Record<string, string>;
  signal: AbortSignal;
};

const redirects = new Set([301, 302, 303, 307, 308]);
const redirectLimit = 10;
/** Milliseconds that a server may be silent: a slow answer ends with `spec.timeout`, a dead one before. */
const silence = 30_000;

/**
 * Sends a GET and follows redirects. Credentials go to the repository's own scheme, host and port alone unless `passCredentials`
 * is set (HR-010); after a redirect to another host neither they nor the client's certificate are shown. Resolves with an answer of 200 or 304; the caller ends its body. Throws with the address, without its query and user
 * information (SEC-012).
 */
export async function requestOf(repository: ChartRepository, request: RepositoryRequest): Promise<IncomingMessage> {
  const own = new URL(repository.url);
  let { url } = request;
  // As in Go, a redirect within a host keeps what the request began with.
  const authorization = authorizationOf(repository, url, repository.passCredentials || isSameServer(own, url));
  let trusted = true;
  for (let followed = 0; ; followed++) {
    if (url.protocol !== "http:" && url.protocol !== "https:")
      throw new Error(`Get "${shownUrl(url)}": unsupported protocol scheme "${url.protocol.slice(0, -1)}"`);
    const headers = {
      "user-agent": "sluice",
      ...request.headers,
      ...(authorization === undefined || !trusted ? {} : { authorization }),
    };
    const outbound = trusted ? repository.outbound : withoutCertificate(repository.outbound);
    const answer = await ask({ method: "GET", url: bareUrl(url), headers, signal: request.signal, silence }, outbound);
    const status = answer.statusCode ?? 0;
    if (status === 200 || status === 304) return answer;
    answer.destroy();
    const { location } = answer.headers;
    if (!redirects.has(status) || location === undefined)
      throw new Error(`failed to fetch ${shownUrl(url)} : ${status} ${answer.statusMessage ?? ""}`.trimEnd());
    if (followed === redirectLimit) throw new Error(`Get "${shownUrl(url)}": stopped after ${redirectLimit} redirects`);
    const to = redirected(url, location);
    trusted = trusted && isSameHost(url, to);
    url = to;
  }
}

/** An address as errors may show it: without user information, query and fragment (SEC-012). */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  if (to === undefined) throw new Error(`Get "${shownUrl(from)}": the redirect leads to what is no URL`);
  // Who redirects does not choose who one is.
  to.username = "";
  to.password = "";
  return to;
}

function isSameServer(a: URL, b: URL): boolean {
  return a.protocol === b.protocol && a.host === b.host;
}

/** The same server, or the one of the same name that http at its own port leads to. */
function isSameHost(from: URL, to: URL): boolean {
  return (
    isSameServer(from, to) ||
    (from.hostname === to.hostname &&
      from.protocol === "http:" &&
      to.protocol === "https:" &&
      from.port === "" &&
      to.port === "")
  );
}

function authorizationOf({ credentials }: ChartRepository, url: URL, isFor: boolean): string | undefined {
  if (isFor && credentials !== undefined && credentials.username !== "" && credentials.password !== "")
    return basic(credentials.username, credentials.password);
  return url.username === "" ? undefined : basic(decodeURIComponent(url.username), decodeURIComponent(url.password));
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function bareUrl(url: URL): URL {
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  bare.hash = "";
  return bare;
}
