import { createPrivateKey, X509Certificate } from "node:crypto";
import type { ClientTls } from "../../platform/outbound.ts";
import type { Logger } from "../../platform/ports.ts";
import { SecretError } from "./secret-error.ts";

/** Largest of the values that is read, in bytes: a Secret as a whole may have 1 MiB. */
const sizeLimit = 1024 * 1024;

/**
 * The authority and the client's certificate that a Secret holds, all PEM: `ca.crt`, and `tls.crt` with `tls.key`; the old keys `caFile`,
 * `certFile`, `keyFile` are read where the standard one is absent, and logged (SEC-001, SEC-002). `reference` is
 * `<namespace>/<name>`. Throws SecretError in the words of Flux's TLSConfigFromSecret; no value is told.
 */
export function tlsFromSecret(
  reference: string,
  data: ReadonlyMap<string, Buffer>,
  log: Pick<Logger, "warn">,
): ClientTls {
  const read = (key: string, old: string): string => {
    const standard = data.get(key);
    const value = standard ?? data.get(old);
    if (standard === undefined && value !== undefined)
      log.warn("using legacy key in secret data", { secret: reference, key: old, preferred: key });
    return value === undefined || value.length > sizeLimit ? "" : value.toString("utf8");
  };
  const certificate = read("tls.crt", "certFile");
  const key = read("tls.key", "keyFile");
  const authority = read("ca.crt", "caFile");
  if (certificate !== "" && key === "")
    throw new SecretError(`secret '${reference}' contains 'tls.crt' but missing 'tls.key'`);
  if (certificate === "" && key !== "")
    throw new SecretError(`secret '${reference}' contains 'tls.key' but missing 'tls.crt'`);
  if (certificate === "" && authority === "")
    throw new SecretError(`secret '${reference}' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'`);
  return {
    ...(certificate === "" ? {} : checkPair(certificate, key)),
    ...(authority === "" ? {} : { certificateAuthority: readAuthority(authority) }),
  };
}

type PemBlock = { type: string; text: string };

function pemBlocks(text: string): PemBlock[] {
  return [...text.matchAll(/-----BEGIN ([^-\n]+)-----[^-]*-----END \1-----/g)].map(([block, type = ""]) => ({
    type,
    text: block,
  }));
}

/** The words of Go's tls.X509KeyPair. */
function checkPair(certificate: string, key: string): { certificate: string; key: string } {
  const refuse = (words: string): SecretError =>
    new SecretError(`failed to parse TLS certificate and key: tls: ${words}`);
  const leaf = pick(certificate, (type) => type === "CERTIFICATE", '"CERTIFICATE" PEM block in certificate', refuse);
  const named = 'PEM block with type ending in "PRIVATE KEY" in key';
  const secret = pick(key, (type) => type.endsWith("PRIVATE KEY"), named, refuse);
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(leaf.text);
  } catch {
    throw new SecretError("failed to parse TLS certificate and key: x509: malformed certificate");
  }
  let matches: boolean;
  try {
    matches = parsed.checkPrivateKey(createPrivateKey(secret.text));
  } catch {
    throw refuse("failed to parse private key");
  }
  if (!matches) throw refuse("private key does not match public key");
  return { certificate, key };
}

function pick(
  text: string,
  isWanted: (type: string) => boolean,
  wanted: string,
  refuse: (words: string) => SecretError,
): PemBlock {
  const blocks = pemBlocks(text);
  const found = blocks.find(({ type }) => isWanted(type));
  if (found !== undefined) return found;
  const input = wanted.endsWith("key") ? "key" : "certificate";
  if (blocks.length === 0) throw refuse(`failed to find any PEM data in ${input} input`);
  const skipped = blocks.map(({ type }) => type).join(" ");
  throw refuse(
    `failed to find ${wanted} input after skipping PEM blocks of the following types: [${skipped.slice(0, 200)}]`,
  );
}

/** As in Go, what is no certificate is left out as long as there is one. */
function readAuthority(text: string): string {
  const certificates = pemBlocks(text).filter(({ type, text: block }) => {
    try {
      return type === "CERTIFICATE" && new X509Certificate(block) !== undefined;
    } catch {
      return false;
    }
  });
  if (certificates.length === 0) throw new SecretError("failed to parse CA certificate");
  return `${certificates.map(({ text: block }) => block).join("\n")}\n`;
}
