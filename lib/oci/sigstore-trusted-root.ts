import { TrustedRoot } from "@sigstore/protobuf-specs";
import { type TrustMaterial, toTrustMaterial } from "@sigstore/verify";
import { jsonObject } from "./signature-bytes.ts";
import { VerificationError } from "./verification-error.ts";

/** An infrastructure of Sigstore's kind: its authorities, its logs, and where the first log with an address is. */
export type TrustedInfrastructure = { material: TrustMaterial; rekorUrls: readonly string[] };

/** A trusted root comes from a tenant's Secret too. The verifier looks for paths among all certificates of a chain. */
const limits = { bytes: 1024 * 1024, authorities: 50, chain: 5, logs: 100 };

/** Reads a `trusted_root.json` (protobuf-specs, TrustedRoot). Throws VerificationError. */
export function parseTrustedRoot(text: Buffer): TrustedInfrastructure {
  const failure = (words: string, cause?: unknown) =>
    new VerificationError(`unable to parse trusted root: ${words}`, { cause });
  if (text.length > limits.bytes) throw failure(`it is larger than ${limits.bytes} bytes`);
  const value = jsonObject(text);
  if (value === undefined) throw failure("it is not a JSON object");
  if (
    !/^application\/vnd\.dev\.sigstore\.trustedroot(?:\.v0\.\d+\+json|\+json;version=0\.\d+)$/.test(
      String(value.mediaType),
    )
  )
    throw failure(`unsupported TrustedRoot media type: ${String(value.mediaType).slice(0, 100)}`);
  try {
    const root = TrustedRoot.fromJSON(value);
    const authorities = [...root.certificateAuthorities, ...root.timestampAuthorities];
    const logs = [...root.tlogs, ...root.ctlogs];
    if (authorities.length > limits.authorities) throw failure(`it has more than ${limits.authorities} authorities`);
    if (logs.length > limits.logs) throw failure(`it has more than ${limits.logs} logs`);
    if (authorities.some(({ certChain }) => (certChain?.certificates.length ?? 0) > limits.chain))
      throw failure(`a chain has more than ${limits.chain} certificates`);
    const rekorUrls = root.tlogs.map(({ baseUrl }) => baseUrl);
    return { material: toTrustMaterial(root), rekorUrls };
  } catch (error) {
    if (error instanceof VerificationError) throw error;
    throw failure("it has no authorities and logs as a trusted root has", error);
  }
}

/** VER-009: a root without a log that has an address is of no use to Flux either. Throws VerificationError. */
export function requireRekorUrl({ rekorUrls }: TrustedInfrastructure): void {
  const told = "unable to extract Rekor URL from trusted root";
  if (rekorUrls.length === 0) throw new VerificationError(`${told}: no transparency log entries found in trusted root`);
  if (rekorUrls.every((url) => url === ""))
    throw new VerificationError(`${told}: no transparency log entry with a BaseURL found in trusted root`);
}
