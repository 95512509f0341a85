import type { OCIRepository, OCIRepositoryStatus } from "../../api/oci-repository.ts";
import type { Registry } from "../../oci/registry.ts";
import { RegistryError } from "../../oci/registry-error.ts";
import { VerificationError } from "../../oci/verification-error.ts";
import { type SignatureResult, signatureCheck } from "../source/signature.ts";
import type { SourcePass } from "../source/source-kind.ts";

/** The manifest whose signatures are looked for, and the repository they are in. `url` is the object's, for messages. */
export type SignedArtifact = { url: string; digest: string; registry: Registry };

/** What a check that did not fail says: `not-recorded` where a policy lets pass what it does not hold for authentic (VER-014). */
export type Verification = SignatureResult;

/** Checks the signatures of an artifact by `spec.verify`. Throws a sentence for the user, or a SourceFailure. */
export type Verify = (
  pass: Pick<SourcePass<OCIRepositoryStatus, OCIRepository>, "object" | "context" | "signal">,
  artifact: SignedArtifact,
) => Promise<Verification>;

/** Checks them with what the object's Secrets hold now (VER-005 to VER-016); nothing is to be checked without `spec.verify`. */
export const verify: Verify = async ({ object, context, signal }, { digest, registry }) => {
  const { spec, metadata } = object;
  if (spec.verify === undefined) return "not-recorded";
  const { host, path } = registry.repository;
  const told = `${host}/${path}@${digest}`;
  try {
    const check = await signatureCheck(context, metadata.namespace ?? "", spec.verify, { told, needsKeys: false });
    return await check({ registry, digest, told }, signal);
  } catch (error) {
    if (signal.aborted && !(error instanceof RegistryError || error instanceof VerificationError))
      throw new Error("context deadline exceeded", { cause: error });
    throw error;
  }
};
