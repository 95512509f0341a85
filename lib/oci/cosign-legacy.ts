import { type Descriptor, parseDescriptor, type Registry } from "./registry.ts";
import { isAbsent } from "./registry-error.ts";
import { asObject, jsonObject, readSmallBlob, strictBase64 } from "./signature-bytes.ts";
import { VerificationError } from "./verification-error.ts";

/** A signature in the layout of cosign 1 and 2: a simple signing payload, and annotations of its layer. */
export type LegacySignature = { payload: Buffer; signature: Buffer; annotations: Readonly<Record<string, string>> };

const payloadType = "application/vnd.dev.cosign.simplesigning.v1+json";
const signatureAnnotation = "dev.cosignproject.cosign/signature";
const claimType = "cosign container image signature";
/** Signatures of one artifact, as in cosign 100 at a time and no more than that here, and the size of a payload. */
const limits = { signatures: 100, bytes: 1024 * 1024 };

/**
 * The signatures under the tag that is named after a manifest's digest, `sha256-<hex>.sig`, one after the other (VER-006). Throws
 * RegistryError and VerificationError.
 */
export async function* findLegacySignatures(
  registry: Registry,
  digest: string,
  signal: AbortSignal,
): AsyncGenerator<LegacySignature> {
  let layers: Descriptor[];
  try {
    const manifest = await registry.manifest(`${digest.replace(":", "-")}.sig`, signal);
    layers = layersOf(manifest.bytes);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  if (layers.length > limits.signatures)
    throw new VerificationError(`the artifact has more than ${limits.signatures} signatures`);
  for (const { digest: blob, mediaType, annotations = {} } of layers) {
    const signature = strictBase64(annotations[signatureAnnotation]);
    if (mediaType !== payloadType || signature === undefined || signature.length === 0) continue;
    yield { payload: await readSmallBlob(registry, blob, limits.bytes, signal), signature, annotations };
  }
}

function layersOf(manifest: Buffer): Descriptor[] {
  const { layers } = jsonObject(manifest) ?? {};
  return (Array.isArray(layers) ? layers : []).flatMap((layer: unknown) => parseDescriptor(layer) ?? []);
}

/** What a payload claims must be this very manifest. Throws VerificationError. */
export function checkClaim(payload: Buffer, digest: string): void {
  const critical = asObject(jsonObject(payload)?.critical);
  if (critical?.type !== claimType) throw new VerificationError("the payload of the signature is not one of cosign");
  if (asObject(critical.image)?.["docker-manifest-digest"] !== digest)
    throw new VerificationError(`the payload of the signature speaks of another digest than ${digest}`);
}
