import { createHash, X509Certificate } from "node:crypto";
import { bundleFromJSON } from "@sigstore/bundle";
import { type SignedEntity, toSignedEntity, Verifier } from "@sigstore/verify";
import type { CosignTrust } from "./cosign.ts";
import type { LegacySignature } from "./cosign-legacy.ts";
import { type Identity, identityMatcher } from "./oidc-identity.ts";
import { asObject, jsonObject, strictBase64 } from "./signature-bytes.ts";
import type { TrustedInfrastructure } from "./sigstore-trusted-root.ts";
import { VerificationError } from "./verification-error.ts";

type Fields = { readonly [name: string]: unknown };

const annotation = "dev.sigstore.cosign";
/** The extension that says what a certificate is for (RFC 5280, 4.2.1.12), and `codeSigning` in it, in DER. */
const extendedKeyUsage = "2.5.29.37";
const codeSigning = Buffer.from("06082b06010505070303", "hex");
/** Fulcio's kind of subject for user names, which are no addresses. */
const userName = "1.3.6.1.4.1.57264.1.7";
/** As much as proves who signed when: entries of logs and timestamps are verified one by one, as in sigstore-go. */
const limits = { entries: 32, hashes: 64, bytes: 512 * 1024 };

/**
 * Trusts what is signed with a certificate that an infrastructure's authority issued, which its log of certificates has seen (SCT), by a
 * signature that its transparency log has seen while the certificate was valid (VER-007), for one of the identities, or for anybody
 * where none is listed (VER-008). Nothing is asked of any server: what proves it is in the signature. Throws VerificationError for an
 * identity that is no pair of expressions.
 */
export async function keylessTrust(
  { material }: TrustedInfrastructure,
  identities: readonly Identity[],
): Promise<CosignTrust> {
  const matches = await identityMatcher(identities);
  const verifier = new Verifier(material, { ctlogThreshold: 1, tlogThreshold: 1, timestampThreshold: 1 });
  const check = (json: Fields, artifact?: Buffer) => {
    checkBounds(json);
    const entity = attempt(() => toSignedEntity(bundleFromJSON(json), artifact));
    if (entity.key.$case !== "certificate") throw new VerificationError("no certificate found on signature");
    // Like cosign, an infrastructure without timestamping authorities does not look at timestamps.
    const usable = material.timestampAuthorities.length > 0 ? entity : withoutTimestamps(entity);
    const { identity } = attempt(() => verifier.verify(usable));
    const { certificate } = entity.key;
    if (certificate.extension(extendedKeyUsage)?.value.includes(codeSigning) !== true)
      throw new VerificationError("the certificate is not for signing code");
    const name = attempt(() => identity?.subjectAlternativeName ?? certificate.extSubjectAltName?.otherName(userName));
    matches(identity?.extensions?.issuer ?? "", name ?? "");
  };
  return {
    checkBundle: ({ bundle }) => {
      const material = asObject(bundle.verificationMaterial) ?? {};
      if (material.x509CertificateChain !== undefined)
        throw new VerificationError("bundles of this version hold one certificate, and no chain");
      check(bundle);
    },
    checkLegacy: (signature) => check(bundleOf(signature), signature.payload),
  };
}

function withoutTimestamps(entity: SignedEntity): SignedEntity {
  return { ...entity, timestamps: entity.timestamps.filter(({ $case }) => $case === "transparency-log") };
}

/** What the verifier complains of, for the user; what else it throws for malformed input is no more than that. */
function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof VerificationError) throw error;
    const words = error instanceof Error && error.name !== "RangeError" ? error.message : "malformed";
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    throw new VerificationError(`${words}${cause}`.replaceAll(/\p{Cc}+/gu, " ").slice(0, 500), { cause: error });
  }
}

function checkBounds(json: Fields): void {
  const material = asObject(json.verificationMaterial) ?? {};
  const entries: unknown[] = Array.isArray(material.tlogEntries) ? material.tlogEntries : [];
  const stamps = asObject(material.timestampVerificationData)?.rfc3161Timestamps;
  if (JSON.stringify(material).length > limits.bytes)
    throw new VerificationError(`the bundle's verification material is larger than ${limits.bytes} bytes`);
  if (entries.length > limits.entries || (Array.isArray(stamps) && stamps.length > limits.entries))
    throw new VerificationError(`the bundle has more than ${limits.entries} log entries or timestamps`);
  for (const entry of entries) {
    const hashes = asObject(asObject(entry)?.inclusionProof)?.hashes;
    if (Array.isArray(hashes) && hashes.length > limits.hashes)
      throw new VerificationError(`an inclusion proof has more than ${limits.hashes} hashes`);
  }
}

/** The annotations of cosign's older layout as a bundle of the first version, whose proof is the log's promise. Throws VerificationError. */
function bundleOf({ payload, signature, annotations }: LegacySignature): Fields {
  const certificate = certificateOf(annotations[`${annotation}/certificate`]);
  const promised = annotations[`${annotation}/bundle`];
  // Flux asks the log where the signature does not bring its word: Sluice takes what can be verified without it.
  if (promised === undefined) throw new VerificationError("the signature has no bundle of the transparency log");
  if (promised.length > limits.bytes) throw new VerificationError("the bundle of the transparency log is too large");
  const { SignedEntryTimestamp: promise, Payload: entry } = jsonObject(promised) ?? {};
  const { body, integratedTime, logIndex, logID } = asObject(entry) ?? {};
  const { kind, apiVersion } = jsonObject(strictBase64(body) ?? Buffer.alloc(0)) ?? {};
  const isWhole =
    typeof promise === "string" &&
    typeof body === "string" &&
    typeof kind === "string" &&
    typeof apiVersion === "string" &&
    Number.isSafeInteger(integratedTime) &&
    Number.isSafeInteger(logIndex) &&
    typeof logID === "string" &&
    /^[0-9a-f]{64}$/i.test(logID);
  if (!isWhole) throw new VerificationError("the bundle of the transparency log is malformed");
  return {
    mediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
    verificationMaterial: {
      x509CertificateChain: { certificates: [{ rawBytes: certificate }] },
      tlogEntries: [
        {
          logIndex: String(logIndex),
          logId: { keyId: Buffer.from(logID, "hex").toString("base64") },
          kindVersion: { kind, version: apiVersion },
          integratedTime: String(integratedTime),
          inclusionPromise: { signedEntryTimestamp: promise },
          canonicalizedBody: body,
        },
      ],
    },
    messageSignature: {
      messageDigest: {
        algorithm: "SHA2_256",
        digest: createHash("sha256").update(payload).digest("base64"),
      },
      signature: signature.toString("base64"),
    },
  };
}

function certificateOf(pem: string | undefined): string {
  if (pem === undefined) throw new VerificationError("no certificate found on signature");
  try {
    return new X509Certificate(pem).raw.toString("base64");
  } catch (error) {
    throw new VerificationError("the signature's certificate cannot be parsed", { cause: error });
  }
}
