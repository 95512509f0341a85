import { parseImage } from "./image.ts";
import type { Registry } from "./registry.ts";
import { asObject, jsonObject, readSmallBlob, strictBase64 } from "./signature-bytes.ts";
import { VerificationError } from "./verification-error.ts";

/** A signature in Sigstore's bundle format: a DSSE envelope with an in-toto statement, and what verifies it without a key. */
export type CosignBundle = {
  /** The bundle as it was found. */
  bundle: { readonly [name: string]: unknown };
  /** What is signed: the DSSE pre-authentication encoding of type and payload. */
  signed: Buffer;
  signature: Buffer;
};

const mediaTypePrefix = "application/vnd.dev.sigstore.bundle";
/** Media types of bundles of version 0.3 and later, in both spellings. */
const versionPattern = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.(\d+)\+json|\+json;version=0\.(\d+))$/;
const statementType = "application/vnd.in-toto+json";
/** Bundles of one artifact that are looked at, and the size of one: attestations may carry lists of software. */
const limits = { bundles: 100, bytes: 16 * 1024 * 1024 };

/**
 * The bundles that speak of a manifest, found by the referrers API or the tag that stands in for it, one after the other (VER-006).
 * What is no bundle is left out. Throws RegistryError.
 */
export async function* findBundles(
  registry: Registry,
  digest: string,
  signal: AbortSignal,
): AsyncGenerator<{ readonly [name: string]: unknown }> {
  const referrers = await registry.referrers(digest, signal);
  // Others refer to artifacts too. Where a registry does not tell of what type a referrer is, its manifest does.
  const candidates = referrers.filter(
    ({ artifactType }) => artifactType === undefined || artifactType === "" || artifactType.startsWith(mediaTypePrefix),
  );
  if (candidates.length > limits.bundles)
    throw new VerificationError(`the artifact has more than ${limits.bundles} signatures`);
  for (const { digest: referrer } of candidates) {
    const { bytes } = await registry.manifest(referrer, signal);
    const layer = bundleLayer(bytes);
    if (layer === undefined) continue;
    const bundle = jsonObject(await readSmallBlob(registry, layer, limits.bytes, signal));
    const [, ...versions] = versionPattern.exec(String(bundle?.mediaType)) ?? [];
    if (bundle !== undefined && Number(versions.find((version) => version !== undefined) ?? 0) >= 3) yield bundle;
  }
}

/** A bundle has one layer, which says that it is one. */
function bundleLayer(manifest: Buffer): string | undefined {
  try {
    const [layer, ...others] = parseImage(manifest).layers;
    return layer?.mediaType.startsWith(mediaTypePrefix) === true && others.length === 0 ? layer.digest : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What a bundle says of a manifest: an in-toto statement whose subject it is, in a DSSE envelope with one signature. Throws
 * VerificationError for a bundle that speaks of anything else.
 */
export function readBundle(bundle: { readonly [name: string]: unknown }, digest: string): CosignBundle {
  const envelope = asObject(bundle.dsseEnvelope);
  if (envelope === undefined) throw new VerificationError("bundle does not contain a DSSE envelope");
  const { payloadType } = envelope;
  const payload = strictBase64(envelope.payload);
  const signatures: unknown[] = Array.isArray(envelope.signatures) ? envelope.signatures : [];
  const signature = strictBase64(asObject(signatures[0])?.sig);
  if (payload === undefined || signature === undefined || signatures.length !== 1)
    throw new VerificationError("the bundle's DSSE envelope must have a payload and one signature");
  if (payloadType !== statementType)
    throw new VerificationError("the bundle's DSSE envelope holds no in-toto statement");
  if (!subjectsOf(payload).includes(digest))
    throw new VerificationError(`provided artifact digest ${digest} does not match any digest in statement`);
  return { bundle, signed: preAuthentication(payloadType, payload), signature };
}

/** The digests that a statement speaks of, as an OCI registry writes them. */
function subjectsOf(statement: Buffer): string[] {
  const { subject } = jsonObject(statement) ?? {};
  const subjects: unknown[] = Array.isArray(subject) ? subject : [];
  return subjects.flatMap((one) =>
    Object.entries(asObject(asObject(one)?.digest) ?? {}).map(([algorithm, hex]) => `${algorithm}:${String(hex)}`),
  );
}

/** DSSE v1: `DSSEv1 <length> <type> <length> <payload>`. */
function preAuthentication(type: string, payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}
