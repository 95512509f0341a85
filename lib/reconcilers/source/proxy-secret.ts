import type { ProxyAddress } from "../../platform/outbound.ts";
import { SecretError } from "./secret-error.ts";

/** Longest address of a proxy, in bytes. */
const lengthLimit = 2048;
const schemes = ["http", "https", "socks5"];

/**
 * The proxy that a Secret's `address` names, with `username` and `password` where both are there or the first alone is (SEC-004).
 * `reference` is `<namespace>/<name>`. Throws SecretError in the words of Flux's ProxyURLFromSecret.
 */
export function proxyFromSecret(reference: string, data: ReadonlyMap<string, Buffer>): ProxyAddress {
  const address = data.get("address");
  if (address === undefined) throw new SecretError(`secret '${reference}': key 'address' not found`);
  if (address.length === 0) throw new SecretError(`secret '${reference}': proxy address is empty`);
  if (address.length > lengthLimit)
    throw new SecretError(`secret '${reference}': proxy URL exceeds maximum length of ${lengthLimit} characters`);
  const text = address.toString("utf8");
  checkAddress(reference, text);
  const username = data.get("username")?.toString("utf8");
  const password = data.get("password")?.toString("utf8");
  return {
    address: text,
    ...(username === undefined ? {} : { username }),
    ...(username === undefined || password === undefined ? {} : { password }),
  };
}

/** Go splits the scheme off before it looks at anything else. A user that the address may name is not told (SEC-012). */
function checkAddress(reference: string, text: string): void {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase() ?? "";
  const wrong = objection(text, scheme);
  if (wrong !== undefined) {
    const told = text
      .replace(/[^/]*@/s, "***@")
      .replace(/[?#].*$/s, "")
      .replace(/\p{Cc}/gu, " ")
      .slice(0, 200);
    throw new SecretError(
      `secret '${reference}': failed to parse proxy address '${told}': parse ${JSON.stringify(told)}: ${wrong}`,
    );
  }
  if (!schemes.includes(scheme))
    throw new SecretError(
      `secret '${reference}': proxy URL must use one of the supported schemes (${schemes.join(", ")}), got '${scheme}'`,
    );
}

/** What is wrong with a URL, in the words of Go's net/url where it has some. */
function objection(text: string, scheme: string): string | undefined {
  if (/\p{Cc}/u.test(text)) return "net/url: invalid control character in URL";
  if (text.startsWith(":")) return "missing protocol scheme";
  if (scheme === "" && /^[^/]*:/.test(text)) return "first path segment in URL cannot contain colon";
  if (!schemes.includes(scheme)) return undefined;
  const authority = /^[^:]*:\/\/(?:[^/?#]*@)?([^/?#]*)/.exec(text)?.[1] ?? "";
  if (authority === "") return "the URL has no host";
  if (authority.includes(" ")) return 'invalid character " " in host name';
  if (authority.startsWith("[") && !authority.includes("]")) return "missing ']' in host";
  const port = /:([^:\]]*)$/.exec(authority)?.[1];
  if (port !== undefined && !/^\d*$/.test(port)) return `invalid port ":${port.slice(0, 100)}" after host`;
  return URL.canParse(text) ? undefined : "invalid URL";
}
