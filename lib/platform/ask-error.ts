import { AddressRefused } from "./tenant-address.ts";

/** `tls` is a handshake that failed, `address-refused` an address that must not be reached, `unreachable` no connection or a lost one, `silent` a server that said nothing for too long. */
export type AskErrorCode = "tls" | "address-refused" | "unreachable" | "silent";

/**
 * A server was not reached, or did not answer. `message` says what was asked as Go's net/http does (`Get "https://host/path": ...`),
 * `words` is the cause alone; neither holds a query, a user or a password (SEC-012).
 */
export class AskError extends Error {
  readonly code: AskErrorCode;
  readonly words: string;

  constructor(code: AskErrorCode, message: string, words: string) {
    super(message);
    this.name = "AskError";
    this.code = code;
    this.words = words;
  }
}

/** A proxy did not open the way. The message is told as it is. */
export class ProxyRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProxyRefused";
  }
}

/** A request's failure: the method as Go writes it, the address without query and user, and why. */
export function requestError(error: unknown, method: string, url: URL): AskError {
  const { code, words } = connectionError(error, { host: url.hostname, port: portOf(url) });
  const action = `${method.slice(0, 1)}${method.slice(1).toLowerCase()}`;
  return new AskError(code, `${action} ${JSON.stringify(`${origin(url)}${url.pathname}`)}: ${words}`, words);
}

/** A connection's failure, in the words of Go's net and crypto/tls, by which users of Flux know it. */
export function connectionError(error: unknown, target: { host: string; port: number }): AskError {
  if (error instanceof AskError) return error;
  const [code, words] = told(error, target);
  return new AskError(code, words, words);
}

/** The port that a URL means. */
export function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}

const untrusted = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_UNTRUSTED",
  "INVALID_CA",
]);

function told(error: unknown, { host, port }: { host: string; port: number }): [AskErrorCode, string] {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (error instanceof AddressRefused) return ["address-refused", text];
  if (error instanceof ProxyRefused) return ["unreachable", text];
  const bare = host.replace(/^\[|\]$/g, "");
  const address = `${bare.includes(":") ? `[${bare}]` : bare}:${port}`;
  const certificate = certificateWords(error, code, bare);
  if (certificate !== undefined) return ["tls", `tls: failed to verify certificate: x509: ${certificate}`];
  const handshake = handshakeWords(text, code);
  if (handshake !== undefined) return ["tls", handshake];
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return ["unreachable", nameWords(code, bare)];
  if (code === "ECONNREFUSED") return ["unreachable", `dial tcp ${address}: connect: connection refused`];
  if (code === "EHOSTUNREACH") return ["unreachable", `dial tcp ${address}: connect: no route to host`];
  if (code === "ENETUNREACH") return ["unreachable", `dial tcp ${address}: connect: network is unreachable`];
  if (code === "ETIMEDOUT") return ["unreachable", `dial tcp ${address}: i/o timeout`];
  if (code === "EPIPE") return ["unreachable", "broken pipe"];
  if (code === "ECONNRESET") return ["unreachable", text === "socket hang up" ? "EOF" : "connection reset by peer"];
  if (error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError"))
    return ["unreachable", `dial tcp ${address}: i/o timeout`];
  return ["unreachable", text];
}

/** What crypto/tls says of a handshake, or undefined where it is none. OpenSSL's text ends in the names of its own files. */
function handshakeWords(text: string, code: string): string | undefined {
  if (code !== "EPROTO" && !code.startsWith("ERR_SSL_")) return undefined;
  const reason = (
    /:SSL routines:[^:]*:([^:]+):/.exec(text)?.[1] ?? code.replace("ERR_SSL_", "").replaceAll("_", " ")
  ).toLowerCase();
  if (/wrong version number|packet length too long|http request/.test(reason))
    return "http: server gave HTTP response to HTTPS client";
  const alert = /^(?:ssl|tls)v?[\d.]* alert (.+)$/.exec(reason)?.[1];
  return alert === undefined ? `tls: handshake failure: ${reason}` : `remote error: tls: ${alert}`;
}

/** What crypto/x509 says, or undefined where it is not the certificate. */
function certificateWords(error: unknown, code: string, host: string): string | undefined {
  if (untrusted.has(code)) return "certificate signed by unknown authority";
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID")
    return "certificate has expired or is not yet valid";
  if (code !== "ERR_TLS_CERT_ALTNAME_INVALID") return undefined;
  const names = alternativeNames(error);
  if (names.length === 0) return `certificate is not valid for any names, but wanted to match ${host}`;
  return `certificate is valid for ${names.join(", ").slice(0, 1024)}, not ${host}`;
}

function alternativeNames(error: unknown): string[] {
  const certificate: unknown = error instanceof Error && "cert" in error ? error.cert : undefined;
  if (typeof certificate !== "object" || certificate === null || !("subjectaltname" in certificate)) return [];
  return [...String(certificate.subjectaltname).matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map(
    ([, name = ""]) => name,
  );
}

/** SN-011: names that only a cluster's own DNS has are told as what they are. */
function nameWords(code: string, host: string): string {
  if (isClusterLocal(host))
    return `dial tcp: lookup ${host}: no such host: this is a name of the cluster's own network, which Sluice works outside of: use an address that is reachable from there, or attach its functions to the cluster's network`;
  return `dial tcp: lookup ${host}: ${code === "ENOTFOUND" ? "no such host" : "the name server does not answer"}`;
}

/** Whether a host's name is one that only the DNS of a Kubernetes cluster knows (SN-011). */
export function isClusterLocal(host: string): boolean {
  return /\.(svc|cluster\.local)\.?$/i.test(host);
}

/** A URL has an origin of its own only where its scheme is known. */
function origin({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}
