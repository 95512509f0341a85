import { createHash, verify, type X509Certificate } from "node:crypto";
import { type DerValue, derTags, oidText, readDer } from "./der.ts";
import { type Certificate, checkChain, parseCertificate } from "./notation-certificate.ts";
import { signatureDigests } from "./signature-algorithms.ts";
import { VerificationError } from "./verification-error.ts";

/** When something was there, as an authority of timestamps says it: between two times, milliseconds since 1970. */
export type Timestamp = {
  earliest: number;
  latest: number;
  /** From the certificate that signed it to one that is trusted. */
  chain: readonly Certificate[];
};

const oids = {
  signedData: "1.2.840.113549.1.7.2",
  timestamp: "1.2.840.113549.1.9.16.1.4",
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  signingCertificate: "1.2.840.113549.1.9.16.2.47",
  rsa: "1.2.840.113549.1.1.1",
  /** ETSI EN 319 421: a second's accuracy where none is told. */
  baselinePolicy: "0.4.0.2023.1.1",
} as const;
const hashes: Readonly<Record<string, string>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};
const limits = { bytes: 128 * 1024, certificates: 10, chain: 10 };
const nothing = Buffer.alloc(0);

/**
 * Shows that a token of RFC 3161 speaks of a message, and is signed for an authority that is trusted (RFC 5652, RFC 5816; Notary Project,
 * trust policy specification). Whether its certificates were revoked is not looked at. Throws VerificationError.
 */
export function verifyTimestamp(token: Buffer, message: Buffer, trusted: readonly X509Certificate[]): Timestamp {
  if (trusted.length === 0) throw new VerificationError("no trusted TSA certificate found in trust store");
  if (token.length > limits.bytes) throw wrong(`it is larger than ${limits.bytes} bytes`);
  try {
    const { content, certificates, signer } = readSigned(token);
    const leaf = verifySigner(content, certificates, signer);
    const { time, accuracy } = readInfo(content, message);
    const chain = chainOf(leaf, certificates, trusted);
    checkChain(chain, "time");
    const isValid = chain.every(({ notBefore, notAfter }) => notBefore <= time && time <= notAfter);
    if (!isValid) throw wrong("a certificate of its authority was not valid at that time");
    return { earliest: time - accuracy, latest: time + accuracy, chain };
  } catch (error) {
    if (error instanceof VerificationError) throw error;
    throw wrong("it is malformed", error);
  }
}

function wrong(words: string, cause?: unknown): VerificationError {
  return new VerificationError(`failed to verify the timestamp countersignature with error: ${words}`, { cause });
}

type Signed = { content: Buffer; certificates: Certificate[]; signer: DerValue[] };

/** RFC 5652, sections 3 and 5: one signer, as RFC 3161 has it. */
function readSigned(token: Buffer): Signed {
  const [type, wrapped] = readDer(readDer(token)[0]?.content ?? nothing);
  if (oidOf(type) !== oids.signedData) throw wrong("it is not signed data");
  const [, , encapsulated, ...rest] = readDer(readDer(wrapped?.content ?? nothing)[0]?.content ?? nothing);
  const [contentType, contentWrapped] = readDer(encapsulated?.content ?? nothing);
  const [content] = readDer(contentWrapped?.content ?? nothing);
  if (oidOf(contentType) !== oids.timestamp || content?.tag !== derTags.octets) throw wrong("it is no timestamp");
  const held = readDer(rest.find(({ tag }) => tag === 0xa0)?.content ?? nothing);
  const [signer, ...others] = readDer(rest.find(({ tag }) => tag === derTags.set)?.content ?? nothing);
  if (signer === undefined || others.length > 0) throw wrong("it must have one signer");
  if (held.length > limits.certificates) throw wrong(`it has more than ${limits.certificates} certificates`);
  const certificates = held.filter(({ tag }) => tag === derTags.sequence).map(({ bytes }) => parseCertificate(bytes));
  return { content: content.content, certificates, signer: readDer(signer.content) };
}

/** The certificate that the signed attributes name has signed them, and they speak of the content. */
function verifySigner(content: Buffer, certificates: readonly Certificate[], signer: readonly DerValue[]): Certificate {
  const [, , digestAlgorithm, signed, signatureAlgorithm, signature] = signer;
  if (signed?.tag !== 0xa0 || signature?.tag !== derTags.octets) throw wrong("it has no signed attributes");
  const attributes = new Map(
    readDer(signed.content).map((attribute) => {
      const [type, values] = readDer(attribute.content);
      return [oidOf(type), readDer(values?.content ?? nothing)[0]] as const;
    }),
  );
  const digest = hashes[algorithmOf(digestAlgorithm)];
  if (digest === undefined) throw wrong("its digest is not supported");
  const isOfContent =
    oidOf(attributes.get(oids.contentType)) === oids.timestamp &&
    attributes.get(oids.messageDigest)?.content.equals(hashOf(digest, content)) === true;
  if (!isOfContent) throw wrong("its signature is not of its content");
  const leaf = namedCertificate(attributes.get(oids.signingCertificate), certificates);
  const algorithm = algorithmOf(signatureAlgorithm);
  const by = algorithm === oids.rsa ? digest : signatureDigests[algorithm];
  if (by === undefined) throw wrong("the algorithm of its signature is not supported");
  // What is signed is the set, not the field that it is in.
  const bytes = Buffer.concat([Buffer.of(derTags.set), signed.bytes.subarray(1)]);
  if (!verify(by, bytes, leaf.x509.publicKey, signature.content)) throw wrong("its signature is invalid");
  return leaf;
}

/** RFC 5035, section 3: the certificate whose digest is in the attribute. */
function namedCertificate(attribute: DerValue | undefined, certificates: readonly Certificate[]): Certificate {
  const [first] = readDer(readDer(attribute?.content ?? nothing)[0]?.content ?? nothing);
  const parts = readDer(first?.content ?? nothing);
  const named = parts[0]?.tag === derTags.sequence ? parts.shift() : undefined;
  const digest = named === undefined ? "sha256" : hashes[algorithmOf(named)];
  const wanted = parts[0]?.tag === derTags.octets ? parts[0].content : undefined;
  const found =
    digest === undefined || wanted === undefined
      ? undefined
      : certificates.find(({ x509 }) => hashOf(digest, x509.raw).equals(wanted));
  if (found === undefined) throw wrong("signing certificate not found in the timestamp token");
  return found;
}

/** RFC 3161, section 2.4.2: when, and how exactly, milliseconds. */
function readInfo(content: Buffer, message: Buffer): { time: number; accuracy: number } {
  const [version, policy, imprint, , generated, ...rest] = readDer(readDer(content)[0]?.content ?? nothing);
  if (version?.content.equals(Buffer.of(1)) !== true) throw wrong("timestamp token info version must be 1");
  const [algorithm, hashed] = readDer(imprint?.content ?? nothing);
  const digest = hashes[algorithmOf(algorithm)];
  if (digest === undefined || hashed?.content.equals(hashOf(digest, message)) !== true)
    throw wrong("mismatched message");
  const text = generated?.tag === 0x18 ? generated.content.toString("latin1") : "";
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  if (parts === null) throw wrong("it has no time");
  const [, year, month, day, hour, minute, second, fraction = "0"] = parts;
  const time = Date.parse(
    `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, "0").slice(0, 3)}Z`,
  );
  if (Number.isNaN(time)) throw wrong("it has no time");
  const told = rest[0]?.tag === derTags.sequence ? readAccuracy(rest[0]) : 0;
  return { time, accuracy: told === 0 && oidOf(policy) === oids.baselinePolicy ? 1000 : told };
}

function readAccuracy({ content }: DerValue): number {
  const units: Readonly<Record<number, number>> = { [derTags.integer]: 1000, 128: 1, 129: 0.001 };
  return readDer(content).reduce((sum, { tag, content: number }) => {
    if (number.length === 0 || number.length > 4) throw wrong("it has a malformed accuracy");
    return sum + number.readUIntBE(0, number.length) * (units[tag] ?? 0);
  }, 0);
}

/** From the certificate that signed, by way of those of the token, to one that is trusted. */
function chainOf(
  leaf: Certificate,
  certificates: readonly Certificate[],
  trusted: readonly X509Certificate[],
): Certificate[] {
  const roots = trusted.map(({ raw }) => parseCertificate(raw));
  const chain = [leaf];
  for (let last = leaf; chain.length <= limits.chain; ) {
    if (roots.some(({ x509 }) => x509.raw.equals(last.x509.raw))) return chain;
    const issuer = [...roots, ...certificates].find(
      ({ subjectName, x509 }) => subjectName.equals(last.issuerName) && last.x509.verify(x509.publicKey),
    );
    if (issuer === undefined || chain.includes(issuer)) break;
    chain.push(issuer);
    last = issuer;
  }
  throw wrong("its certificate is not of a trusted authority");
}

function oidOf(value: DerValue | undefined): string {
  return value?.tag === derTags.oid ? oidText(value.content) : "";
}

function algorithmOf(value: DerValue | undefined): string {
  return oidOf(readDer(value?.content ?? nothing)[0]);
}

function hashOf(digest: string, bytes: Uint8Array): Buffer {
  return createHash(digest).update(bytes).digest();
}
