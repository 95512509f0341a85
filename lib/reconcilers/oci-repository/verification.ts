import type { OCIRepository, OCIRepositoryStatus } from "../../api/oci-repository.ts";
import type { Registry } from "../../oci/registry.ts";
import { SourceFailure } from "../source/source-failure.ts";
import type { SourcePass } from "../source/source-kind.ts";

/** The manifest whose signatures are looked for, and the repository they are in. `url` is the object's, for messages. */
export type SignedArtifact = { url: string; digest: string; registry: Registry };

/** What a check that did not fail says: `not-recorded` where a policy lets pass what it does not hold for authentic (VER-014). */
export type Verification = "verified" | "not-recorded";

/** Checks the signatures of an artifact by `spec.verify`. Throws a sentence for the user, or a SourceFailure. */
export type Verify = (
  pass: SourcePass<OCIRepositoryStatus, OCIRepository>,
  artifact: SignedArtifact,
) => Promise<Verification>;

/** Refuses, and waits for a change: what is not verified is not pulled. */
export const verify: Verify = async () => {
  const message = "signatures of artifacts cannot be verified by this release of Sluice";
  throw new SourceFailure("FetchFailed", "VerificationError", message, { terminal: true });
};
