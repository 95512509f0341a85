import type { RepositoryClient } from "../helm-repository/client.ts";
import type { ChartPass } from "./build.ts";
import { buildFailure } from "./build-failure.ts";
import type { OfferedChart } from "./repository.ts";

/**
 * Verifies a chart's signature at each attempt, where the object asks for it (VER-017 to VER-019); false where it does not. Throws
 * SourceFailure with SourceVerified set False.
 */
export async function verifyChart(
  { object, conditions }: ChartPass,
  client: RepositoryClient,
  _chart: OfferedChart,
): Promise<boolean> {
  if (object.spec.verify === undefined) {
    conditions.remove("SourceVerified");
    return false;
  }
  // VER-019: an index has no signatures that could be verified.
  const words =
    client.type === "default" ? "not implemented" : "signatures cannot be verified by this release of Sluice";
  const failure = buildFailure("ChartVerificationError", new Error(words));
  conditions.set("SourceVerified", "False", "VerificationError", failure.message);
  throw failure;
}
