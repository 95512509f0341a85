import { type Agent as HttpAgent, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";

/** How long a proxy may take to open a tunnel, in milliseconds. */
const tunnelMilliseconds = 30_000;

/**
 * Lets an agent reach one server through an HTTP or HTTPS proxy (`proxy-url` of a kubeconfig) by CONNECT (RFC 9110, 9.3.6).
 * `tls` is how the server itself is spoken to, absent where it speaks plain HTTP; `lookup` finds the proxy's address. Throws
 * a sentence for a proxy of another kind.
 */
export function throughProxy(
  agent: HttpAgent,
  { proxy, server, tls, lookup }: { proxy: URL; server: URL; tls?: ConnectionOptions; lookup?: LookupFunction },
): void {
  if (proxy.protocol !== "http:" && proxy.protocol !== "https:")
    throw new Error(
      `the kubeconfig's proxy-url names a '${proxy.protocol.slice(0, -1)}' proxy: only http and https can be used`,
    );
  const host = server.hostname.replace(/^\[|\]$/g, "");
  const secure = (socket: Duplex) =>
    tls === undefined
      ? socket
      : connectTls({ ...(isIP(host) === 0 ? { servername: host } : {}), ...tls, host, socket });
  agent.createConnection = (_options, callback) => {
    const fail = (error: Error) => callback?.(error, undefined as never);
    openTunnel(proxy, server, lookup).then((socket) => callback?.(null, secure(socket)), fail);
    return undefined;
  };
}

function openTunnel(proxy: URL, server: URL, lookup: LookupFunction | undefined): Promise<Duplex> {
  const authority = `${server.hostname}:${server.port === "" ? (server.protocol === "https:" ? "443" : "80") : server.port}`;
  const send = proxy.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const asking = send(proxy, {
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...authorization(proxy) },
      agent: false,
      signal: AbortSignal.timeout(tunnelMilliseconds),
      ...(lookup === undefined ? {} : { lookup }),
    });
    asking.once("error", reject);
    asking.once("connect", (response, socket, first) => {
      if (response.statusCode === 200 && first.length === 0) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy of the kubeconfig answered ${response.statusCode}`));
    });
    // A proxy that answers with a body has refused.
    asking.once("response", (response) => {
      response.destroy();
      reject(new Error(`the proxy of the kubeconfig answered ${response.statusCode}`));
    });
    asking.end();
  });
}

function authorization({ username, password }: URL): Record<string, string> {
  if (username === "") return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}
