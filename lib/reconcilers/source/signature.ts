import type { KeyObject } from "node:crypto";
import type { Context } from "../../engine/reconciler.ts";
import type { Registry } from "../../oci/registry.ts";
import { RegistryError } from "../../oci/registry-error.ts";
import { VerificationError } from "../../oci/verification-error.ts";
import { messageOf } from "../../text/error-message.ts";
import { SecretError } from "./secret-error.ts";
import { readSecret, type SecretData } from "./secrets.ts";
import { publicTrustedRoot } from "./sigstore-root.ts";

/** `spec.verify` of an OCIRepository or a HelmChart. */
export type Verification = {
  provider: string;
  secretRef?: { name: string };
  trustedRootSecretRef?: { name: string };
  matchOIDCIdentity?: { issuer: string; subject: string }[];
};

/** What is to be verified: a manifest of a repository, by its digest, and its name in messages. */
export type SignedManifest = { registry: Registry; digest: string; told: string };

/** Who signed is trusted, or (VER-014) the policy does not ask for it. */
export type SignatureResult = "verified" | "not-recorded";

/** What signatures are verified with. */
export type SignatureContext = Pick<Context, "cluster" | "signal" | "log" | "records" | "clock">;

/** A signature's check with its Secrets read. Throws VerificationError with Flux's sentence, and RegistryError. */
export type SignatureCheck = (manifest: SignedManifest, signal: AbortSignal) => Promise<SignatureResult>;

const policyKey = "trustpolicy.json";
const trustedRootKey = "trusted_root.json";

/** VER-003: the provider as failures name it. */
export function providerName({ provider, secretRef }: Verification): string {
  return provider === "cosign" && secretRef === undefined ? "cosign keyless" : provider;
}

/**
 * Reads what the object trusts (section 8 of sources.md), at each attempt (SEC-011). The engines are loaded here, for the few objects
 * that verify. `told` names the artifact or the object in messages, and `needsKeys` says whether a Secret without keys fails at
 * once (VER-017) or no signature matches it. Throws a sentence for what is missing or malformed.
 */
export async function signatureCheck(
  context: SignatureContext,
  namespace: string,
  verification: Verification,
  { told, needsKeys }: { told: string; needsKeys: boolean },
): Promise<SignatureCheck> {
  if (verification.provider === "notation") return notationCheck(context, namespace, verification, told);
  if (verification.provider !== "cosign")
    throw new VerificationError(`unsupported verification provider: ${verification.provider}`);
  // Flux reads the trusted root first, and has no use for it where there is a key.
  const root = verification.trustedRootSecretRef?.name ?? "";
  const trustedRoot = root === "" ? undefined : await readTrustedRoot(context, namespace, root);
  if (verification.secretRef !== undefined) {
    const { name } = verification.secretRef;
    return keyCheck(context, namespace, name, needsKeys);
  }
  return keylessCheck(context, verification, trustedRoot);
}

/** VER-005, VER-018: each key of the Secret is tried, and one that cannot be read only counts where no other verifies. */
async function keyCheck(
  context: SignatureContext,
  namespace: string,
  name: string,
  needsKeys: boolean,
): Promise<SignatureCheck> {
  const data = await secretOf(context, namespace, name);
  const texts = [...data].filter(([key]) => key.endsWith(".pub"));
  const [{ keyTrust, verifyCosign }, { parsePublicKey }] = await Promise.all([
    import("../../oci/cosign.ts"),
    import("../../oci/cosign-key.ts"),
  ]);
  if (needsKeys && texts.length === 0)
    throw new VerificationError(`no public keys found in secret '${namespace}/${name}'`);
  const keys: KeyObject[] = [];
  let malformed: unknown;
  for (const [, text] of texts) {
    try {
      keys.push(parsePublicKey(text));
    } catch (error) {
      malformed ??= error;
    }
  }
  return async ({ registry, digest, told }, signal) => {
    if (keys.length === 0) throw malformed ?? unmatched(told);
    try {
      await verifyCosign(registry, digest, keyTrust(keys), signal);
      return "verified";
    } catch (error) {
      if (!(error instanceof VerificationError || error instanceof RegistryError)) throw error;
      throw malformed ?? unmatched(told, error);
    }
  };
}

/** In Flux's words; that the registry could not be asked is said besides. */
function unmatched(told: string, cause?: Error): VerificationError {
  const more = cause instanceof RegistryError ? `: ${cause.message}` : "";
  return new VerificationError(`no matching signatures were found for '${told}'${more}`, { cause });
}

/** VER-007 to VER-010: the certificate of whoever signed, and the log that has seen it. */
async function keylessCheck(
  context: SignatureContext,
  { matchOIDCIdentity = [] }: Verification,
  trustedRoot: Buffer | undefined,
): Promise<SignatureCheck> {
  const [{ verifyCosign }, { keylessTrust }, { parseTrustedRoot, requireRekorUrl }] = await Promise.all([
    import("../../oci/cosign.ts"),
    import("../../oci/cosign-keyless.ts"),
    import("../../oci/sigstore-trusted-root.ts"),
  ]);
  const root = parseTrustedRoot(trustedRoot ?? (await publicTrustedRoot(context)));
  if (trustedRoot !== undefined) requireRekorUrl(root);
  const trust = await keylessTrust(root, matchOIDCIdentity);
  return async ({ registry, digest }, signal) => {
    await verifyCosign(registry, digest, trust, signal);
    return "verified";
  };
}

/** VER-009. */
async function readTrustedRoot(context: SignatureContext, namespace: string, name: string): Promise<Buffer> {
  const told = `failed to read trusted root from secret '${namespace}/${name}'`;
  const data = await secretOf(context, namespace, name).catch((error: unknown) => {
    throw new VerificationError(`${told}: ${messageOf(error)}`, { cause: error });
  });
  const root = data.get(trustedRootKey);
  if (root === undefined)
    throw new VerificationError(`${told}: '${trustedRootKey}' not found in secret '${namespace}/${name}'`);
  return root;
}

/** VER-012 to VER-016. */
async function notationCheck(
  context: SignatureContext,
  namespace: string,
  { secretRef }: Verification,
  told: string,
): Promise<SignatureCheck> {
  if (secretRef === undefined) throw new VerificationError(`verification secret cannot be empty: '${told}'`);
  const { name } = secretRef;
  const data = await secretOf(context, namespace, name);
  const policyText = data.get(policyKey);
  if (policyText === undefined)
    throw new VerificationError(`'${policyKey}' not found in secret '${namespace}/${name}'`);
  const log = (message: string) => context.log.info(message);
  const { parseTrustPolicy } = await import("../../oci/notation-policy.ts");
  const statements = parseTrustPolicy(policyText, log);
  const certificates = [...data]
    .filter(([key]) => key.endsWith(".crt") || key.endsWith(".pem"))
    .map(([, text]) => text);
  if (certificates.length === 0) throw new VerificationError(`no certificates found in secret '${namespace}/${name}'`);
  const { verifyNotation } = await import("../../oci/notation.ts");
  return async ({ registry, digest }, signal) => {
    const trust = { statements, certificates, now: context.clock.now().getTime(), log };
    return (await verifyNotation(registry, digest, trust, signal)) ? "verified" : "not-recorded";
  };
}

/** A Secret's data; the API server's own words where it cannot be read, as Flux tells them. */
async function secretOf(context: SignatureContext, namespace: string, name: string): Promise<SecretData> {
  try {
    return await readSecret(context, namespace, name);
  } catch (error) {
    if (error instanceof SecretError && error.cause instanceof Error)
      throw new VerificationError(error.cause.message, { cause: error });
    throw error;
  }
}
