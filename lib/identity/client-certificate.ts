import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { IdentityError } from "./identity.ts";

/** A client certificate with its private key: its own certificate is the first of the chain. The key is a secret. */
export type ClientCertificate = { key: KeyObject; chain: readonly X509Certificate[] };

/**
 * Reads certificates and one RSA key, in PEM, as `az ad sp create-for-rbac --create-cert` writes them. The key may be encrypted
 * with the password. PKCS #12 is not read. Throws IdentityError.
 */
export function readCertificate(text: string, password: string): ClientCertificate {
  const wrong = (why: string) => new IdentityError(`clientCertificate: ${why}`);
  const blocks = blocksOf(text);
  const keys = blocks.filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [first, ...more] = keys;
  if (first === undefined)
    throw wrong("it holds no private key in PEM (openssl pkcs12 -in file.pfx -nodes makes PEM of PKCS #12)");
  if (more.length > 0) throw wrong("it holds more than one private key");
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: first.block, ...(password === "" ? {} : { passphrase: password }) });
  } catch {
    throw wrong("its private key cannot be read: it is damaged, or encrypted with another clientCertificatePassword");
  }
  if (key.asymmetricKeyType !== "rsa") throw wrong("its private key is no RSA key");
  let certificates: X509Certificate[];
  try {
    certificates = blocks.filter(({ label }) => label === "CERTIFICATE").map(({ block }) => new X509Certificate(block));
  } catch {
    throw wrong("a certificate in it cannot be read");
  }
  const own = certificates.find((certificate) => certificate.checkPrivateKey(key));
  if (own === undefined) throw wrong("it holds no certificate of its private key");
  return { key, chain: [own, ...certificates.filter((certificate) => certificate !== own)] };
}

/** The blocks of a PEM file (RFC 7468) with their labels; what is between them is not looked at. */
function blocksOf(text: string): { label: string; block: string }[] {
  const blocks: { label: string; block: string }[] = [];
  let open: { label: string; lines: string[] } | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, label] = /^-----BEGIN ([A-Z0-9 ]{1,40})-----\s*$/.exec(line) ?? [];
    if (label !== undefined) open = { label, lines: [] };
    open?.lines.push(line.trimEnd());
    if (open === undefined || line.trimEnd() !== `-----END ${open.label}-----`) continue;
    blocks.push({ label: open.label, block: `${open.lines.join("\n")}\n` });
    open = undefined;
  }
  return blocks;
}
