import type { KeyObject } from "node:crypto";
import { type CosignBundle, findBundles, readBundle } from "./cosign-bundle.ts";
import { isSignedBy } from "./cosign-key.ts";
import { checkClaim, findLegacySignatures, type LegacySignature } from "./cosign-legacy.ts";
import type { Registry } from "./registry.ts";
import { VerificationError } from "./verification-error.ts";

/** Whose signatures are trusted. Each check throws what speaks against a signature whose claim is of the wanted manifest. */
export type CosignTrust = {
  /** A bundle: its DSSE envelope, and what it carries to prove who signed when. */
  checkBundle(bundle: CosignBundle): void | Promise<void>;
  /** A signature of cosign's older layout. */
  checkLegacy(signature: LegacySignature): void | Promise<void>;
};

/**
 * Shows that a manifest is signed by whom one trusts (VER-005 to VER-008): bundles first, then the older layout; the first
 * signature that is good suffices. Throws VerificationError with what was wrong with each, and RegistryError.
 */
export async function verifyCosign(
  registry: Registry,
  digest: string,
  trust: CosignTrust,
  signal: AbortSignal,
): Promise<void> {
  const failures = new Set<string>();
  const isGood = async (check: () => void | Promise<void>): Promise<boolean> => {
    try {
      await check();
      return true;
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      failures.add(error.message);
      return false;
    }
  };
  for await (const found of findBundles(registry, digest, signal)) {
    if (await isGood(() => trust.checkBundle(readBundle(found, digest)))) return;
  }
  // An attestation of somebody else must not hide a signature in the older layout.
  for await (const found of findLegacySignatures(registry, digest, signal)) {
    const check = async () => {
      checkClaim(found.payload, digest);
      await trust.checkLegacy(found);
    };
    if (await isGood(check)) return;
  }
  if (failures.size === 0) throw new VerificationError("no signatures found");
  throw new VerificationError(`no matching signatures: ${[...failures].slice(0, 5).join("; ")}`);
}

/** Trusts what is signed by one of some public keys. No transparency log is consulted, and no date (VER-005). */
export function keyTrust(keys: readonly KeyObject[]): CosignTrust {
  const check = (bytes: Buffer, signature: Buffer) => {
    if (!keys.some((key) => isSignedBy(key, bytes, signature)))
      throw new VerificationError("the signature is not of a trusted key");
  };
  return {
    checkBundle: ({ signed, signature }) => check(signed, signature),
    checkLegacy: ({ payload, signature }) => check(payload, signature),
  };
}
