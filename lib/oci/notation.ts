import { X509Certificate } from "node:crypto";
import { messageOf } from "../text/error-message.ts";
import { type DistinguishedName, distinguishedName, isWithin } from "./distinguished-name.ts";
import { parseImage } from "./image.ts";
import type { Certificate } from "./notation-certificate.ts";
import { type EnvelopeParts, openEnvelope, parseJws, type SignatureEnvelope } from "./notation-envelope.ts";
import { type Action, applicableStatement, type Check, type TrustStatement } from "./notation-policy.ts";
import { checkRevocation } from "./notation-revocation.ts";
import type { Descriptor, Registry } from "./registry.ts";
import { asObject, jsonObject, readSmallBlob } from "./signature-bytes.ts";
import { VerificationError } from "./verification-error.ts";

/** How artifacts are verified with notation. */
export type NotationTrust = {
  statements: readonly TrustStatement[];
  /** Each in PEM or DER; they are the content of every trust store (VER-013). */
  certificates: readonly Buffer[];
  /** Milliseconds since 1970. */
  now: number;
  /** Told of every check that failed without ending the verification (VER-014). */
  log: (words: string) => void;
};

const signatureType = "application/vnd.cncf.notary.signature";
const envelopeTypes = { jws: "application/jose+json", cose: "application/cose" };
/** Signatures that are tried (VER-013), and the size of one in bytes. */
const limits = { attempts: 3, bytes: 1024 * 1024 };

/**
 * Shows that a manifest is signed as the trust policy wants it (VER-012 to VER-016). False where that is not said: the policy skips
 * it, or only logs that it is not authentic (VER-014). Throws VerificationError, and RegistryError.
 */
export async function verifyNotation(
  registry: Registry,
  digest: string,
  trust: NotationTrust,
  signal: AbortSignal,
): Promise<boolean> {
  const repository = `${registry.repository.host}/${registry.repository.path}`;
  const statement = applicableStatement(trust.statements, repository);
  if (statement.level === "skip") return false;
  const artifact = await registry.resolve(digest, signal);
  const referrers = await registry.referrers(digest, signal);
  const signatures = referrers.filter(({ artifactType }) => artifactType === signatureType);
  if (signatures.length === 0)
    throw new VerificationError(
      `no signature is associated with "${repository}@${digest}", make sure the artifact was signed successfully`,
    );
  const failures: string[] = [];
  for (const found of signatures.slice(0, limits.attempts)) {
    const envelope = await fetchEnvelope(registry, found, signal);
    try {
      return await checkSignature(await envelope(), artifact, statement, trust, signal);
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      failures.push(`failed to verify signature with digest ${found.digest}, ${error.message}`);
    }
  }
  if (signatures.length >= limits.attempts)
    failures.unshift(
      `signature evaluation stopped. The configured limit of ${limits.attempts} signatures to verify per artifact exceeded`,
    );
  throw new VerificationError(["signature verification failed", ...failures].join("\n"));
}

/** The one blob of a signature's manifest, to be read as what the manifest says it is. */
async function fetchEnvelope(
  registry: Registry,
  { digest }: Descriptor,
  signal: AbortSignal,
): Promise<() => Promise<EnvelopeParts>> {
  const { layers } = parseImage((await registry.manifest(digest, signal)).bytes);
  const [layer, ...others] = layers;
  if (layer === undefined || others.length > 0)
    throw new VerificationError(
      `signature manifest requires exactly one signature envelope blob, got ${layers.length}`,
    );
  const bytes = await readSmallBlob(registry, layer.digest, limits.bytes, signal);
  return async () => {
    if (layer.mediaType === envelopeTypes.jws) return parseJws(bytes);
    if (layer.mediaType === envelopeTypes.cose) return (await import("./notation-cose.ts")).parseCose(bytes);
    throw new VerificationError(
      `unable to parse the digital signature, error : signature envelope format with media type ${JSON.stringify(layer.mediaType.slice(0, 100))} is not supported`,
    );
  };
}

/** Whether a signature is authentic; throws where a check that is enforced fails. */
async function checkSignature(
  parts: EnvelopeParts,
  artifact: Descriptor,
  statement: TrustStatement,
  trust: NotationTrust,
  signal: AbortSignal,
): Promise<boolean> {
  const envelope = openEnvelope(parts);
  let isAuthentic = true;
  const check = async (name: Check, work: () => void | Promise<void>) => {
    const action: Action = statement.actions[name];
    if (action === "skip") return;
    try {
      await work();
    } catch (error) {
      if (action === "enforce" || !(error instanceof VerificationError)) throw error;
      if (name === "authenticity") isAuthentic = false;
      trust.log(`verification check for type '${name}' failed with message: '${error.message}'`);
    }
  };
  await check("authenticity", () => {
    checkTrusted(envelope, statement, trust);
    checkIdentity(envelope, statement);
  });
  await check("expiry", () => {
    if (envelope.expiry !== undefined && trust.now >= envelope.expiry)
      throw new VerificationError(`digital signature has expired on "${dateText(envelope.expiry)}"`);
  });
  await check("authenticTimestamp", () => checkTime(envelope, statement, trust, signal));
  await check("revocation", () => checkRevocation(envelope.chain, trust.now, signal, trust.log));
  const target = asObject(jsonObject(envelope.payload)?.targetArtifact);
  if (target?.digest !== artifact.digest || target.size !== artifact.size || target.mediaType !== artifact.mediaType)
    throw new VerificationError("content descriptor mismatch");
  return isAuthentic;
}

/** One of the chain must be a certificate of a trust store of the kind that the signing scheme has. */
function checkTrusted({ chain, scheme }: SignatureEnvelope, statement: TrustStatement, trust: NotationTrust): void {
  const trusted = readStore(scheme === "notary.x509" ? "ca:" : "signingAuthority:", statement, trust);
  if (trusted.length === 0) throw new VerificationError("no trusted certificates are found to verify authenticity");
  if (!chain.some(({ x509 }) => trusted.some((one) => one.raw.equals(x509.raw))))
    throw new VerificationError("the signature's certificate chain does not contain any trusted certificate");
}

/** The certificates of the statement's stores of a kind: all that there are, or none (VER-013). */
function readStore(type: string, { trustStores }: TrustStatement, { certificates }: NotationTrust): X509Certificate[] {
  const store = trustStores.find((name) => name.startsWith(type));
  return store === undefined ? [] : certificates.map((one) => readTrusted(one, store.slice(type.length)));
}

/** As in Flux, the first block of PEM, or DER. */
function readTrusted(bytes: Buffer, store: string): X509Certificate {
  try {
    const [block] = /-----BEGIN [^-]+-----[^-]*-----END [^-]+-----/.exec(bytes.toString("latin1")) ?? [];
    return new X509Certificate(block ?? bytes);
  } catch (error) {
    throw new VerificationError(`failed to parse certificate '${store}': it is neither PEM nor DER`, { cause: error });
  }
}

/** Short names of what subjects are made of (RFC 4514, and those that Go knows). */
const shortNames: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.5": "SERIALNUMBER",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.17": "POSTALCODE",
};

function checkIdentity({ chain: [leaf] }: SignatureEnvelope, { identities, name }: TrustStatement): void {
  if (identities === undefined) return;
  if (identities.length === 0)
    throw new VerificationError(
      `no x509 trusted identities are configured in the trust policy ${JSON.stringify(name)}`,
    );
  const subject = subjectOf(leaf);
  if (!identities.some((identity) => isWithin(identity, subject)))
    throw new VerificationError(
      `signing certificate from the digital signature does not match the X.509 trusted identities [${identities.map(toldName).join(" ")}] defined in the trust policy ${JSON.stringify(name)}`,
    );
}

/** As Go prints a map. */
function toldName(name: DistinguishedName): string {
  const pairs = [...name].sort(([one], [other]) => (one < other ? -1 : 1));
  return `map[${pairs.map(([type, value]) => `${JSON.stringify(type)}:${JSON.stringify(value)}`).join(" ")}]`;
}

function subjectOf(leaf: Certificate | undefined): DistinguishedName {
  const told = leaf?.told ?? '""';
  const wrong = (words: string) =>
    new VerificationError(`error while parsing the certificate subject from the digital signature. error : ${words}`);
  if (leaf?.subject === undefined) throw wrong(`distinguished name (DN) ${told} has multi-valued RDN attributes`);
  const pairs = leaf.subject.map(([oid, value]) => {
    const short = shortNames[oid];
    if (short === undefined) throw wrong(`unsupported distinguished name (DN) ${told}: it has the attribute ${oid}`);
    return [short, value] as const;
  });
  try {
    return distinguishedName(pairs, told);
  } catch (error) {
    throw wrong(messageOf(error));
  }
}

/** The chain must be valid when it was signed as an authority vouches for it, or else now. */
async function checkTime(
  { chain, scheme, signingTime, signature, timestamp }: SignatureEnvelope,
  statement: TrustStatement,
  trust: NotationTrust,
  signal: AbortSignal,
): Promise<void> {
  if (scheme !== "notary.x509") return checkValidity(chain, [signingTime, signingTime], "authentic signing time");
  const { now } = trust;
  const isExpired = chain.some(({ notAfter }) => now > notAfter);
  const hasStore = statement.trustStores.some((store) => store.startsWith("tsa:"));
  if (!hasStore || (statement.verifyTimestamp === "afterCertExpiry" && !isExpired))
    return checkValidity(chain, [now, now], "verification time");
  if (timestamp === undefined)
    throw new VerificationError("no timestamp countersignature was found in the signature envelope");
  const { verifyTimestamp } = await import("./timestamp-token.ts");
  const {
    earliest,
    latest,
    chain: authority,
  } = verifyTimestamp(timestamp, signature, readStore("tsa:", statement, trust));
  checkValidity(chain, [earliest, latest], "timestamp");
  await checkRevocation(authority, now, signal, trust.log, "timestamping");
}

/** Whether all of a time lies in the validity of each certificate. */
function checkValidity(chain: readonly Certificate[], [earliest, latest]: [number, number], told: string): void {
  for (const { notBefore, notAfter, told: subject } of chain) {
    if (earliest < notBefore)
      throw new VerificationError(
        `${told} is before certificate ${subject} validity period, it will be valid from "${dateText(notBefore)}"`,
      );
    if (latest > notAfter)
      throw new VerificationError(
        `${told} is after certificate ${subject} validity period, it was expired at "${dateText(notAfter)}"`,
      );
  }
}

function dateText(time: number): string {
  return new Date(time).toUTCString();
}
