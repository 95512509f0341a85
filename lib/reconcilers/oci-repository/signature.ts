import type { OCIRepository, OCIRepositoryStatus } from "../../api/oci-repository.ts";
import { messageOf } from "../../text/error-message.ts";
import { SharedWorkUnderWay } from "../source/shared-record.ts";
import { SourceFailure } from "../source/source-failure.ts";
import type { SourcePass } from "../source/source-kind.ts";
import type { Verification } from "./verification.ts";

type Verified = Pick<SourcePass<OCIRepositoryStatus, OCIRepository>, "object" | "conditions" | "status">;

/** A failed check is made anew; one that succeeded speaks of the artifact that is there until it is made again (VER-001). */
export function forgetFailedCheck({ conditions }: Verified): void {
  if (conditions.get("SourceVerified")?.status === "False") conditions.remove("SourceVerified");
}

/**
 * Has the signature of a revision checked where what was checked last is another one, was of another generation or failed, and says how
 * it ended in SourceVerified (VER-001 to VER-004). Throws SourceFailure where it did not verify: nothing is to be pulled then.
 */
export async function checkSignature(
  { object, conditions, status }: Verified,
  revision: string,
  check: () => Promise<Verification>,
): Promise<void> {
  const { verify } = object.spec;
  if (verify === undefined) return conditions.remove("SourceVerified");
  const known = conditions.get("SourceVerified");
  const isCurrent = known?.status === "True" && known.observedGeneration === (object.metadata.generation ?? 0);
  if (isCurrent && status.artifact?.revision === revision) return;
  try {
    if ((await check()) === "verified")
      conditions.set("SourceVerified", "True", "Succeeded", `verified signature of revision ${revision}`);
  } catch (error) {
    if (error instanceof SourceFailure || error instanceof SharedWorkUnderWay) throw error;
    const keyless = verify.provider === "cosign" && verify.secretRef === undefined ? " keyless" : "";
    const why = messageOf(error);
    const message = `failed to verify the signature using provider '${verify.provider}${keyless}': ${why}`;
    throw new SourceFailure("SourceVerified", "VerificationError", message, { cause: error });
  }
}
