import { createHash } from "node:crypto";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, createSecureContext, getCACertificates } from "node:tls";
import { AskError, connectionError } from "./ask-error.ts";
import { connectDirectly, guarded } from "./direct-connection.ts";
import { type ProxyServer, proxyOf } from "./proxy-address.ts";
import { connectThrough, connectToProxy } from "./proxy-connection.ts";
import { environmentProxies, environmentProxy } from "./proxy-environment.ts";
import { tellInFull } from "./proxy-request.ts";

/** PEM texts: an authority to trust besides the system's (SEC-003), and a certificate with its key to show to the server. */
export type ClientTls = { certificateAuthority?: string; certificate?: string; key?: string };

/** An `http:`, `https:` or `socks5:` address (SEC-004). User and password replace those that the address itself may have. */
export type ProxyAddress = { address: string; username?: string; password?: string };

/**
 * How the servers of one object are reached. Without `proxy` the proxies of the process's environment are used (SEC-005).
 * `skipVerification` is OCIRepository's `insecure` alone.
 */
export type Outbound = { tls?: ClientTls; proxy?: ProxyAddress; skipVerification?: boolean };

/** The same way without the client's certificate: whoever a server leads to is not shown what was meant for it. */
export function withoutCertificate(outbound: Outbound): Outbound {
  const { tls, ...others } = outbound;
  const { certificateAuthority } = tls ?? {};
  return certificateAuthority === undefined ? others : { ...others, tls: { certificateAuthority } };
}

const options = { keepAlive: true, maxSockets: 16, maxFreeSockets: 4, timeout: 60_000 };
/** How long the way through a proxy may take to come about, in milliseconds. */
const tunnelMilliseconds = 30_000;
const agentLimit = 64;
const agents = new Map<string, HttpAgent | HttpsAgent>();

/**
 * One kept-alive agent for each distinct Outbound, by its hash: different authorities, certificates or proxies never share a
 * connection (GE-015, SN-009). Every address that is connected to is guarded by `tenantAddress`; what a proxy resolves is the
 * proxy's. At most 64 agents are kept. Throws AskError `tls` where a certificate cannot be read, and `unreachable` for a
 * proxy's address that is none.
 */
export function outboundAgent(outbound: Outbound, protocol: "http:" | "https:"): HttpAgent | HttpsAgent {
  const { tls = {}, proxy, skipVerification = false } = outbound;
  const parts = [protocol, proxy?.address, proxy?.username, proxy?.password];
  const certificates = protocol === "https:" || proxy !== undefined;
  const trust = certificates ? [tls.certificateAuthority, tls.certificate, tls.key, skipVerification] : [];
  const key = createHash("sha256")
    .update(JSON.stringify([...parts, ...trust, proxy === undefined ? environmentProxies() : undefined]))
    .digest("hex");
  const agent = agents.get(key) ?? newAgent(outbound, protocol);
  // The map is in the order of use: the one used longest ago goes first. Its connections end with what is under way on them.
  agents.delete(key);
  agents.set(key, agent);
  for (const [oldest, unused] of agents) {
    if (agents.size <= agentLimit) break;
    agents.delete(oldest);
    unused.maxFreeSockets = 0;
    for (const idle of Object.values(unused.freeSockets).flat()) idle?.destroy();
  }
  return agent;
}

/**
 * A raw connection for SSH, through the proxy (CONNECT or SOCKS5) where there is one (GE-014); the environment's is `ALL_PROXY`,
 * as for Go's dialers. Throws AskError, whose message is in the words of Go's net; the signal's reason where it is aborted.
 */
export async function openConnection(
  outbound: Outbound,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const target = { host: host.replace(/^\[|\]$/g, ""), port };
  try {
    // A literal address is judged however it is spelled, and whoever would connect to it.
    const { lookup } = guarded("http:", target.host, port);
    const proxy = objectProxy(outbound) ?? environmentProxy("tcp:", target.host, port);
    if (proxy === undefined) return await connectDirectly(target, lookup, signal);
    const patience = AbortSignal.any([signal, AbortSignal.timeout(tunnelMilliseconds)]);
    return await connectThrough(proxy, target, proxyTls(outbound, proxy), patience);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw connectionError(error, target);
  }
}

function newAgent(outbound: Outbound, protocol: "http:" | "https:"): HttpAgent | HttpsAgent {
  const own = objectProxy(outbound);
  const agent =
    protocol === "https:" ? new HttpsAgent({ ...options, ...tlsOptions(outbound) }) : new HttpAgent(options);
  const proxyFor = (host: string, port: number) => own ?? environmentProxy(protocol, host, port);
  const direct = agent.createConnection.bind(agent);
  agent.createConnection = (wanted, callback) => {
    const host = (wanted.host ?? "localhost").replace(/^\[|\]$/g, "");
    const port = Number(wanted.port ?? (protocol === "https:" ? 443 : 80));
    const fail = (error: unknown) => callback?.(asError(error), undefined as never);
    try {
      const { lookup } = guarded(protocol, host, port);
      const proxy = proxyFor(host, port);
      if (proxy === undefined) return direct({ ...wanted, lookup }, callback);
      const inFull = protocol === "http:" && proxy.protocol !== "socks5:";
      const connected = inFull
        ? connectToProxy(proxy, proxyTls(outbound, proxy), AbortSignal.timeout(tunnelMilliseconds))
        : connectThrough(proxy, { host, port }, proxyTls(outbound, proxy), AbortSignal.timeout(tunnelMilliseconds));
      connected
        .then((socket) => {
          const spoken = protocol === "http:" ? socket : direct({ ...wanted, socket } as typeof wanted, undefined);
          callback?.(null, spoken ?? socket);
        })
        .catch(fail);
    } catch (error) {
      // Told as every other failure of a connection: by an event of the request.
      process.nextTick(fail, error);
    }
    return undefined;
  };
  if (protocol === "http:") tellInFull(agent, proxyFor);
  return agent;
}

function objectProxy({ proxy }: Outbound): ProxyServer | undefined {
  return proxy === undefined ? undefined : proxyOf(proxy);
}

/** As in Go, an HTTPS proxy is trusted by what the server behind it is trusted by. */
function proxyTls(outbound: Outbound, proxy: ProxyServer): ConnectionOptions {
  return proxy.protocol === "https:" ? tlsOptions(outbound) : {};
}

function tlsOptions({ tls = {}, skipVerification = false }: Outbound): ConnectionOptions {
  const { certificateAuthority, certificate, key } = tls;
  const trust = skipVerification ? { rejectUnauthorized: false } : {};
  if (certificateAuthority === undefined && certificate === undefined) return trust;
  try {
    return {
      ...trust,
      secureContext: createSecureContext({
        ...(certificateAuthority === undefined ? {} : { ca: [...getCACertificates("default"), certificateAuthority] }),
        ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key }),
      }),
    };
  } catch {
    // OpenSSL's own words may quote what it could not read.
    const words =
      "tls: the certificate authority, the certificate or its key is not valid PEM, or they do not belong together";
    throw new AskError("tls", words, words);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
