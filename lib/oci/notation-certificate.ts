import { X509Certificate } from "node:crypto";
import { type DerValue, derTags, oidText, readDer } from "./der.ts";
import { VerificationError } from "./verification-error.ts";

/** What of a certificate decides about a signature of the Notary Project. */
export type Certificate = {
  x509: X509Certificate;
  /** Object identifier of the algorithm that it is signed with. */
  algorithm: string;
  /** Attributes of the subject: object identifier, and text where it is one; undefined where an attribute has several values. */
  subject: (readonly [oid: string, value: string])[] | undefined;
  /** The subject as messages tell it. */
  told: string;
  /** Whether it is that of an authority, and how many authorities may be below it. */
  authority?: { pathLength?: number };
  /** Bits of the key usage, from `digitalSignature` on; undefined where the extension is missing or not critical. */
  keyUsage?: { bits: number; isCritical: boolean };
  extendedKeyUsage: { oids: string[]; isCritical: boolean };
  /** Whether it tells of servers that know whether it was revoked (OCSP, CRL). */
  isRevocable: boolean;
  /** Where there are lists of what was revoked. */
  revocationLists: string[];
  /** Serial number, and names of subject and issuer, as they are encoded. */
  serial: Buffer;
  subjectName: Buffer;
  issuerName: Buffer;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
};

/** Bits of RFC 5280, 4.2.1.3, counted from the highest of the first byte. */
export const usages = { digitalSignature: 0x8000, certSign: 0x0400, listSign: 0x0200 } as const;
const otherUsages: readonly (readonly [string, number])[] = [
  ["KeyEncipherment", 0x2000],
  ["DataEncipherment", 0x1000],
  ["KeyAgreement", 0x0800],
  ["CertSign", 0x0400],
  ["CRLSign", 0x0200],
  ["EncipherOnly", 0x0100],
  ["DecipherOnly", 0x0080],
];
const excludedUsages: Readonly<Record<string, string>> = {
  "1.3.6.1.5.5.7.3.1": "ServerAuth",
  "1.3.6.1.5.5.7.3.2": "ClientAuth",
  "1.3.6.1.5.5.7.3.4": "EmailProtection",
  "1.3.6.1.5.5.7.3.8": "Timestamping",
  "1.3.6.1.5.5.7.3.9": "OCSPSigning",
};
const oids = {
  keyUsage: "2.5.29.15",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  crlDistribution: "2.5.29.31",
  authorityInformation: "1.3.6.1.5.5.7.1.1",
};
/** RSA (PKCS #1 v1.5 and PSS) and ECDSA with SHA-2, Ed25519: what Go takes of a certificate's signature. */
export const soundAlgorithms: ReadonlySet<string> = new Set([
  ...[10, 11, 12, 13].map((last) => `1.2.840.113549.1.1.${last}`),
  ...[2, 3, 4].map((last) => `1.2.840.10045.4.3.${last}`),
  "1.3.101.112",
]);
const chainLimit = 10;

/** Reads a certificate in DER. Throws VerificationError. */
export function parseCertificate(der: Buffer): Certificate {
  try {
    const x509 = new X509Certificate(der);
    const [tbs, signedWith] = readDer(readDer(der)[0]?.content ?? Buffer.alloc(0));
    const fields = readDer(tbs?.content ?? Buffer.alloc(0));
    // The version is tagged, and may be missing.
    const [serial, , issuer, , subject] = fields.slice(fields[0]?.tag === 0xa0 ? 1 : 0);
    const extensions = readExtensions(fields.find(({ tag }) => tag === 0xa3));
    const constraints = extensions.get(oids.basicConstraints);
    const usage = extensions.get(oids.keyUsage);
    return {
      x509,
      algorithm: oidText(readDer(signedWith?.content ?? Buffer.alloc(0))[0]?.content ?? Buffer.alloc(0)),
      serial: serial?.content ?? Buffer.alloc(0),
      subjectName: subject?.bytes ?? Buffer.alloc(0),
      issuerName: issuer?.bytes ?? Buffer.alloc(0),
      ...(subject === undefined ? { subject: undefined } : { subject: readName(subject) }),
      told: JSON.stringify(x509.subject.replaceAll("\n", ",")),
      ...(constraints === undefined ? {} : readConstraints(constraints.value)),
      ...(usage === undefined ? {} : { keyUsage: { bits: usageBits(usage.value), isCritical: usage.isCritical } }),
      extendedKeyUsage: {
        oids: x509.keyUsage ?? [],
        isCritical: extensions.get(oids.extendedKeyUsage)?.isCritical === true,
      },
      isRevocable: extensions.has(oids.crlDistribution) || extensions.has(oids.authorityInformation),
      revocationLists: readDistributionPoints(extensions.get(oids.crlDistribution)?.value),
      notBefore: Date.parse(x509.validFrom),
      notAfter: Date.parse(x509.validTo),
    };
  } catch (error) {
    throw new VerificationError("malformed certificate", { cause: error });
  }
}

/** The addresses of RFC 5280, 4.2.1.13: of a point's full name, those that are URIs. */
function readDistributionPoints(value: Buffer | undefined): string[] {
  const points = value === undefined ? [] : readDer(readDer(value)[0]?.content ?? Buffer.alloc(0));
  const inside = (values: readonly DerValue[]) =>
    values.filter(({ tag }) => tag === 0xa0).flatMap(({ content }) => readDer(content));
  const names = points.flatMap(({ content }) => inside(inside(readDer(content))));
  return names.filter(({ tag }) => tag === 0x86).map(({ content }) => content.toString("latin1"));
}

type Extension = { value: Buffer; isCritical: boolean };

/** Extensions by their object identifier, of a certificate or of a list of revoked ones. */
export function readExtensions(tagged: DerValue | undefined): Map<string, Extension> {
  const list = tagged === undefined ? [] : readDer(readDer(tagged.content)[0]?.content ?? Buffer.alloc(0));
  return new Map(
    list.map(({ content }) => {
      const [oid, ...rest] = readDer(content);
      const value = rest.at(-1)?.content;
      if (oid === undefined || value === undefined) throw new Error("malformed extension");
      const isCritical = rest.length === 2 && rest[0]?.tag === derTags.boolean && rest[0].content[0] === 0xff;
      return [oidText(oid.content), { value, isCritical }];
    }),
  );
}

function readConstraints(value: Buffer): Pick<Certificate, "authority"> {
  const [flag, length] = readDer(readDer(value)[0]?.content ?? Buffer.alloc(0));
  if (flag?.tag !== derTags.boolean || flag.content[0] !== 0xff) return {};
  if (length === undefined) return { authority: {} };
  return {
    authority: { pathLength: length.content.length > 2 ? 0xffff : length.content.readUIntBE(0, length.content.length) },
  };
}

function usageBits(value: Buffer): number {
  const bits = readDer(value)[0]?.content ?? Buffer.alloc(0);
  return ((bits[1] ?? 0) << 8) | (bits[2] ?? 0);
}

function readName({ content }: DerValue): (readonly [string, string])[] | undefined {
  const parts = readDer(content).map((set) => readDer(set.content));
  if (parts.some(({ length }) => length !== 1)) return undefined;
  return parts.flat().map((attribute) => {
    const [oid, value] = readDer(attribute.content);
    if (oid === undefined || value === undefined) throw new Error("malformed name");
    // BMPString is the one form of text that is not, or not nearly, UTF-8.
    const isWide = value.tag === 0x1e && value.content.length % 2 === 0;
    const text = isWide ? Buffer.from(value.content).swap16().toString("utf16le") : value.content.toString("utf8");
    return [oidText(oid.content), text] as const;
  });
}

/** What the first certificate of a chain has signed. */
export type Purpose = "code" | "time";

/**
 * Checks a chain of certificates from the one that signed to the authority's own (Notary Project, signature specification,
 * "Certificate requirements"). Dates are no part of it. Throws VerificationError in notation's words.
 */
export function checkChain(chain: readonly Certificate[], purpose: Purpose = "code"): void {
  const [leaf] = chain;
  if (leaf === undefined || chain.length > chainLimit)
    throw invalid(
      leaf === undefined ? "certificate chain must contain at least one certificate" : "too many certificates",
    );
  if (chain.length === 1) {
    if (!isIssuedBy(leaf, leaf)) throw invalid(`invalid self-signed certificate. subject: ${leaf.told}`);
    checkLeaf(leaf, purpose);
    return;
  }
  chain.forEach((certificate, index) => {
    const parent = chain[index + 1];
    // One that signs itself without being an authority is none's issuer.
    const signsItself = certificate.authority !== undefined && isIssuedBy(certificate, certificate);
    if (parent === undefined) {
      if (!signsItself)
        throw invalid(
          `root certificate with subject ${certificate.told} is not self-signed. Certificate chain must end with a valid self-signed root certificate`,
        );
    } else if (signsItself) {
      const kind = index === 0 ? "leaf" : "intermediate";
      throw invalid(
        `${kind} certificate with subject ${certificate.told} is self-signed. Certificate chain must not contain self-signed ${kind} certificate`,
      );
    } else if (!isIssuedBy(certificate, parent))
      throw invalid(`certificate with subject ${certificate.told} is not issued by ${parent.told}`);
    if (index === 0) checkLeaf(certificate, purpose);
    else checkAuthority(certificate, index - 1, purpose);
  });
}

function isIssuedBy({ x509, algorithm }: Certificate, issuer: Certificate): boolean {
  try {
    return soundAlgorithms.has(algorithm) && x509.issuer === issuer.x509.subject && x509.verify(issuer.x509.publicKey);
  } catch {
    return false;
  }
}

function checkAuthority({ authority, keyUsage, told }: Certificate, below: number, purpose: Purpose): void {
  if (authority === undefined)
    throw invalid(
      `certificate with subject ${told}: ca field in basic constraints must be present, critical, and set to true`,
    );
  if (authority.pathLength !== undefined && authority.pathLength < below)
    throw invalid(
      `certificate with subject ${told}: expected path length of ${below} but certificate has path length ${authority.pathLength} instead`,
    );
  checkUsagePresent(keyUsage, told, purpose);
  if (((keyUsage?.bits ?? 0) & usages.certSign) === 0)
    throw invalid(`certificate with subject ${told}: key usage must have the bit positions for key cert sign set`);
}

function checkLeaf({ authority, keyUsage, extendedKeyUsage, told }: Certificate, purpose: Purpose): void {
  if (authority !== undefined)
    throw invalid(
      `certificate with subject ${told}: if the basic constraints extension is present, the ca field must be set to false`,
    );
  checkUsagePresent(keyUsage, told, purpose);
  const bits = keyUsage?.bits ?? 0;
  if ((bits & usages.digitalSignature) === 0)
    throw invalid(
      `The certificate with subject ${told} is invalid. The key usage must have the bit positions for "Digital Signature" set`,
    );
  const others = otherUsages.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => JSON.stringify(name));
  if (others.length > 0)
    throw invalid(
      `The certificate with subject ${told} is invalid. The key usage must be "Digital Signature" only, but found ${others.join(", ")}`,
    );
  if (purpose === "time") {
    const { oids: purposes, isCritical } = extendedKeyUsage;
    if (!isCritical || purposes.length !== 1 || excludedUsages[purposes[0] ?? ""] !== "Timestamping")
      throw invalid(
        `timestamp signing certificate with subject ${told} must have and only have Timestamping as extended key usage, marked as critical`,
      );
    return;
  }
  const excluded = extendedKeyUsage.oids.map((oid) => excludedUsages[oid]).find((name) => name !== undefined);
  if (excluded !== undefined)
    throw invalid(`certificate with subject ${told}: extended key usage must not contain ${excluded} eku`);
}

function checkUsagePresent(keyUsage: Certificate["keyUsage"], told: string, purpose: Purpose): void {
  if (keyUsage === undefined) throw invalid(`certificate with subject ${told}: key usage extension must be present`);
  if (purpose === "code" && !keyUsage.isCritical)
    throw invalid(`certificate with subject ${told}: key usage extension must be marked critical`);
}

function invalid(words: string): VerificationError {
  return new VerificationError(`certificate-chain is invalid, ${words}`);
}
