import { type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { connectionError, ProxyRefused } from "./ask-error.ts";
import { connectDirectly, guarded } from "./direct-connection.ts";
import { type ProxyServer, proxyAuthorization } from "./proxy-address.ts";

/** A host and a port behind a proxy. The host's name is the proxy's to resolve. */
type Target = { host: string; port: number };

/**
 * A connection to a host through a proxy: by CONNECT (RFC 9110, 9.3.6) or by SOCKS5 (RFC 1928, 1929). `tls` is how an HTTPS proxy is
 * spoken to. Rejects with ProxyRefused in Go's words, without credentials.
 */
export async function connectThrough(
  proxy: ProxyServer,
  target: Target,
  tls: ConnectionOptions,
  signal: AbortSignal,
): Promise<Duplex> {
  const socket = await connectToProxy(proxy, tls, signal, target);
  try {
    return await (proxy.protocol === "socks5:" ? socks(proxy, target, socket) : tunnel(proxy, target, socket, signal));
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A connection to the proxy itself, whose address is guarded: a tenant may have chosen it. Rejects with ProxyRefused. */
export async function connectToProxy(
  proxy: ProxyServer,
  tls: ConnectionOptions,
  signal: AbortSignal,
  target?: Target,
): Promise<Socket> {
  try {
    const { lookup } = guarded("http:", proxy.host, proxy.port);
    const socket = await connectDirectly(proxy, lookup, signal);
    return proxy.protocol === "https:" ? await secured(socket, proxy.host, tls, signal) : socket;
  } catch (error) {
    throw new ProxyRefused(`${action(proxy, target)}: ${connectionError(error, proxy).words}`);
  }
}

/** As Go begins what it says of a proxy. */
function action(proxy: ProxyServer, target: Target | undefined): string {
  if (proxy.protocol !== "socks5:" || target === undefined) return "proxyconnect tcp";
  return `socks connect tcp ${authority(proxy)}->${authority(target)}`;
}

function authority({ host, port }: Target): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function secured(socket: Socket, host: string, tls: ConnectionOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({ ...tls, ...(/[:]|^[\d.]+$/.test(host) ? {} : { servername: host }), host, socket });
    const end = () => secure.destroy(new Error("the TLS handshake took too long"));
    signal.addEventListener("abort", end, { once: true });
    secure.once("error", reject);
    secure.once("secureConnect", () => {
      signal.removeEventListener("abort", end);
      secure.removeListener("error", reject);
      secure.on("error", () => undefined);
      resolve(secure);
    });
  });
}

function tunnel(proxy: ProxyServer, target: Target, connected: Socket, signal: AbortSignal): Promise<Duplex> {
  const authorization = proxyAuthorization(proxy);
  return new Promise((resolve, reject) => {
    const asking = request({
      method: "CONNECT",
      path: authority(target),
      headers: {
        host: authority(target),
        "user-agent": "sluice",
        ...(authorization === undefined ? {} : { "proxy-authorization": authorization }),
      },
      createConnection: () => connected,
      signal,
    });
    const refuse = (answer: IncomingMessage) => {
      connected.destroy();
      // Go tells the status's text alone.
      const words = (answer.statusMessage ?? "").replace(/[^\x20-\x7e]/g, "").slice(0, 200);
      reject(new ProxyRefused(words === "" ? `the proxy answered with status ${answer.statusCode}` : words));
    };
    asking.once("error", (error) =>
      reject(new ProxyRefused(`proxyconnect tcp: ${connectionError(error, proxy).words}`)),
    );
    asking.once("connect", (answer, socket, first) => {
      if (answer.statusCode !== 200) return refuse(answer);
      // A server that speaks first, as SSH's do, may have spoken already.
      if (first.length > 0) socket.unshift(first);
      socket.on("error", () => undefined);
      resolve(socket);
    });
    asking.once("response", refuse);
    asking.end();
  });
}

async function socks(proxy: ProxyServer, target: Target, connected: Socket): Promise<Duplex> {
  const { SocksClient } = await import("socks");
  try {
    const { socket } = await SocksClient.createConnection({
      command: "connect",
      destination: target,
      existing_socket: connected,
      timeout: socksMilliseconds,
      proxy: {
        host: proxy.host,
        port: proxy.port,
        type: 5,
        ...(proxy.username === undefined ? {} : { userId: proxy.username, password: proxy.password ?? "" }),
      },
    });
    socket.on("error", () => undefined);
    // The client leaves it paused, and who reads it next may expect that a new connection flows when it is listened to.
    return socket;
  } catch (error) {
    // The client's error holds the proxy's password: only its words go on.
    throw new ProxyRefused(`${action(proxy, target)}: ${socksWords(error)}`);
  }
}

/** How long each answer of a SOCKS5 proxy may take, in milliseconds. */
const socksMilliseconds = 20_000;

/** The client names what the proxy rejected by the constant of RFC 1928, section 6; Go has its words. */
function socksWords(error: unknown): string {
  const text = error instanceof Error ? error.message : "";
  const reply = /Socks5 proxy rejected connection - (\w+)/.exec(text)?.[1];
  if (reply !== undefined) return `unknown error ${replies[reply] ?? reply}`;
  if (/Authentication failed/i.test(text)) return "username/password authentication failed";
  if (/no accepted authentication|unaccepted|invalid authentication type|Chosen authentication/i.test(text))
    return "no acceptable authentication methods";
  return text === "" ? "the proxy does not speak SOCKS5" : text.replace(/[^\x20-\x7e]/g, "").slice(0, 200);
}

const replies: Record<string, string> = {
  Failure: "general SOCKS server failure",
  NotAllowed: "connection not allowed by ruleset",
  NetworkUnreachable: "network unreachable",
  HostUnreachable: "host unreachable",
  ConnectionRefused: "connection refused",
  TTLExpired: "TTL expired",
  CommandNotSupported: "command not supported",
  AddressNotSupported: "address type not supported",
};
