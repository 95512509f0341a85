import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import {
  bitString,
  booleanTrue,
  element,
  explicit,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  unsignedInteger,
  utf8String,
} from "../../../lib/platform/local/der.ts";

/** A certificate and its key (PKCS #8), PEM, and the key's certificate and those above it, which is what notation signs with. */
export type NotationIdentity = { certificate: string; key: string; chain: string };

/** What a certificate for tests is like; by default one that may sign artifacts, for a year. */
export type CertificateWish = {
  commonName: string;
  /** Whose key signs it; its own by default. */
  issuer?: NotationIdentity & { commonName: string };
  authority?: { pathLength?: number };
  key?: "P-256" | "P-384" | "P-521" | 2048 | 3072 | 4096;
  /** First octet of the key usage; no such extension with undefined in its place. */
  keyUsage?: number | undefined;
  purposes?: string[];
  days?: { from: number; to: number };
  /** Further extensions: object identifier and value. */
  more?: [string, Uint8Array][];
};

const day = 24 * 60 * 60 * 1000;
const ecdsaWithSha256 = sequence(objectIdentifier("1.2.840.10045.4.3.2"));
const rsaWithSha256 = sequence(objectIdentifier("1.2.840.113549.1.1.11"), element(5));
const attributes: [string, string][] = [
  ["2.5.4.6", "US"],
  ["2.5.4.8", "WA"],
  ["2.5.4.7", "Seattle"],
  ["2.5.4.10", "Sluice"],
];

/** Makes one, as the Notary Project wants it or not: the subject is `C=US, ST=WA, L=Seattle, O=Sluice, CN=<name>`. */
export function makeIdentity(wish: CertificateWish): NotationIdentity & { commonName: string } {
  const { commonName, issuer, authority, key = "P-256", days = { from: -1, to: 365 } } = wish;
  const keys =
    typeof key === "number"
      ? generateKeyPairSync("rsa", { modulusLength: key })
      : generateKeyPairSync("ec", { namedCurve: key });
  const usage = "keyUsage" in wish ? wish.keyUsage : authority === undefined ? 0x80 : 0x06;
  const constraints =
    authority?.pathLength === undefined
      ? sequence(booleanTrue)
      : sequence(booleanTrue, unsignedInteger(Buffer.of(authority.pathLength)));
  const extensions = [
    ...(authority === undefined ? [] : [extension("2.5.29.19", constraints, true)]),
    ...(usage === undefined ? [] : [extension("2.5.29.15", bitString(Buffer.of(usage)), true)]),
    ...((wish.purposes ?? []).length === 0
      ? []
      : [extension("2.5.29.37", sequence(...(wish.purposes ?? []).map(objectIdentifier)), false)]),
    ...(wish.more ?? []).map(([oid, value]) => extension(oid, value, false)),
  ];
  const signer = issuer === undefined ? keys.privateKey : createPrivateKey(issuer.key);
  const algorithm = signer.asymmetricKeyType === "rsa" ? rsaWithSha256 : ecdsaWithSha256;
  const body = sequence(
    explicit(0, unsignedInteger(Buffer.of(2))),
    unsignedInteger(randomBytes(16)),
    algorithm,
    nameOf(issuer?.commonName ?? commonName),
    sequence(time(new Date(Date.now() + days.from * day)), time(new Date(Date.now() + days.to * day))),
    nameOf(commonName),
    keys.publicKey.export({ type: "spki", format: "der" }),
    ...(extensions.length === 0 ? [] : [explicit(3, sequence(...extensions))]),
  );
  const der = sequence(body, algorithm, bitString(sign("sha256", body, signer)));
  const certificate = new X509Certificate(Buffer.from(der)).toString();
  const privateKey = keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { commonName, certificate, key: privateKey, chain: `${certificate}${issuer?.chain ?? ""}` };
}

/** The extension of a certificate that names a list of revoked ones (RFC 5280, 4.2.1.13). */
export function listAt(url: string): [string, Uint8Array] {
  const name = explicit(0, explicit(0, element(0x86, Buffer.from(url))));
  return ["2.5.29.31", sequence(sequence(name))];
}

/** A list of revoked certificates (RFC 5280, section 5), DER, for a day unless told otherwise. */
export function makeRevocationList(
  issuer: NotationIdentity & { commonName: string },
  revoked: readonly NotationIdentity[],
  {
    days = { from: -1, to: 1 },
    more = [],
  }: { days?: { from: number; to?: number }; more?: [string, Uint8Array][] } = {},
): Buffer {
  const at = (offset: number) => time(new Date(Date.now() + offset * day));
  const entries = revoked.map(({ certificate }) => {
    const serial = Buffer.from(new X509Certificate(certificate).serialNumber, "hex");
    return sequence(unsignedInteger(serial), at(-1));
  });
  const body = sequence(
    unsignedInteger(Buffer.of(1)),
    ecdsaWithSha256,
    nameOf(issuer.commonName),
    at(days.from),
    ...(days.to === undefined ? [] : [at(days.to)]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    ...(more.length === 0 ? [] : [explicit(0, sequence(...more.map(([oid, value]) => extension(oid, value, true))))]),
  );
  return Buffer.from(sequence(body, ecdsaWithSha256, bitString(sign("sha256", body, createPrivateKey(issuer.key)))));
}

function nameOf(commonName: string): Uint8Array {
  const all: [string, string][] = [...attributes, ["2.5.4.3", commonName]];
  return sequence(...all.map(([oid, value]) => set(sequence(objectIdentifier(oid), utf8String(value)))));
}

function extension(oid: string, value: Uint8Array, isCritical: boolean): Uint8Array {
  return sequence(objectIdentifier(oid), ...(isCritical ? [booleanTrue] : []), octetString(value));
}
