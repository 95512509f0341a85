import { VerificationError } from "../../oci/verification-error.ts";
import { messageOf } from "../../text/error-message.ts";
import type { RepositoryClient } from "../helm-repository/client.ts";
import { providerName, type SignatureCheck, signatureCheck } from "../source/signature.ts";
import { SourceFailure } from "../source/source-failure.ts";
import type { ChartPass } from "./build.ts";
import { buildFailure } from "./build-failure.ts";
import { isRegistryChart } from "./registry.ts";
import type { OfferedChart } from "./repository.ts";

/**
 * Reads what a chart is verified with, before its registry is asked for anything; undefined where nothing is to be verified, or there is
 * nothing that could be (VER-019). Throws SourceFailure `SourceVerified`.
 */
export async function prepareVerification(
  { object, context }: ChartPass,
  client: RepositoryClient,
): Promise<SignatureCheck | undefined> {
  const { verify } = object.spec;
  const { name, namespace = "" } = object.metadata;
  if (verify === undefined || client.type === "default") return undefined;
  try {
    return await signatureCheck(context, namespace, verify, { told: name, needsKeys: true });
  } catch (error) {
    const words = `failed to verify the signature using provider '${providerName(verify)}': ${messageOf(error)}`;
    throw new SourceFailure("SourceVerified", "VerificationError", words, { cause: error });
  }
}

/**
 * Verifies a chart's signature at each attempt, where the object asks for it (VER-017 to VER-019); false where it does not, or the
 * policy does not. What is downloaded from then on is what was verified. Throws SourceFailure with SourceVerified set False.
 */
export async function verifyChart(
  { object, conditions, signal }: ChartPass,
  check: SignatureCheck | undefined,
  chart: OfferedChart,
): Promise<boolean> {
  if (object.spec.verify === undefined) {
    conditions.remove("SourceVerified");
    return false;
  }
  try {
    // VER-019: an index has no signatures that could be verified.
    if (check === undefined || !isRegistryChart(chart)) throw new VerificationError("not implemented");
    const { registry, tag, address } = chart;
    try {
      const { digest } = await registry.resolve(tag, signal);
      const result = await check({ registry, digest, told: address.replace(/^oci:\/\//, "") }, signal);
      chart.pin(digest);
      return result === "verified";
    } catch (error) {
      throw new VerificationError(`failed to verify ${address}: ${messageOf(error)}`, { cause: error });
    }
  } catch (error) {
    const failure = buildFailure("ChartVerificationError", error);
    conditions.set("SourceVerified", "False", "VerificationError", failure.message);
    throw failure;
  }
}
