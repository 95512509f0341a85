import { constants, type KeyObject, verify } from "node:crypto";
import { type Certificate, checkChain, parseCertificate } from "./notation-certificate.ts";
import { asObject, jsonObject } from "./signature-bytes.ts";
import { VerificationError } from "./verification-error.ts";

/** A signature whose integrity was shown: who signed what, when, until when. */
export type SignatureEnvelope = {
  payload: Buffer;
  /** From the certificate that signed to its authority's own. */
  chain: readonly Certificate[];
  /** Whether an authority vouches for the time of signing (`notary.x509.signingAuthority`), or the signer alone (`notary.x509`). */
  scheme: "notary.x509" | "notary.x509.signingAuthority";
  /** Milliseconds since 1970. */
  signingTime: number;
  expiry?: number;
  signature: Buffer;
  /** What an authority of timestamps says of the signature (RFC 3161); nothing of it was looked at. */
  timestamp?: Buffer;
};

/** What an envelope says before anything of it is shown: names and values of what is signed, and what is not. */
export type EnvelopeParts = {
  algorithm: string;
  contentType: unknown;
  critical: unknown;
  /** Signed attributes by name; times are in milliseconds since 1970, and undefined where they are no times. */
  attributes: ReadonlyMap<string, unknown>;
  payload: Buffer;
  /** What the signature is of. */
  signed: Buffer;
  signature: Buffer;
  certificates: readonly Buffer[];
  /** What an authority of timestamps says of the signature. */
  timestamp?: Buffer;
};

const prefix = "io.cncf.notary";
const names = {
  scheme: `${prefix}.signingScheme`,
  signingTime: `${prefix}.signingTime`,
  authenticSigningTime: `${prefix}.authenticSigningTime`,
  expiry: `${prefix}.expiry`,
  plugin: `${prefix}.verificationPlugin`,
} as const;
/** What is not signed, and holds a timestamp of the signature. */
export const timestampName = `${prefix}.timestampSignature`;
/** Signed attributes that hold a time. */
export const timeNames: readonly string[] = [names.signingTime, names.authenticSigningTime, names.expiry];
const payloadType = "application/vnd.cncf.notary.payload.v1+json";
const certificateLimit = 10;

/** Reads an envelope in JWS (JSON serialization; Notary Project, signature envelope JWS). Throws VerificationError. */
export function parseJws(bytes: Buffer): EnvelopeParts {
  const envelope = jsonObject(bytes);
  const [protectedText, payloadText] = [envelope?.protected, envelope?.payload];
  const [head, payload, signature] = [protectedText, payloadText, envelope?.signature].map(base64Url);
  const header = head === undefined ? undefined : jsonObject(head);
  if (header === undefined || payload === undefined || signature === undefined)
    throw unreadable("it is not a JWS in JSON serialization");
  const unprotected = asObject(envelope?.header) ?? {};
  const chain = unprotected.x5c;
  const timestamp = unprotected[timestampName];
  const certificates = (Array.isArray(chain) ? chain : []).map((text: unknown) => Buffer.from(String(text), "base64"));
  const attributes = Object.entries(header).map(([name, value]): [string, unknown] => [
    name,
    timeNames.includes(name) ? parseTime(value) : value,
  ]);
  return {
    algorithm: String(header.alg),
    contentType: header.cty,
    critical: header.crit,
    attributes: new Map(attributes.filter(([name]) => !["alg", "cty", "crit"].includes(name))),
    payload,
    signed: Buffer.from(`${protectedText}.${payloadText}`),
    signature,
    certificates,
    ...(typeof timestamp === "string" ? { timestamp: Buffer.from(timestamp, "base64") } : {}),
  };
}

/**
 * Shows the integrity of an envelope (Notary Project, signature specification): it is signed by its first certificate, by the
 * algorithm that follows from that one's key, its chain is one, and nothing is critical in it that is not understood. Whether the chain
 * is trusted is not looked at. Throws VerificationError.
 */
export function openEnvelope(parts: EnvelopeParts): SignatureEnvelope {
  const { certificates, attributes, payload, contentType } = parts;
  if (certificates.length === 0) throw new VerificationError("certificate chain is not present");
  if (certificates.length > certificateLimit) throw new VerificationError("certificate chain is too long");
  const chain = certificates.map(parseCertificate);
  const key = publicKeyOf(chain[0]);
  const algorithm = key === undefined ? undefined : algorithmOf(key);
  if (key === undefined || algorithm === undefined)
    throw new VerificationError("the signing certificate has a key of no supported kind or size");
  if (parts.algorithm !== algorithm.name)
    throw new VerificationError(
      `mismatch between signature algorithm derived from signing certificate (${algorithm.name}) and signing algorithm specified (${parts.algorithm.slice(0, 100)})`,
    );
  if (!isSigned(parts, key, algorithm)) throw new VerificationError("signature is invalid");
  const scheme = attributes.get(names.scheme);
  if (scheme !== "notary.x509" && scheme !== "notary.x509.signingAuthority")
    throw new VerificationError(`unsupported SigningScheme: \`${String(scheme).slice(0, 100)}\``);
  checkCritical(parts, scheme);
  const signingTime = timeOf(attributes, scheme === "notary.x509" ? names.signingTime : names.authenticSigningTime);
  const other = scheme === "notary.x509" ? names.authenticSigningTime : names.signingTime;
  if (attributes.has(other))
    throw new VerificationError(`${JSON.stringify(other)} header must not be present for ${scheme} signing scheme`);
  if (signingTime === undefined) throw new VerificationError("signing-time not present");
  const expiry = timeOf(attributes, names.expiry);
  if (expiry !== undefined && expiry <= signingTime)
    throw new VerificationError("expiry cannot be equal or before the signing time");
  if (payload.length === 0) throw new VerificationError("content not present");
  checkChain(chain);
  if (contentType !== payloadType)
    throw new VerificationError(
      `payload content type ${JSON.stringify(String(contentType).slice(0, 100))} not supported`,
    );
  return {
    ...{ payload, chain, scheme, signingTime, signature: parts.signature },
    ...(expiry === undefined ? {} : { expiry }),
    ...(parts.timestamp === undefined ? {} : { timestamp: parts.timestamp }),
  };
}

/** Undefined for a key that cannot be read: what a certificate names is looked at only when it is asked for. */
function publicKeyOf(certificate: Certificate | undefined): KeyObject | undefined {
  try {
    return certificate?.x509.publicKey;
  } catch {
    return undefined;
  }
}

type Algorithm = { name: string; digest: string };

/** The one algorithm that goes with a key. */
function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): Algorithm | undefined {
  const { modulusLength, namedCurve } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === "rsa") {
    const size = { 2048: 256, 3072: 384, 4096: 512 }[modulusLength ?? 0];
    return size === undefined ? undefined : { name: `PS${size}`, digest: `sha${size}` };
  }
  if (asymmetricKeyType !== "ec") return undefined;
  const size = { prime256v1: 256, secp384r1: 384, secp521r1: 512 }[namedCurve ?? ""];
  return size === undefined ? undefined : { name: `ES${size}`, digest: `sha${size}` };
}

function isSigned({ signed, signature }: EnvelopeParts, key: KeyObject, { name, digest }: Algorithm): boolean {
  try {
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
    const options = name.startsWith("PS") ? { key, ...padding } : ({ key, dsaEncoding: "ieee-p1363" } as const);
    return verify(digest, signed, options, signature);
  } catch {
    return false;
  }
}

function checkCritical({ critical, attributes }: EnvelopeParts, scheme: SignatureEnvelope["scheme"]): void {
  if (!Array.isArray(critical) || critical.length === 0) throw new VerificationError(`missing "crit" header`);
  const marked = new Set(critical.map(String));
  const required: string[] = [
    names.scheme,
    ...(attributes.has(names.expiry) ? [names.expiry] : []),
    ...(scheme === "notary.x509" ? [] : [names.authenticSigningTime]),
  ];
  const missing = required.filter((name) => !marked.has(name));
  if (missing.length > 0)
    throw new VerificationError(`these required headers are not marked as critical: [${missing.join(" ")}]`);
  if (attributes.has(names.plugin))
    throw new VerificationError("the signature wants to be verified by a plug-in of notation, which is not supported");
  for (const name of marked)
    if (!required.includes(name))
      throw new VerificationError(`the critical header ${JSON.stringify(name.slice(0, 100))} is not supported`);
}

function timeOf(attributes: ReadonlyMap<string, unknown>, name: string): number | undefined {
  if (!attributes.has(name)) return undefined;
  const value = attributes.get(name);
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new VerificationError(`${JSON.stringify(name)} header holds no time`);
}

/** RFC 3339, as Go reads it. */
function parseTime(value: unknown): number | undefined {
  const isTime =
    typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value);
  const time = isTime ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function base64Url(text: unknown): Buffer | undefined {
  return typeof text === "string" && /^[A-Za-z0-9_-]*$/.test(text) ? Buffer.from(text, "base64url") : undefined;
}

/** What is no envelope. */
export function unreadable(words: string): VerificationError {
  return new VerificationError(`unable to parse the digital signature, error : ${words}`);
}
