import type { Agent, ClientRequest } from "node:http";
import { type ProxyServer, proxyAuthorization } from "./proxy-address.ts";

/**
 * Makes an agent write plain HTTP requests in absolute form (RFC 9112, 3.2.2) where they go through an HTTP or HTTPS proxy. That
 * form is on the request's first line, which is not written before the agent has taken the request. Headers must have been
 * given as an object.
 */
export function tellInFull(agent: Agent, proxyFor: (host: string, port: number) => ProxyServer | undefined): void {
  const taking: unknown = Reflect.get(agent, "addRequest");
  if (typeof taking !== "function")
    throw new Error("this version of Node has no addRequest by which requests are taken");
  Reflect.set(
    agent,
    "addRequest",
    (request: ClientRequest, wanted: { host?: string; port?: number }, ...more: unknown[]) => {
      const proxy = proxyFor(wanted.host ?? "localhost", Number(wanted.port ?? 80));
      if (proxy !== undefined && proxy.protocol !== "socks5:") {
        const authorization = proxyAuthorization(proxy);
        request.path = `http://${request.getHeader("host")}${request.path}`;
        if (authorization !== undefined) request.setHeader("proxy-authorization", authorization);
      }
      return taking.call(agent, request, wanted, ...more);
    },
  );
}
