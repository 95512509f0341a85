import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import {
  bitString,
  element,
  objectIdentifier,
  sequence,
  set,
  time,
  unsignedInteger,
  utf8String,
} from "../../lib/platform/local/der.ts";

const day = 24 * 60 * 60 * 1000;
const sha256WithRsa = sequence(objectIdentifier("1.2.840.113549.1.1.11"), element(0x05));
const named = (name: string) => sequence(set(sequence(objectIdentifier("2.5.4.3"), utf8String(name))));

/**
 * A client's RSA certificate and its issuer's, and all of it in one PEM with the client's key, which a password encrypts
 * (PKCS #8). In the PEM the issuer's certificate comes first, as tools that write a chain may have it.
 */
export function clientCertificate(password: string): { pem: string; certificates: [own: string, issuer: string] } {
  const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const issuerKeys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const issuer = certificate("issuer", issuerKeys.publicKey, issuerKeys.privateKey);
  const own = certificate("client", keys.publicKey, issuerKeys.privateKey);
  const encryption = password === "" ? {} : { cipher: "aes-256-cbc", passphrase: password };
  const key = keys.privateKey.export({ type: "pkcs8", format: "pem", ...encryption }).toString();
  return { pem: `${key}${issuer}${own}`, certificates: [own, issuer] };
}

/** The public key of a certificate in PEM. */
export function publicKeyOf(certificateText: string): KeyObject {
  return createPublicKey(certificateText);
}

/** RFC 5280, 4.1, of version 1: nothing but names, times and the key. */
function certificate(subject: string, publicKey: KeyObject, signingKey: KeyObject): string {
  const body = sequence(
    unsignedInteger(randomBytes(16)),
    sha256WithRsa,
    named("issuer"),
    sequence(time(new Date(Date.now() - day)), time(new Date(Date.now() + day))),
    named(subject),
    publicKey.export({ type: "spki", format: "der" }),
  );
  const bytes = sequence(body, sha256WithRsa, bitString(sign("sha256", body, signingKey)));
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
