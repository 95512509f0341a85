import { AskError } from "./ask-error.ts";

/** A proxy that can be connected to. User and password are as they are sent, not as in a URL. */
export type ProxyServer = {
  protocol: "http:" | "https:" | "socks5:";
  host: string;
  port: number;
  username?: string;
  password?: string;
};

const ports = { "http:": 80, "https:": 443, "socks5:": 1080 } as const;

/** What an address and its credentials name (SEC-004). Throws AskError `unreachable`, which tells no credentials. */
export function proxyOf(proxy: { address: string; username?: string; password?: string }): ProxyServer {
  const url = URL.parse(proxy.address);
  const protocol = url?.protocol === "socks5h:" ? "socks5:" : url?.protocol;
  const host = url?.hostname.replace(/^\[|\]$/g, "") ?? "";
  if (url === null || host === "" || (protocol !== "http:" && protocol !== "https:" && protocol !== "socks5:"))
    throw new AskError("unreachable", invalid, invalid);
  const [username, password] =
    proxy.username === undefined
      ? [decoded(url.username), decoded(url.password)]
      : [proxy.username, proxy.password ?? ""];
  const port = url.port === "" ? ports[protocol] : Number(url.port);
  return { protocol, host, port, ...(username === "" && password === "" ? {} : { username, password }) };
}

const invalid = "the proxy's address is not valid: it must be an http, https or socks5 URL with a host";

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The value of `Proxy-Authorization` (RFC 9110, 11.7.2) by which a proxy knows its user; undefined for one without. */
export function proxyAuthorization({ username, password = "" }: ProxyServer): string | undefined {
  return username === undefined ? undefined : `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
