import { BlockList, isIP } from "node:net";
import { type ProxyServer, proxyOf } from "./proxy-address.ts";

/** The proxies of the process, as `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name them, in capitals or not. */
export type EnvironmentProxies = { http: string; https: string; all: string; none: string };

/** What the environment says now. */
export function environmentProxies(environment: NodeJS.ProcessEnv = process.env): EnvironmentProxies {
  const read = (name: string) => environment[name] || environment[name.toLowerCase()] || "";
  return { http: read("HTTP_PROXY"), https: read("HTTPS_PROXY"), all: read("ALL_PROXY"), none: read("NO_PROXY") };
}

/**
 * The proxy of the environment for a host and a port, by the rules of golang.org/x/net/http/httpproxy (SEC-005): `localhost` and
 * loopback addresses are reached directly, as is what `NO_PROXY` names: addresses, ranges (CIDR), names with what is below
 * them, names below `.example.com` or `*.example.com` alone, each with a port or not, or `*`. A value that is no address is
 * as none. For `tcp:`, which is SSH, it is `ALL_PROXY`.
 */
export function environmentProxy(
  protocol: "http:" | "https:" | "tcp:",
  host: string,
  port: number,
  proxies: EnvironmentProxies = environmentProxies(),
): ProxyServer | undefined {
  const text = { "http:": proxies.http, "https:": proxies.https, "tcp:": proxies.all }[protocol];
  if (text === "" || isDirect(host.trim().toLowerCase().replace(/\.$/, ""), port, proxies.none)) return undefined;
  try {
    return proxyOf({ address: /^[a-z0-9]+:\/\//i.test(text) ? text : `http://${text}` });
  } catch {
    return undefined;
  }
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isDirect(host: string, port: number, none: string): boolean {
  if (host === "localhost" || (isIP(host) !== 0 && loopback.check(host, family(host)))) return true;
  return none.split(",").some((entry) => matches(entry.trim().toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  const range = /^([\d.]+|[\da-f:.]+)\/(\d{1,3})$/.exec(entry);
  if (range !== null) return isWithin(host, range[1] ?? "", Number(range[2]));
  const [, name = entry, wanted = ""] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  if (wanted !== "" && Number(wanted) !== port) return false;
  const bare = name.replace(/^\[|\]$/g, "");
  if (bare === "") return false;
  if (isIP(bare) !== 0) return isIP(host) !== 0 && isWithin(host, bare, isIP(bare) === 6 ? 128 : 32);
  if (bare.startsWith("*.")) return host.endsWith(bare.slice(1));
  return bare.startsWith(".") ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`);
}

function isWithin(host: string, network: string, bits: number): boolean {
  if (isIP(host) === 0 || isIP(network) === 0) return false;
  try {
    const list = new BlockList();
    list.addSubnet(network, bits, family(network));
    return list.check(host, family(host));
  } catch {
    return false;
  }
}

function family(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
